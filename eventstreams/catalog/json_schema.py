"""Converts a schema of the catalogue to JSON Schema (2020-12), which describes ``data`` as it is delivered. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from eventstreams.avro.named_types import fields_of, kind_of_type, named_types
from eventstreams.catalog.schema_rules import IDENTITY

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Final = {
    "null": "null",
    "boolean": "boolean",
    "long": "integer",
    "double": "number",
    "string": "string",
}

Json = dict[str, object]


def json_schema(avro: object, *, url: str, title: str, examples: Sequence[Mapping[str, object]] = ()) -> Json:
    """The JSON Schema of data that was decoded as ``avro`` (a parsed record).

    An optional field without a value is absent, never null, and no field occurs that is not in the schema.

    Args:
        avro: One version's schema, which must comply with ``eventstreams.catalog.schema_rules``.
        url: Where the document can be fetched; its ``$id``.
        title: A title for people.
        examples: Data that fits the schema.
    """
    outermost, *inner = named_types(avro).values()
    document: Json = {"$schema": DIALECT, "$id": url, "title": title, **_named(outermost)}
    if examples:
        document["examples"] = list(examples)
    if inner:
        document["$defs"] = {str(each["name"]): _named(each) for each in inner}
    return document


def _named(type_: Mapping[str, object]) -> Json:
    """The definition of a record or enum."""
    described: Json = {"description": type_["doc"]} if "doc" in type_ else {}
    if type_["type"] == "enum":
        return {**described, "type": "string", "enum": type_["symbols"]}
    fields = fields_of(type_)
    return {
        **described,
        "type": "object",
        "required": [field["name"] for field in fields if "default" not in field],
        "properties": {str(field["name"]): _field(field) for field in fields},
        "additionalProperties": False,
    }


def _field(field: Mapping[str, object]) -> Json:
    described: Json = {"description": field["doc"]} if "doc" in field else {}
    identity: Json = {IDENTITY: field[IDENTITY]} if IDENTITY in field else {}
    type_ = field["type"]
    if isinstance(type_, list) and "default" in field:
        type_ = _single([branch for branch in type_ if branch != "null"])
    return {**described, **_type(type_), **identity}


def _type(type_: object) -> Json:
    kind = kind_of_type(type_)
    if isinstance(type_, list):
        return _union(type_)
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if not isinstance(type_, Mapping):
        return {"$ref": f"#/$defs/{type_}"}
    if kind == "array":
        return {"type": "array", "items": _type(type_["items"])}
    if kind == "map":
        return {"type": "object", "additionalProperties": _type(type_["values"])}
    return {"$ref": f"#/$defs/{type_['name']}"}


def _union(branches: Sequence[object]) -> Json:
    kinds = [kind_of_type(branch) for branch in branches]
    if all(kind in _PLAIN for kind in kinds):
        return {"type": [_PLAIN[kind] for kind in kinds]}
    return {"anyOf": [_type(branch) for branch in branches]}


def _single(branches: Sequence[object]) -> object:
    return branches[0] if len(branches) == 1 else branches
