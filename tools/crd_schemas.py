"""Makes tests/support/crd-schemas.json from CustomResourceDefinitions: ``python -m tools.crd_schemas FILE…``.

The files come from the projects that define the kinds (all Apache-2.0): KEDA's ``config/crd/bases``, the Prometheus
operator's ``example/prometheus-operator-crd``, Strimzi's ``install/cluster-operator``, the Gateway API's
``config/crd/standard``. Only what matters for validation is kept, so no descriptions. Names that are not in a schema
are errors, as the API server would drop them.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

INTO: Final = Path(__file__).parents[1] / "tests" / "support" / "crd-schemas.json"
_DROPPED: Final = frozenset({"description", "default", "example", "format"})


def schemas_of(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of each served version, by ``apiVersion/Kind``."""
    spec = definition["spec"]
    return {
        f"{spec['group']}/{each['name']}/{spec['names']['kind']}": _object(each["schema"]["openAPIV3Schema"])
        for each in spec["versions"]
        if each["served"]
    }


def _object(schema: Mapping[str, Any]) -> dict[str, Any]:
    found = _reduced(schema)
    found["properties"] |= {name: {"type": "string"} for name in ("apiVersion", "kind")} | {"metadata": {}}
    return found


def _reduced(schema: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        name: value for name, value in schema.items() if name not in _DROPPED and not name.startswith("x-kubernetes")
    }
    if "properties" in schema:
        found["properties"] = {name: _reduced(each) for name, each in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            found.setdefault("additionalProperties", False)
    if isinstance(schema.get("additionalProperties"), Mapping):
        found["additionalProperties"] = _reduced(schema["additionalProperties"])
    if isinstance(schema.get("items"), Mapping):
        found["items"] = _reduced(schema["items"])
    if schema.get("x-kubernetes-int-or-string"):
        found = {"type": ["integer", "string"]}
    if schema.get("nullable"):
        found.pop("nullable")
        found["type"] = [found["type"], "null"]
    return found


def main(files: list[str]) -> None:
    found: dict[str, Any] = {}
    for file in files:
        for each in yaml.safe_load_all(Path(file).read_text()):
            if each:
                found |= schemas_of(each)
    INTO.write_text(json.dumps(found, separators=(",", ":"), sort_keys=True) + "\n")
    print(*sorted(found), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
