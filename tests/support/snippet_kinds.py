"""Checks that a code block of the documentation is right for its kind (JSON, YAML, shell …)."""

import ast
import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

import jsonschema
import yaml

from control_api.openapi.document import openapi_document
from control_api.operations import ALL
from eventstreams.settings import PREFIX, Settings
from tests.support.page import Block
from tests.support.shell import commands_of
from tests.support.typed_commands import problems_of
from tools.chart_readme import CHART
from tools.crd_schemas import INTO as CRD_SCHEMAS

CHECKED_AS: Final = "checked as: "
ROOT: Final = Path(__file__).parents[2]


def _sh(block: Block) -> Iterator[str]:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        yield done.stderr
        return
    unknown = set(re.findall(rf"\b{PREFIX}\w+", block.text)) - _variables()
    yield from (f"there is no setting {each}" for each in sorted(unknown))
    for words in commands_of(block.text):
        yield from problems_of(words)


@cache
def _variables() -> set[str]:
    """Return the settings' variables, and those that the files of the image and of Compose read as well."""
    settings = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    files = (*(ROOT / "deploy" / "compose").glob("*"), *(ROOT / "deploy" / "image").glob("*"))
    return settings | {
        name for file in files if file.is_file() for name in re.findall(rf"\b{PREFIX}\w+", file.read_text())
    }


def _json(block: Block) -> Iterator[str]:
    try:
        found = json.loads(without_ellipses(block.text))
    except ValueError as error:
        yield f"no JSON: {error}"
        return
    if kind := block.noted(CHECKED_AS):
        validator = jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{kind}", "components": answers()})
        yield from (f"{error.json_path}: {error.message}" for error in validator.iter_errors(found))


@cache
def answers() -> Mapping[str, Any]:
    """The objects that the API answers with, without what would be more; parts of them may be left out."""
    found: Mapping[str, Any] = json.loads(json.dumps(openapi_document(ALL)["components"]))
    for schema in found["schemas"].values():
        if "properties" in schema:
            schema.pop("required", None)
            schema.setdefault("additionalProperties", False)
    return found


def without_ellipses(text: str) -> str:
    """Remove each ``…`` that stands for omitted parts of an object or a list."""
    return re.sub(r"(?<=[{\[])…|,\s*…(?=\s*[}\]])", "", text)


def _http(block: Block) -> Iterator[str]:
    head, _, body = block.text.partition("\n\n")
    start, *headers = head.splitlines()
    if re.fullmatch(r"[A-Z]+ /\S* HTTP/1\.1", start) is None:
        yield f"no start of a request: {start}"
    yield from (f"no header: {each}" for each in headers if re.fullmatch(r"[\w-]+: \S.*", each) is None)
    yield from _json(replace(block, text=body))


def _python(block: Block) -> Iterator[str]:
    try:
        ast.parse(dedent(block.text) if block.is_part else block.text)
    except SyntaxError as error:
        yield f"no Python: {error}"


def _toml(block: Block) -> Iterator[str]:
    try:
        tomllib.loads(block.text)
    except tomllib.TOMLDecodeError as error:
        yield f"no TOML: {error}"


def _yaml(block: Block) -> Iterator[str]:
    kind = block.noted(CHECKED_AS)
    try:
        found = yaml.safe_load(block.text.replace("{…}", "{}")) if kind else None
    except yaml.YAMLError as error:
        yield f"no YAML: {error}"
        return
    if kind:
        validator = jsonschema.Draft202012Validator(PARTS[kind].schema())
        yield from (f"{error.json_path}: {error.message}" for error in validator.iter_errors(PARTS[kind].part(found)))


@dataclass(frozen=True, slots=True)
class Part:
    """What a YAML block is a part of.

    Attributes:
        schema: Of that part.
        part: Of what the block says, the part that the schema is of.
    """

    schema: Callable[[], Mapping[str, Any]]
    part: Callable[[Any], Any] = lambda found: found


def _chart() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    return found


def _triggers() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(CRD_SCHEMAS.read_text())["keda.sh/v1alpha1/ScaledObject"]
    spec = found["properties"]["spec"]["properties"]
    return {"type": "object", "properties": {"triggers": spec["triggers"]}, "additionalProperties": False}


def _container() -> Mapping[str, Any]:
    env = {"type": "object", "required": ["name"], "properties": {"name": {"enum": sorted(_variables())}}}
    return {"type": "object", "required": ["env"], "properties": {"env": {"type": "array", "items": env}}}


PARTS: Final[Mapping[str, Part]] = {
    "values of the chart": Part(_chart),
    "triggers of a ScaledObject": Part(_triggers),
    "environment of a container": Part(_container),
}
CHECKS: Final[Mapping[str, Callable[[Block], Iterator[str]]]] = {
    "sh": _sh,
    "json": _json,
    "http": _http,
    "python": _python,
    "toml": _toml,
    "yaml": _yaml,
}
