"""Rules for schemas beyond valid Avro: safe to read, convertible to plain JSON, compatible with other versions."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from eventstreams.avro.named_types import fields_of, kind_of_type, named_types

_PLAIN: Final = frozenset({"null", "boolean", "long", "double", "string"})
_INSTEAD: Final = {
    "int": "long",  # a field that outgrows 32 bits could never be widened for its old readers
    "float": "double",
    "bytes": "string containing base64",  # JSON has no bytes
    "fixed": "string containing base64",
}

# Avro's own rule, which fastavro does not check. Names also become names in generated Python.
_NAME: Final = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_NAME_FORM: Final = "a name consists of letters, digits and _, and does not begin with a digit"
_AVRO_TYPES: Final = frozenset({*_PLAIN, *_INSTEAD, "record", "error", "enum", "array", "map", "union"})

IDENTITY: Final = "identityType"
"""The reference's schema attribute for the field that identifies whom an event is about, as needed for Segment."""

_IDENTITIES: Final = frozenset({"phone"})


def broken_rules(schema: object, previous: object | None = None) -> Sequence[str]:
    """Every rule that ``schema`` (parsed Avro) breaks, each as the end of a sentence; empty if it breaks none.

    Two of the rules keep workers alive: fastavro overflows the stack on a type that contains itself, and loops for
    hours over an array whose items take no bytes.

    Args:
        schema: The version to check.
        previous: The version before it: readers of each must be able to read data of the other.
    """
    if isinstance(schema, list) or kind_of_type(schema) != "record":
        return ["is not a record"]
    changes = () if previous is None else _change_offences(schema, previous)
    return list(dict.fromkeys(chain(_type_offences(schema, "the record", ()), changes)))


def _type_offences(schema: object, where: str, around: tuple[str, ...]) -> Iterator[str]:
    """``where`` is the location in words; ``around`` are the names of the records that contain it."""
    kind = kind_of_type(schema)
    if isinstance(schema, Mapping) and "logicalType" in schema:
        yield f"makes {where} a {schema['logicalType']}: use the plain {kind}"
    if kind in _INSTEAD:
        yield f"makes {where} {kind}: use {_INSTEAD[kind]}"
    elif kind == "null":
        yield f"makes {where} null: null is only for optional fields"
    elif kind in around:
        yield f"makes {where} a {kind}, which contains it: types must not contain themselves"
    elif isinstance(schema, list):
        kinds = [kind_of_type(branch) for branch in schema]
        if "union" in kinds or len(set(kinds)) < len(kinds):
            yield f"makes {where} one of {', '.join(kinds)}: a union has distinct types, none of which is a union"
        for branch in schema:
            if branch != "null":
                yield from _type_offences(branch, where, around)
    elif isinstance(schema, Mapping) and kind not in _PLAIN:
        yield from _inner_offences(schema, where, around)


def _inner_offences(schema: Mapping[str, object], where: str, around: tuple[str, ...]) -> Iterator[str]:
    kind = schema["type"]
    if "name" in schema:
        yield from _name_offences(str(schema["name"]), where)
    if kind == "array":
        yield from _type_offences(schema["items"], f"an item of {where}", around)
    elif kind == "map":
        yield from _type_offences(schema["values"], f"a value of {where}", around)
    elif kind == "record":
        fields = fields_of(schema)
        if not fields:
            yield f"gives {where} no fields"
        names = [field["name"] for field in fields]
        for field in fields:
            if not _NAME.fullmatch(str(field["name"])):
                yield f"has a field {field['name']!r}: {_NAME_FORM}"
            elif names.count(field["name"]) > 1:
                yield f"has field {field['name']} twice"
            yield from _field_offences(field, (*around, str(schema["name"])))
        if not around:
            yield from _identity_offences(fields)
        elif nested := next((field["name"] for field in fields if IDENTITY in field), None):
            yield f"gives field {nested} of {where} an {IDENTITY}: only fields of the outermost record can have one"


def _name_offences(name: str, where: str) -> Iterator[str]:
    if not all(map(_NAME.fullmatch, name.split("."))):
        yield f"names the type of {where} {name!r}: {_NAME_FORM}, with dots between the parts of a namespace"
    elif name in _AVRO_TYPES:
        yield f"names the type of {where} {name}, which is one of Avro's own types"


def _field_offences(field: Mapping[str, object], around: tuple[str, ...]) -> Iterator[str]:
    where = f"field {field['name']}"
    yield from _type_offences(field["type"], where, around)
    type_ = field["type"]
    optional = isinstance(type_, list) and type_[:1] == ["null"]
    if ("default" in field) != optional or field.get("default") is not None:
        yield (
            f"gives {where} a default that does not fit: "
            'an optional field is ["null", …] with default null, and no other field has a default'
        )


def _identity_offences(fields: Sequence[Mapping[str, object]]) -> Iterator[str]:
    kinds = [field[IDENTITY] for field in fields if IDENTITY in field]
    for field in fields:
        if IDENTITY not in field:
            continue
        where = f"gives field {field['name']} {IDENTITY} {field[IDENTITY]!r}"
        if field[IDENTITY] not in _IDENTITIES:
            yield f"{where}: the possible values are {', '.join(sorted(_IDENTITIES))}"
        elif field["type"] not in ("string", ["null", "string"]):
            yield f"{where}: only a string can be one"
        elif kinds.count(field[IDENTITY]) > 1:
            yield f"{where}, which another field also has: an event is about one identity"


def _change_offences(schema: Mapping[str, object] | object, previous: object) -> Iterator[str]:
    later, earlier = named_types(schema), named_types(previous)
    if next(iter(later)) != next(iter(earlier)):
        yield f"names its record {next(iter(later))}, but the previous version says {next(iter(earlier))}"
    for name, old in earlier.items():
        new = later.get(name)
        if new is None:
            continue  # then the field of this type is gone or has another type, which is reported
        if new.get("symbols") != old.get("symbols"):
            yield f"changes the symbols of {name}: a reader of the previous version could not read them"
        if old["type"] == new["type"] == "record":
            yield from _field_changes(name, new, old)


def _field_changes(name: str, new: Mapping[str, object], old: Mapping[str, object]) -> Iterator[str]:
    types = {field["name"]: _shape(field["type"]) for field in fields_of(new)}
    known = {field["name"]: _shape(field["type"]) for field in fields_of(old)}
    for field, type_ in known.items():
        if field not in types:
            yield f"lacks field {field} of {name}, which the previous version has: versions only add fields"
        elif types[field] != type_:
            yield f"changes the type of field {field} of {name}: versions only add fields"
    for field in fields_of(new):
        if field["name"] not in known and "default" not in field:
            yield f"adds field {field['name']} to {name} without a default: fields that a version adds must be optional"


def _shape(schema: object) -> object:
    """``schema`` without its documentation and with named types as their names, for comparison."""
    if isinstance(schema, list):
        return [_shape(branch) for branch in schema]
    if not isinstance(schema, Mapping):
        return schema
    inner = schema.get("items", schema.get("values"))
    return schema.get("name") or ([schema["type"], _shape(inner)] if inner is not None else schema["type"])
