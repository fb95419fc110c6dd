"""Writes the table of the Helm chart's values from ``values.yaml``, with the comments that begin with ``# --``."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import yaml

CHART: Final = Path(__file__).resolve().parent.parent / "deploy" / "helm" / "eventstreams"
_MEANING: Final = "# -- "


def readme() -> str:
    """The chart's README.md."""
    text = (CHART / "values.yaml").read_text()
    rows = [f"| `{key}` | `{default}` | {meaning} |" for key, default, meaning in _rows(yaml.compose(text), text)]
    return "\n".join(
        [
            "<!-- Written by `make docs` from values.yaml: change it there. -->",
            "# Chart `eventstreams`",
            "",
            "For how to use it, see [Deploying with Helm](../../../docs/deploying-with-helm.md). `values.schema.json`",
            "refuses values that are not in this table.",
            "",
            "| value | default | meaning |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _rows(node: yaml.Node | None, text: str, path: str = "") -> Iterator[tuple[str, str, str]]:
    assert isinstance(node, yaml.MappingNode)
    for key, value in node.value:
        name = f"{path}{key.value}"
        meaning = _comment_above(key.start_mark.line, text.splitlines())
        if isinstance(value, yaml.MappingNode) and value.value and not value.flow_style:
            if meaning:
                yield name, "{…}", meaning
            yield from _rows(value, text, f"{name}.")
        else:
            yield name, _shown(value), meaning


def _comment_above(line: int, lines: list[str]) -> str:
    words: list[str] = []
    for above in reversed(lines[:line]):
        stripped = above.strip()
        if stripped.startswith(_MEANING):
            return " ".join([stripped.removeprefix(_MEANING), *words]).replace("|", "\\|")
        if not stripped.startswith("# "):
            return ""
        words.insert(0, stripped.removeprefix("# "))
    return ""


def _shown(node: yaml.Node) -> str:
    value: object = yaml.SafeLoader("").construct_object(node, deep=True) if node.tag else None
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {each}" for name, each in value.items()) + "}"
    return '""' if value == "" else str(value).lower() if isinstance(value, bool) else str(value)
