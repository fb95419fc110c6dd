"""The compiled writer: fastavro's bytes for what fits, a refusal for exactly what ``find_problem`` finds wrong."""

import math
from collections import OrderedDict
from collections.abc import Mapping
from enum import IntEnum, StrEnum
from functools import cache
from io import BytesIO
from types import MappingProxyType

import pytest
from fastavro import parse_schema, schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstreams.avro.named_types import fields_of, named_types
from eventstreams.avro.problems import find_problem
from eventstreams.avro.writer import Writer, compile_writer
from eventstreams.catalog import Catalog, SchemaVersion

VERSIONS = [version for schema in Catalog.load().schemas.values() for version in schema.versions]

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**64), 2**64)
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud800", "é", "x" * 1023, "x" * 1024, 2**63, -(2**63) - 1, 10**400, b"x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def values_of(schema: object, named: Mapping[str, Mapping[str, object]]) -> st.SearchStrategy[object]:
    """Values that fit ``schema``."""
    if isinstance(schema, list):
        return st.one_of(*(values_of(branch, named) for branch in schema))
    spelled = named.get(schema, {"type": schema}) if isinstance(schema, str) else schema
    assert isinstance(spelled, Mapping)
    match spelled["type"]:
        case "record":
            made = {field["name"]: values_of(field["type"], named) for field in fields_of(spelled)}
            optional = {field["name"] for field in fields_of(spelled) if "default" in field}
            return st.fixed_dictionaries(
                {name: each for name, each in made.items() if name not in optional},
                optional={name: made[name] for name in made if name in optional},
            )
        case "array":
            return st.lists(values_of(spelled["items"], named), max_size=3)
        case "map":
            return st.dictionaries(st.text(max_size=3), values_of(spelled["values"], named), max_size=3)
        case "enum":
            symbols = spelled["symbols"]
            assert isinstance(symbols, list)
            return st.sampled_from(symbols)
        case kind:
            return {
                "null": st.none(),
                "boolean": st.booleans(),
                "long": st.integers(-(2**63), 2**63 - 1),
                "double": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1),
                "string": st.text(),
            }[str(kind)]


@cache
def data_of(version: SchemaVersion) -> st.SearchStrategy[object]:
    return values_of(version.avro, named_types(version.avro))


def by_fastavro(schema: object, value: object) -> bytes:
    buffer = BytesIO()
    schemaless_writer(buffer, schema, value, strict_allow_default=True, disable_tuple_notation=True)  # type: ignore[arg-type]  # a parsed one
    return buffer.getvalue()


def compiled(schema: object) -> Writer:
    found = compile_writer(schema)
    assert found is not None
    return found


@cache
def writer_of(version: SchemaVersion) -> Writer:
    return compiled(version.avro)


def record(**types: object) -> object:
    fields = [{"name": name, "type": type_} for name, type_ in types.items()]
    return parse_schema({"type": "record", "name": "R", "fields": fields})


def agree(schema: object, writer: Writer, value: object) -> None:
    """``writer`` takes ``value`` exactly where nothing is wrong with it, and writes what fastavro writes."""
    if find_problem(schema, value) is None:
        assert writer(value) == by_fastavro(schema, value)  # type: ignore[arg-type]  # anything may come
    else:
        with pytest.raises((ValueError, TypeError, KeyError)):
            writer(value)  # type: ignore[arg-type]  # anything may come


@pytest.mark.parametrize("version", VERSIONS, ids=lambda each: f"{each.schema_id}/{each.version}")
@settings(max_examples=6)
@given(st.data())
def test_every_version_of_the_catalogue_is_written_as_fastavro_does(
    version: SchemaVersion, data: st.DataObject
) -> None:
    value = data.draw(data_of(version))

    assert find_problem(version.avro, value) is None
    agree(version.avro, writer_of(version), value)


NEWEST = [schema.latest for schema in Catalog.load().schemas.values()]


@pytest.mark.parametrize("version", NEWEST, ids=lambda each: each.schema_id)
@settings(max_examples=15)
@given(st.data())
def test_one_wrong_thing_in_an_event_is_refused_and_nothing_else(version: SchemaVersion, data: st.DataObject) -> None:
    value = data.draw(data_of(version))
    assert isinstance(value, dict)
    names = [field["name"] for field in fields_of(named_types(version.avro)[next(iter(named_types(version.avro)))])]
    value[data.draw(st.sampled_from([*names, "unheardOf"]))] = data.draw(ANYTHING)

    agree(version.avro, writer_of(version), value)


TYPES = [
    "boolean",
    "long",
    "double",
    "string",
    {"type": "array", "items": ["null", "long", "string"]},
    {"type": "map", "values": {"type": "array", "items": "double"}},
    {"type": "enum", "name": "E", "symbols": ["A", "B"]},
    {"type": "record", "name": "Inner", "fields": [{"name": "a", "type": ["null", "long"], "default": None}]},
    ["null", "boolean", "long", "double", "string"],
    ["null", "double", "long"],
    ["long", "null", {"type": "array", "items": "string"}],
    ["string", {"type": "map", "values": "long"}],
    ["null", "double"],
]
SCHEMAS = [record(f=type_) for type_ in TYPES]


@pytest.mark.parametrize("schema", SCHEMAS, ids=[str(each) for each in TYPES])
@settings(max_examples=50)
@given(ANYTHING)
def test_whatever_comes_is_written_as_fastavro_does_or_refused(schema: object, value: object) -> None:
    agree(schema, compiled(schema), {"f": value})
    agree(schema, compiled(schema), value)


class Colour(StrEnum):
    A = "A"


class Number(IntEnum):
    ONE = 1


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize("schema", SCHEMAS, ids=[str(each) for each in TYPES])
@pytest.mark.parametrize(
    "value",
    [
        Colour.A,
        Number.ONE,
        Text("é"),
        True,
        (),
        (1.0, 2),
        OrderedDict(a=[1.0]),
        MappingProxyType({"a": 1}),
        {1: 1},
        {"\ud800": 1},
        math.nan,
        -math.inf,
        ...,
        {1},
        [[]],
    ],
    ids=repr,
)
def test_subclasses_and_relatives_of_the_plain_types_count_as_these(schema: object, value: object) -> None:
    agree(schema, compiled(schema), {"f": value})


@pytest.mark.parametrize(
    "type_",
    [
        "int",
        "bytes",
        {"type": "long", "logicalType": "timestamp-millis"},
        ["null", "string", {"type": "enum", "name": "E", "symbols": ["A"]}],
        [{"type": "map", "values": "long"}, {"type": "record", "name": "S", "fields": []}],
    ],
    ids=str,
)
def test_what_only_fastavro_writes_is_left_to_it(type_: object) -> None:
    assert compile_writer(record(f=type_)) is None
