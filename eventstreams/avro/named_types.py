"""The named types of an Avro schema: each is defined once and then referred to by its name."""

from collections.abc import Iterator, Mapping
from typing import Final

_CONTENTS: Final = {"array": "items", "map": "values"}


def kind_of_type(schema: object) -> str:
    """The kind of ``schema``, such as "long", "union" or "record"; for a reference, the name that it refers to."""
    if isinstance(schema, list):
        return "union"
    return str(schema["type"] if isinstance(schema, Mapping) else schema)


def fields_of(record: Mapping[str, object]) -> list[Mapping[str, object]]:
    """The fields of a parsed record schema, in their order on the wire."""
    fields = record["fields"]
    assert isinstance(fields, list)  # the parser has checked it
    return fields


def named_types(schema: object) -> dict[str, Mapping[str, object]]:
    """Every record and enum that ``schema`` (parsed Avro) defines, by full name, outermost first."""
    return dict(_named(schema))


def _named(schema: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    if isinstance(schema, list):
        for branch in schema:
            yield from _named(branch)
    elif isinstance(schema, Mapping):
        if "name" in schema:
            yield str(schema["name"]), schema
        kind = kind_of_type(schema)
        if kind == "record":
            for field in fields_of(schema):
                yield from _named(field["type"])
        elif kind in _CONTENTS:
            yield from _named(schema[_CONTENTS[kind]])
