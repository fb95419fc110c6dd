"""Checks responses against the API's own OpenAPI document; done for every response that the tests' helpers get."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import orjson
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from control_api.openapi.document import openapi_document
from control_api.operations import ALL

OF_THE_PROCESS: Final = ("/livez", "/readyz", "/replica")
"""Not part of the API: for whoever runs the process, and for its replicas."""
_DOCUMENT: Final[dict[str, Any]] = orjson.loads(orjson.dumps(openapi_document(ALL)))
_OPEN: Final = {"Page2010"}  # its fields stand beside the list that they describe


def check(method: str, path: str, status: int, body: bytes | str) -> None:
    """Raise ``AssertionError`` if the document does not allow this response to this request."""
    if method == "OPTIONS" or path in OF_THE_PROCESS:
        return
    where = f"{method} {path}: {status}"
    operation = _operation("GET" if method == "HEAD" else method, path)
    if operation is None:
        assert status >= 400, f"{where}, of an operation that is not in the document"
        _validate("/components/schemas/ErrorBody", body, where)
        return
    template, verb = operation
    answers = _DOCUMENT["paths"][template][verb]["responses"]
    assert str(status) in answers, f"{where}, which is not in the document: {body[:500]!r}"
    answer = answers[str(status)]
    pointer = f"/paths/{_escaped(template)}/{verb}/responses/{status}"
    if "$ref" in answer:
        pointer = answer["$ref"].removeprefix("#")
        answer = _DOCUMENT["components"]["responses"][pointer.rpartition("/")[2]]
    if "content" not in answer:
        assert not body, f"{where} has a body"
    elif "application/json" in answer["content"] and method != "HEAD":
        _validate(f"{pointer}/content/application~1json/schema", body, where)


def _operation(method: str, path: str) -> tuple[str, str] | None:
    """Return template and verb of the operation that a request is for; a literal name is preferred to a parameter."""
    found = [each.path for each in ALL if each.method == method and _pattern(each.path).fullmatch(path)]
    return (min(found, key=lambda each: each.count("{")), method.lower()) if found else None


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))


def _validate(pointer: str, body: bytes | str, where: str) -> None:
    value = orjson.loads(body)
    errors = [
        f"{'.'.join(map(str, each.path))}: {each.message[:500]}" for each in _validator(pointer).iter_errors(value)
    ]
    assert not errors, f"{where} is not what the document says: {errors}"


@cache
def _validator(pointer: str) -> Draft202012Validator:
    registry: Registry[Any] = Registry().with_resource("api:", DRAFT202012.create_resource(_strict(_DOCUMENT)))
    return Draft202012Validator({"$ref": f"api:#{pointer}"}, registry=registry, format_checker=FormatChecker())


@cache
def _strict_schemas() -> Mapping[str, Any]:
    schemas: Mapping[str, Any] = _DOCUMENT["components"]["schemas"]
    return {
        name: {**schema, "additionalProperties": False} if "properties" in schema and name not in _OPEN else schema
        for name, schema in schemas.items()
    }


def _strict(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ``document`` without room for unknown fields: clients accept them, but we must not send any."""
    return {**document, "components": {**document["components"], "schemas": _strict_schemas()}}


def _escaped(text: str) -> str:
    return text.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
