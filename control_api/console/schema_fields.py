"""Lists a schema's fields, and the differences between two of its versions. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

_DEEP: Final = 12  # levels: the catalogue's schemas may be recursive

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaField:
    """One field of an event's data.

    Attributes:
        path: Its names, joined by dots; ``[]`` follows the name of a list.
        type: Its type, in words.
        required: Whether it is always there.
        help: Its description.
    """

    path: str
    type: str
    required: bool
    help: str


class Change(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """How one field differs between two versions. ``before``: its earlier type, if that has changed."""

    change: Change
    field: SchemaField
    before: str = ""


def schema_fields(document: Schema) -> Sequence[SchemaField]:
    """The fields of ``document``, a JSON Schema of the catalogue, in its order, each before the fields inside it."""
    return list(_within(document, document.get("$defs", {}), "", 0))


def differences(older: Schema, newer: Schema) -> Sequence[Difference]:
    """The differences from ``older`` to ``newer``: fields of ``newer`` in its order, then removed ones."""
    before = {each.path: each for each in schema_fields(older)}
    after = {each.path: each for each in schema_fields(newer)}
    found = []
    for path, each in after.items():
        was = before.get(path)
        if was is None:
            found.append(Difference(Change.ADDED, each))
        elif (was.type, was.required) != (each.type, each.required):
            found.append(Difference(Change.CHANGED, each, _in_words(was)))
    return [*found, *(Difference(Change.REMOVED, each) for path, each in before.items() if path not in after)]


def _in_words(field: SchemaField) -> str:
    return f"{field.type}{'' if field.required else ', optional'}"


def _within(schema: Schema, shared: Schema, path: str, depth: int) -> Iterator[SchemaField]:
    needed = schema.get("required", ())
    for name, declared in schema.get("properties", {}).items():
        found = _found(declared, shared)
        here = f"{path}{name}"
        yield SchemaField(
            path=here,
            type=_type(declared, shared),
            required=name in needed,
            help=str(declared.get("description") or found.get("description", "")),
        )
        inner = _found(found.get("items", {}), shared) if found.get("type") == "array" else found
        if depth < _DEEP and "properties" in inner:
            end = "[]." if inner is not found else "."
            yield from _within(inner, shared, f"{here}{end}", depth + 1)


def _found(schema: Schema, shared: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    inner: Schema = shared.get(str(schema["$ref"]).removeprefix("#/$defs/"), {})
    return inner


def _type(schema: Schema, shared: Schema) -> str:
    found = _found(schema, shared)
    match found:
        case {"enum": list(values)}:
            return f"one of {', '.join(map(str, values))}"
        case {"anyOf": list(several)}:
            return " or ".join(_type(each, shared) for each in several)
        case {"type": "array"}:
            return f"list of {_type(found.get('items', {}), shared)}"
        case {"type": "object", "additionalProperties": Mapping() as values}:
            return f"map of {_type(values, shared)}"
        case {"type": list(several)}:
            return " or ".join(map(str, several))
        case _:
            return str(found.get("type", "any"))
