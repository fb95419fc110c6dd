"""Checks that the ``events`` and ``data`` entries of the catalogue, about attributes and constants, fit the schema."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from eventstreams.avro.named_types import fields_of, named_types
from eventstreams.catalog import EventType, Schema
from eventstreams.catalog.listing import Filled

PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
"""A placeholder in a ``source``: a field of the data, or ``accountsid``."""

_REFERENCE: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*")  # RFC 3986, all but quotation marks and braces
_STRINGS: Final = ("string", ["null", "string"])


def events_problems(schema: Schema, types: Sequence[EventType]) -> Iterator[str]:
    """Every field named in ``events`` of ``schema`` or in ``data`` of its ``types`` that does not fit its use there.

    Checked against the newest version. Each problem is a sentence that begins with the schema or the type.
    """
    avro, events = schema.latest.avro, schema.events
    assert isinstance(avro, dict)  # every schema of the catalogue is a record
    for name in events.filled:
        if _type_of(avro, name) not in _STRINGS:
            yield f"schema {schema.id}: events / filled: {name} is not a string of the outermost record"
    for name in events.partition_key:
        if not _is_string(avro, name):
            yield f"schema {schema.id}: events / partition_key: {name} is not a string of the data"
    if events.source is not None:
        yield from (f"schema {schema.id}: events / source: {each}" for each in _source_problems(avro, events.source))
    for each in types:
        for name, value in each.data.items():
            if name in events.filled:
                yield f"type {each.name}: data: {name} is already filled by its schema"
            elif (problem := _constant_problem(avro, name, value)) is not None:
                yield f"type {each.name}: data: {name} {problem}"


def _source_problems(record: Mapping[str, object], source: str) -> Iterator[str]:
    if not _REFERENCE.fullmatch(PLACEHOLDER.sub("", source)):
        yield "it must be a path such as /parcels/{parcelId}: no spaces, and braces only around the name of a field"
    for name in PLACEHOLDER.findall(source):
        if name != Filled.ACCOUNT and not _is_string(record, name):
            yield f"{name} is not a string of the data"


def field_on_the_way(record: Mapping[str, object], name: str) -> Iterator[tuple[Mapping[str, object], str]]:
    """Each record and field name on the path to ``name``, such as ``payload.task_sid``, as far as the path exists."""
    named = named_types(record)
    for step in name.split("."):
        yield record, step
        type_ = _type_of(record, step)
        branches = [named.get(each) if isinstance(each, str) else each for each in _branches(type_)]
        inner = next((each for each in branches if isinstance(each, Mapping) and each["type"] == "record"), None)
        if inner is None:
            return
        record = inner


def is_required(record: Mapping[str, object], name: str) -> bool:
    """Whether ``name`` is a field that every record of the schema has."""
    return any(each["name"] == name and "default" not in each for each in fields_of(record))


def _is_string(record: Mapping[str, object], name: str) -> bool:
    way = list(field_on_the_way(record, name))
    return len(way) == len(name.split(".")) and _type_of(*way[-1]) in _STRINGS


def _constant_problem(record: Mapping[str, object], name: str, value: str) -> str | None:
    type_ = _type_of(record, name)
    if type_ in _STRINGS:
        return None
    named = named_types(record)
    branches = [named.get(each) if isinstance(each, str) else each for each in _branches(type_)]
    for branch in branches:
        if isinstance(branch, Mapping) and branch["type"] == "enum":
            symbols = branch["symbols"]
            assert isinstance(symbols, list)  # the parser has checked it
            return None if value in symbols else f"must be one of {', '.join(symbols)}"
    return "is neither a string nor an enum of the outermost record"


def _type_of(record: Mapping[str, object], name: str) -> object:
    return next((each["type"] for each in fields_of(record) if each["name"] == name), None)


def _branches(type_: object) -> Sequence[object]:
    return type_ if isinstance(type_, list) else [type_]
