"""The Helm chart as tests render it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from tools.chart_readme import CHART

HELM: Final = str(Path(sys.executable).with_name("helm"))
FILES: Final = sorted((CHART / "ci").glob("*.yaml"))
LEAST: Final = CHART / "ci" / "least.yaml"
EVERYTHING: Final = CHART / "ci" / "everything.yaml"
EMAIL: Final = CHART / "ci" / "email.yaml"
STRIMZI: Final = CHART / "ci" / "strimzi.yaml"

Manifest = Mapping[str, Any]


def helm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, timeout=120, check=False)


def render(*files: Path, **values: object) -> Sequence[Manifest]:
    """Return the manifests that `helm install` would send."""
    given = [argument for file in files for argument in ("--values", str(file))]
    given += [argument for key, value in values.items() for argument in ("--set-json", f"{key}={json.dumps(value)}")]
    return _rendered(*given)


@cache
def _rendered(*given: str) -> Sequence[Manifest]:
    """Render them; cached, since many tests look at the same manifests."""
    done = helm("template", "rel", str(CHART), "--namespace", "events", *given)
    assert done.returncode == 0, done.stderr
    # As safe as the loader in plain Python and ten times as fast: the dashboards are long.
    return [each for each in yaml.load_all(done.stdout, yaml.CSafeLoader) if each]


def refusal(**values: object) -> str:
    """Return Helm's error message for wrong values."""
    given = [argument for key, value in values.items() for argument in ("--set-json", f"{key}={json.dumps(value)}")]
    done = helm("template", "rel", str(CHART), *given)
    assert done.returncode != 0
    return done.stderr


def of_kind(manifests: Sequence[Manifest], kind: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def pods(manifests: Sequence[Manifest]) -> Iterator[tuple[str, Manifest]]:
    for each in manifests:
        if each["kind"] in ("Deployment", "Job", "StatefulSet"):
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]
        elif each["kind"] == "Pod":
            yield each["metadata"]["name"], each["spec"]
