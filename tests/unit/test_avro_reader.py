"""The compiled reader: fastavro's values for what any version of a schema writes, and a refusal for hostile bytes."""

import json
import math
import re
import struct
import tracemalloc
from collections.abc import Callable
from datetime import date
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstreams.avro.absent_fields import compile_prune
from eventstreams.avro.reader import Reader, UnreadableError, compile_check, compile_reader
from eventstreams.avro.writer import compile_writer
from eventstreams.catalog import Catalog, Schema, SchemaVersion
from eventstreams.codec import Codec, CodecProblem
from tests.support.avro_values import data_of

CATALOG = Catalog.load()
VERSIONS = [version for schema in CATALOG.schemas.values() for version in schema.versions]
NEWEST = [pytest.param(schema.latest, id=schema.id) for schema in CATALOG.schemas.values()]
STRICTER = (
    "more than 64 bits",
    "negative length",
    "invalid boolean",
    "a branch index that its union does not have",
    "NaN",
)
"""What of a refusal says that fastavro may have read it nevertheless: Avro's specification has none of it."""


def compiled(wrote: object, wanted: object | None = None) -> Reader:
    found = compile_reader(wrote, wrote if wanted is None else wanted)
    assert found is not None
    return found


@cache
def reader_of(wrote: SchemaVersion, wanted: SchemaVersion) -> Reader:
    return compiled(wrote.avro, wanted.avro)


def check(schema: object, value: bytes) -> None:
    """Raises where the reader should."""
    found = compile_check(schema, of_ascii=value.isascii())
    assert found is not None
    assert found(value) == {}


def by_fastavro(wrote: object, value: bytes, wanted: object | None = None) -> object:
    """What fastavro reads, as it is delivered: without what has no value."""
    buffer = BytesIO(value)
    found = schemaless_reader(buffer, wrote, wanted)  # type: ignore[arg-type]  # parsed ones
    if buffer.tell() != len(value):
        raise ValueError("bytes are left")
    assert isinstance(found, dict)
    return compile_prune(wrote if wanted is None else wanted)(found)


def written(schema: object, data: object) -> bytes:
    buffer = BytesIO()
    schemaless_writer(buffer, schema, data)  # type: ignore[arg-type]  # a parsed one
    return buffer.getvalue()


def record(**types: object) -> object:
    fields = [{"name": name, "type": type_} for name, type_ in types.items()]
    return parse_schema({"type": "record", "name": "R", "fields": fields})


def agree(reader: Reader, value: bytes, wrote: object, wanted: object) -> None:
    """The two read the same from ``value``, or refuse it both; or only ours refuses it. Its check does as it does."""
    try:
        found = reader(value)
    except UnreadableError as error:
        if wanted is wrote:
            with pytest.raises(UnreadableError, match=f"^{re.escape(str(error))}$"):
                check(wrote, value)
        if not any(text in str(error) for text in STRICTER):
            with pytest.raises(Exception):  # noqa: B017, PT011 - fastavro raises what the bytes provoke
                by_fastavro(wrote, value)  # all of it: passing over a list of numbers it would count for years
    else:
        if wanted is wrote:
            check(wrote, value)
        assert repr(found) == repr(by_fastavro(wrote, value, None if wanted is wrote else wanted))  # NaN equals none


@pytest.mark.parametrize("writer", VERSIONS, ids=lambda each: f"{each.schema_id}/{each.version}")
@settings(max_examples=5)
@given(st.data())
def test_every_version_of_the_catalogue_reads_every_other_as_fastavro_does(
    writer: SchemaVersion, data: st.DataObject
) -> None:
    value = written(writer.avro, data.draw(data_of(writer)))

    for reader in CATALOG.schemas[writer.schema_id].versions:  # of one value each: to make it is the dear part
        found = reader_of(writer, reader)(value)

        assert found == by_fastavro(writer.avro, value, None if reader is writer else reader.avro), reader.version


@pytest.mark.parametrize("version", NEWEST)
@settings(max_examples=15)
@given(st.data())
def test_bytes_that_were_changed_are_read_as_fastavro_does_or_refused(
    version: SchemaVersion, data: st.DataObject
) -> None:
    value = bytearray(written(version.avro, data.draw(data_of(version))))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(value)))
        value[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    oldest = CATALOG.schemas[version.schema_id].versions[0]

    for wanted in (version, oldest):
        agree(reader_of(version, wanted), bytes(value), version.avro, wanted.avro)


TYPES = [
    "boolean",
    "long",
    "double",
    "string",
    {"type": "enum", "name": "E", "symbols": ["A", "B"]},
    {"type": "array", "items": ["null", "long", "string"]},
    {"type": "array", "items": "double"},
    {"type": "map", "values": ["null", "long"]},
    {"type": "map", "values": {"type": "array", "items": "boolean"}},
    ["null", "boolean", "long", "double", "string"],
    ["string", "null"],
    {"type": "record", "name": "Inner", "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "string"}]},
]


@pytest.mark.parametrize("type_", TYPES, ids=str)
@settings(max_examples=75)
@given(st.binary(max_size=40))
def test_any_bytes_are_read_as_fastavro_does_or_refused(type_: object, value: bytes) -> None:
    whole, both, second = record(f=type_), record(f=type_, g="boolean"), record(g="boolean")

    agree(compiled(whole), value, whole, whole)
    agree(compiled(both, second), value + b"\1", both, second)


LARGEST = bytes([0xFE, *[0xFF] * 8, 0x01])  # 2**63 - 1
BEYOND = bytes([0xFF] * 9 + [0x02])


@pytest.mark.parametrize(
    ("type_", "value", "says"),
    [
        ("string", b"", "ends prematurely"),
        ("string", b"\x06ab", "ends prematurely"),
        ("string", b"\x80", "ends prematurely"),
        ("string", LARGEST + b"x", "ends prematurely"),
        ("string", b"\x01x", "negative length"),
        ("string", b"\x81\x01x", "negative length"),
        ("string", b"\x02\xff", "not UTF-8"),
        ("string", b"\x02xy", "1 bytes after its last field"),
        ("long", BEYOND, "more than 64 bits"),
        ("long", b"\xff" * 1000, "more than 64 bits"),
        ("boolean", b"\x02", "invalid boolean"),
        ("double", b"\0" * 7, "ends prematurely"),
        *(("double", struct.pack("<d", each), "NaN or infinite") for each in (math.nan, math.inf, -math.inf)),
        (TYPES[4], b"\x04", "enum index out of range"),
        (TYPES[4], b"\x01", "enum index out of range"),
        (["null", "long"], b"\x04", "branch index that its union does not have"),
        (["null", "long"], b"\x80\x00", "branch index that its union does not have"),
        ({"type": "array", "items": "long"}, LARGEST, "ends prematurely"),
        ({"type": "array", "items": "double"}, LARGEST + b"\0" * 7, "ends prematurely"),
        ({"type": "array", "items": "long"}, b"\x01\x01\0\0", "negative length"),
        ({"type": "map", "values": "long"}, LARGEST + b"\0\0" * 5, "ends prematurely"),
        ({"type": "map", "values": "double"}, b"\x02" + LARGEST + b"x" * 9, "ends prematurely"),
    ],
)
def test_hostile_bytes_are_refused_with_a_reason_and_no_memory(type_: object, value: bytes, says: str) -> None:
    reader = compiled(record(f=type_))

    tracemalloc.start()
    with pytest.raises(UnreadableError) as caught:
        reader(value)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert says in str(caught.value)
    assert peak < 64 << 10


@pytest.mark.parametrize("items", ["double", "long", "boolean", "string"])
def test_a_list_that_is_passed_over_cannot_be_longer_than_its_bytes(items: str) -> None:
    reader = compiled(record(f={"type": "array", "items": items}, g="long"), record(g="long"))

    with pytest.raises(UnreadableError, match="ends prematurely"):
        reader(LARGEST + b"\0" * 20)


def test_a_block_may_say_its_size_in_bytes() -> None:
    reader = compiled(record(f={"type": "array", "items": "long"}))

    assert reader(b"\x03\x04\x02\x04\x02\x06\x00") == {"f": [1, 2, 3]}


def test_a_key_that_comes_twice_counts_with_its_last_value_null_as_well() -> None:
    reader = compiled(record(f={"type": "map", "values": ["null", "long"]}))

    assert reader(b"\x04\x02a\x02\x0e\x02a\x00\x00") == {"f": {"a": None}}


def test_a_type_that_contains_itself_cannot_overflow_the_stack() -> None:
    fields = [{"name": "next", "type": ["null", "Node"], "default": None}]
    reader = compiled(parse_schema({"type": "record", "name": "Node", "fields": fields}))

    with pytest.raises(UnreadableError, match="nested too deeply"):
        reader(b"\x02" * 100_000 + b"\0")


def test_a_text_longer_than_any_memory_is_refused_whatever_follows_it() -> None:
    for follows in TYPES:
        with pytest.raises(UnreadableError, match="ends prematurely"):
            compiled(record(f="string", g=follows))(LARGEST + b"\0" * 20)


def lists(depth: int) -> object:
    """A list of lists of lists …"""
    return "string" if depth == 0 else {"type": "array", "items": lists(depth - 1)}


OTHERS: list[Callable[[], tuple[object, object]]] = [
    lambda: (record(f="int"), record(f="int")),
    lambda: (record(f="long"), record(f="double")),
    lambda: (record(f="long"), record(f=["null", "long"])),
    lambda: (record(f=["null", "long"]), record(f=["null", "string"])),
    lambda: (record(f={"type": "enum", "name": "E", "symbols": ["A"]}), record(f=TYPES[4])),
    lambda: (record(f="long"), record(f="long", g="long")),
    lambda: (record(f={"type": "array", "items": {"type": "record", "name": "X", "fields": []}}), record(g="long")),
    lambda: ("long", "long"),
    lambda: (record(f=lists(11)), record(f=lists(11))),  # twice as many loops as Python nests
]


@pytest.mark.parametrize("schemas", OTHERS)
def test_what_the_rules_of_the_catalogue_forbid_is_left_to_fastavro(
    schemas: Callable[[], tuple[object, object]],
) -> None:
    assert compile_reader(*schemas()) is None


def test_lists_deeper_than_python_nests_loops_are_left_to_fastavro_when_written_as_well() -> None:
    assert compile_writer(record(f=lists(10))) is not None
    assert compile_writer(record(f=lists(22))) is None


def test_fastavro_reads_for_a_catalogue_that_keeps_other_rules(tmp_path: Path) -> None:
    versions = []
    for number, type_ in enumerate(("long", "double"), start=1):
        path = tmp_path / f"{number}.avsc"
        path.write_text(json.dumps({"type": "record", "name": "R", "fields": [{"name": "f", "type": type_}]}))
        versions.append(SchemaVersion("Acme.R", number, date(2026, 1, 2), "Made.", path))
    schema = Schema("Acme.R", "acme", "R", (), versions)
    codec = Codec(Catalog({}, {}, {schema.id: schema}), schema_base_url="https://schemas.example.com")
    value = codec.encode(versions[0], {"f": 1})

    assert codec.decode(codec.dataschema(versions[0]), value, version=2) == {"f": 1.0}
    assert isinstance(codec.decode(codec.dataschema(versions[0]), b"", version=2), CodecProblem)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_no_json_has_is_refused_where_fastavro_reads(tmp_path: Path, number: float) -> None:
    path = tmp_path / "1.avsc"
    items = {"type": "array", "items": {"type": "map", "values": "float"}}
    path.write_text(json.dumps({"type": "record", "name": "R", "fields": [{"name": "f", "type": items}]}))
    version = SchemaVersion("Acme.R", 1, date(2026, 1, 2), "Made.", path)
    catalog = Catalog({}, {}, {"Acme.R": Schema("Acme.R", "acme", "R", (), [version])})
    codec = Codec(catalog, schema_base_url="https://schemas.example.com")

    found = codec.decode(codec.dataschema(version), written(version.avro, {"f": [{"k": 1.5}, {"k": number}]}))

    assert isinstance(found, CodecProblem)
    assert found.detail.endswith("it contains a number that is NaN or infinite")
