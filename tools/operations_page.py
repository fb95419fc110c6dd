"""Writes ``docs/operations.md``: the OpenAPI document as a static page to read and search."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from control_api.http.declared import Answer, Caller, Document, Listed, Listed2010, One, Operation, Parameter
from control_api.openapi.document import Json, openapi_document
from control_api.operations import ALL

_HEAD: Final = """\
<!-- Written by `make docs` from the code: change it there. -->
# Operations

This page lists every operation of the API. [openapi.json](openapi.json) says the same for programs, and so does
`GET /docs` of a running API. For how to use the operations, see [The API](api.md); for the codes,
[Errors](errors.md).

In addition to the refusals below, operations may be refused as follows:

| operation | status |
|---|---|
| any | 400 (20001), 503 (20503) |
| that requires credentials | 401, 403, 429 |
| that names a resource | 404 |
| with a body | 408, 413, 415 |
| POST | 422 |

Every POST accepts the header [`Idempotency-Key`](control-plane.md#idempotent-requests). Lists are paged: `PageSize`,
`Page`, `PageToken`.
"""
_ASKED_BY: Final = {
    Caller.ACCOUNT: "",
    Caller.OPERATOR: " For the operator.",
    Caller.ANYBODY: " For anybody, without credentials.",
}
_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "minLength", "maxLength", "default")


def operations_page() -> str:
    """The page: operations by group, then the objects in their answers."""
    return "\n".join(_page())


def _page() -> Iterator[str]:
    yield _HEAD
    groups = list(dict.fromkeys(each.group for each in ALL))
    in_order = sorted(ALL, key=lambda each: groups.index(each.group))
    for group, operations in groupby(in_order, key=lambda each: each.group):
        yield f"## {group}\n"
        for each in operations:
            yield from _operation(each)
    yield "## Objects\n"
    components = _map(openapi_document(ALL)["components"])
    for name, schema in _map(components["schemas"]).items():
        yield from _object(name, _map(schema))


def _operation(operation: Operation) -> Iterator[str]:
    said = f" {operation.description}" if operation.description else ""
    yield f"### {operation.name}\n"
    yield f"`{operation.method} {operation.path}`: {operation.summary}.{_ASKED_BY[operation.caller]}{said}\n"
    rows = [*_rows(operation.names, "path"), *_rows(operation.query, "query"), *_rows(operation.form, "form")]
    if rows:
        yield from ("| parameter | in | value | meaning |", "|---|---|---|---|", *rows, "")
    if operation.takes_json and operation.form:
        yield "The form may be a JSON object as well.\n"
    statuses = ", ".join(f"{status:d}" for status in operation.statuses)
    yield f"Answers {statuses}: {_answer(operation.answer)}."
    if operation.refusals:
        refused = dict.fromkeys(f"{status:d} ({code})" for status, code in operation.refusals)
        yield f"Refuses with {', '.join(refused)}."
    yield ""


def _rows(parameters: Sequence[Parameter], place: str) -> Iterator[str]:
    for each in parameters:
        needed = ", required" if each.required and place != "path" else ""
        often = "repeated: " if each.repeated else ""
        yield f"| `{each.name}` | {place}{needed} | {often}{_cell(_type(each.schema))} | {_cell(each.description)} |"


def _answer(answer: Answer) -> str:
    match answer:
        case One(model):
            return _link(model.__name__)
        case Listed(key, model) | Listed2010(key, model):
            return f"a page of `{key}`, each {_link(model.__name__)}"
        case Document(media_type):
            return f"a document of the type `{media_type}`"
        case None:
            return "no content"


def _object(name: str, schema: Json) -> Iterator[str]:
    yield f"### Object `{name}`\n"
    if "description" in schema:
        yield f"{' '.join(str(schema['description']).split()).replace('``', '`')}\n"
    if "properties" in schema:
        yield from ("| field | value | meaning |", "|---|---|---|")
        for field, each in _map(schema["properties"]).items():
            said = _map(each)
            yield f"| `{field}` | {_cell(_type(said))} | {_cell(str(said.get('description', '')))} |"
        yield ""
    elif "enum" in schema:
        yield f"One of {_type(schema)}.\n"


def _type(schema: Mapping[str, object]) -> str:
    """The type of ``schema`` in words, with links to objects."""
    match schema:
        case {"$ref": str(reference)}:
            return _link(reference.rpartition("/")[2])
        case {"anyOf": list(several)}:
            return " or ".join(_type(_map(each)) for each in several)
        case {"enum": list(values)}:
            return ", ".join(f"`{value}`" for value in values)
        case {"const": value}:
            return f"`{value}`" if value else "empty"
        case {"type": "array", "items": dict(items)}:
            return f"list of {_type(items)}"
        case _:
            bounds = [f"{name} {schema[name]}" for name in _BOUNDS if name in schema]
            pattern = [f"`{schema['pattern']}`"] if "pattern" in schema else []
            return ", ".join([str(schema.get("format") or schema.get("type") or "any"), *bounds, *pattern])


def _link(name: str) -> str:
    return f"[{name}](#object-{name.lower()})"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


def _map(value: object) -> Json:
    assert isinstance(value, dict)
    return value
