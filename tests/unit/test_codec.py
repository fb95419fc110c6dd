"""The codec: what goes in comes out, in the version that was asked for; no bytes make it raise."""

import json
import tracemalloc
from collections.abc import Mapping, Sequence
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest
from fastavro import schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from eventstreams.catalog import Catalog, Schema, SchemaVersion
from eventstreams.codec import Codec, CodecProblem, Projection
from eventstreams.errors import InvalidEventError
from eventstreams.reasons import DeadReason
from tests.support.events import SENT, message_event

CATALOG = Catalog.load()
CODEC = Codec(CATALOG, schema_base_url="https://schemas.example.com/")
SCHEMA = CATALOG.schemas["Messaging.MessageStatus"]
DATA = dict(message_event("AC" + "1" * 32, 1).data)

optional = st.fixed_dictionaries(
    {},
    optional={
        "errorCode": st.integers(-(2**63), 2**63 - 1),
        "body": st.text(),
        "messagingServiceSid": st.text(),
        "mcc": st.text(),
        "numberOfSegments": st.integers(0, 100),
    },
)


@given(optional)
def test_what_is_encoded_is_decoded(more: dict[str, object]) -> None:
    data = DATA | more

    value = CODEC.encode(SCHEMA.latest, data)

    assert CODEC.decode(CODEC.dataschema(SCHEMA.latest), value) == data


@given(optional)
def test_an_older_version_lacks_the_fields_that_it_does_not_know(more: dict[str, object]) -> None:
    value = CODEC.encode(SCHEMA.latest, DATA | more)

    found = CODEC.decode(CODEC.dataschema(SCHEMA.latest), value, version=1)

    assert found == DATA | {name: each for name, each in more.items() if name not in ("mcc", "numberOfSegments")}


def test_a_newer_version_is_read_from_what_an_older_one_wrote() -> None:
    oldest = SCHEMA.versions[0]
    value = CODEC.encode(oldest, DATA)

    assert CODEC.decode(CODEC.dataschema(oldest), value, version=SCHEMA.latest.version) == DATA


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(value: bytes) -> None:
    for schema in CATALOG.schemas.values():
        found = CODEC.decode(CODEC.dataschema(schema.latest), value, version=1)

        assert isinstance(found, dict) or found.reason is DeadReason.UNDECODABLE


def test_what_names_a_schema_at_great_length_is_read_and_not_remembered() -> None:
    value = CODEC.encode(SCHEMA.latest, DATA)

    tracemalloc.start()
    for number in range(100):
        named = f"https://{number}.example.com/{'x' * 100_000}/{SCHEMA.id}/{SCHEMA.latest.version}"
        assert CODEC.decode(named, value) == DATA
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept < 1 << 20


def test_an_absent_field_is_left_out_in_lists_of_lists_as_well(tmp_path: Path) -> None:
    note = {"name": "note", "type": ["null", "string"], "default": None}
    cell = {"type": "record", "name": "Cell", "fields": [note]}
    grid = {"name": "grid", "type": {"type": "array", "items": {"type": "array", "items": cell}}}
    codec, version = one_schema(tmp_path, [grid])

    value = codec.encode(version, {"grid": [[{}, {"note": "x"}]]})

    assert codec.decode(codec.dataschema(version), value) == {"grid": [[{}, {"note": "x"}]]}


NOTE: Mapping[str, object] = {"name": "note", "type": ["null", "string"], "default": None}
INNER: Mapping[str, object] = {"type": "record", "name": "Inner", "fields": [NOTE]}


@pytest.mark.parametrize(
    ("kind", "given", "found"),
    [
        pytest.param({"type": "map", "values": ["null", "string"]}, {"a": None, "b": "x"}, None, id="a map"),
        pytest.param(["null", {"type": "map", "values": ["null", "long"]}], {"a": None}, None, id="a map or nothing"),
        pytest.param(
            {"type": "array", "items": {"type": "map", "values": ["null", "long"]}}, [{"a": None}], None, id="maps"
        ),
        pytest.param({"type": "array", "items": ["null", "string"]}, [None, "x"], None, id="a list"),
        pytest.param({"type": "map", "values": INNER}, {"a": {"note": None}}, {"a": {}}, id="records in a map"),
        pytest.param(
            {"type": "map", "values": ["null", INNER]}, {"a": None, "b": {"note": None}}, {"a": None, "b": {}},
            id="records or nothing in a map",
        ),
        pytest.param(INNER, {"note": None}, {}, id="a record"),
        pytest.param(["null", INNER, "string"], {"note": None}, {}, id="a record or a text"),
        pytest.param(["null", INNER, "string"], "x", None, id="the text"),
        pytest.param(
            ["null", INNER, {"type": "map", "values": ["null", "string"]}], {"other": None}, None, id="a map, no record"
        ),
    ],
)  # fmt: skip
def test_fields_without_a_value_are_left_out_and_nulls_that_are_data_are_kept(
    tmp_path: Path, kind: object, given: object, found: object
) -> None:
    codec, version = one_schema(tmp_path, [{"name": "it", "type": kind}])

    value = fastavro_bytes(version, {"it": given})

    assert codec.decode(codec.dataschema(version), value) == {"it": given if found is None else found}


def test_a_record_that_holds_its_own_kind_is_decoded_to_any_depth(tmp_path: Path) -> None:
    again = {"name": "next", "type": ["null", "Sheet"], "default": None}
    codec, version = one_schema(tmp_path, [NOTE, again])

    value = codec.encode(version, {"next": {"next": {"note": "x"}}})

    assert codec.decode(codec.dataschema(version), value) == {"next": {"next": {"note": "x"}}}


def one_schema(folder: Path, fields: Sequence[Mapping[str, object]]) -> tuple[Codec, SchemaVersion]:
    """A codec with one schema, of one version, with ``fields``."""
    (folder / "1.avsc").write_text(json.dumps({"type": "record", "name": "Sheet", "fields": fields}))
    version = SchemaVersion("Acme.Sheet", 1, date(2026, 1, 2), "First version.", folder / "1.avsc")
    schema = Schema("Acme.Sheet", "acme", "Sheet", (), [version])
    return Codec(Catalog({}, {}, {schema.id: schema}), schema_base_url="https://schemas.example.com"), version


def fastavro_bytes(version: SchemaVersion, data: Mapping[str, object]) -> bytes:
    buffer = BytesIO()
    schemaless_writer(buffer, version.avro, data)
    return buffer.getvalue()


@pytest.mark.parametrize("cut", [0, 1, 10, -1])
def test_a_value_that_was_cut_off_is_undecodable(cut: int) -> None:
    value = CODEC.encode(SCHEMA.latest, DATA)

    found = CODEC.decode(CODEC.dataschema(SCHEMA.latest), value[:cut])

    assert isinstance(found, CodecProblem)
    assert found.reason is DeadReason.UNDECODABLE
    assert f"value is not Avro of Messaging.MessageStatus/{SCHEMA.latest.version}" in found.detail


def test_a_value_with_bytes_behind_its_end_is_undecodable() -> None:
    found = CODEC.decode(CODEC.dataschema(SCHEMA.latest), CODEC.encode(SCHEMA.latest, DATA) + b"\0")

    assert isinstance(found, CodecProblem)
    assert found.detail.endswith("it has 1 bytes after its last field")


@pytest.mark.parametrize(
    "dataschema",
    [
        "",
        "x",
        "https://s/Acme.Unheard/1",
        "https://s/Messaging.MessageStatus/0",
        "https://s/Messaging.MessageStatus/99",
        "https://s/Messaging.MessageStatus/-1",
        "https://s/Messaging.MessageStatus/one",
        "https://s/Messaging.MessageStatus/.json",
        "https://s/Messaging.MessageStatus/1.json.json",
        "/" * 50000,
    ],
    ids=lambda text: text[:40],
)
def test_a_schema_that_is_not_in_the_catalogue_is_unknown(dataschema: str) -> None:
    found = CODEC.decode(dataschema, b"")

    assert isinstance(found, CodecProblem)
    assert found.reason is DeadReason.UNKNOWN_SCHEMA
    assert len(found.detail) < 400


def test_a_version_that_the_catalogue_has_lost_is_unknown() -> None:
    found = CODEC.decode(CODEC.dataschema(SCHEMA.latest), CODEC.encode(SCHEMA.latest, DATA), version=99)

    assert found == CodecProblem(DeadReason.UNKNOWN_SCHEMA, "Messaging.MessageStatus has no version 99")


def test_a_schema_is_known_by_its_last_two_parts_whatever_its_base() -> None:
    value = CODEC.encode(SCHEMA.latest, DATA)

    assert CODEC.decode(f"http://elsewhere/a/b/Messaging.MessageStatus/{SCHEMA.latest.version}", value) == DATA
    named_as_file = f"https://events-schemas.twilio.com/Messaging.MessageStatus/{SCHEMA.latest.version}.json"
    assert CODEC.decode(named_as_file, value) == DATA  # as the reference does with its test event
    projection = CODEC.projection("http://elsewhere/Messaging.MessageStatus/8", 2)
    assert isinstance(projection, Projection)
    assert projection.dataschema == "https://schemas.example.com/Messaging.MessageStatus/2"


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        pytest.param({"from": None}, "$.data.from", "must be a string, not null", id="null"),
        pytest.param({"from": 1}, "$.data.from", "must be a string, not an integer", id="wrong type"),
        pytest.param({"errorCode": 1.5}, "$.data.errorCode", "must be a 64-bit integer", id="fraction"),
        pytest.param({"errorCode": True}, "$.data.errorCode", "must be a 64-bit integer, not true", id="boolean"),
        pytest.param({"errorCode": 2**63}, "$.data.errorCode", "beyond 64 bits", id="too large"),
        pytest.param({"messageStatus": "LOST"}, "$.data.messageStatus", "must be one of QUEUED, SENT", id="no symbol"),
        pytest.param({"colour": "red"}, "$.data.colour", "is not a field of this schema version", id="unknown field"),
        pytest.param({"body": "\ud800"}, "$.data.body", "without lone surrogates", id="half a character"),
    ],
)
def test_data_that_does_not_fit_is_told_with_its_path(change: dict[str, object], path: str, words: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        CODEC.encode(SCHEMA.latest, DATA | change)

    assert caught.value.path == path
    assert words in str(caught.value)
    assert f"(Messaging.MessageStatus version {SCHEMA.latest.version})" in str(caught.value)


def test_a_missing_field_is_told_with_its_path() -> None:
    data = {name: each for name, each in DATA.items() if name != "to"}

    with pytest.raises(InvalidEventError, match="is missing") as caught:
        CODEC.encode(SCHEMA.latest, data)

    assert caught.value.path == "$.data.to"


def test_every_event_type_of_the_product_has_a_schema_that_can_be_named() -> None:
    for name in CATALOG.types:
        schema = CATALOG.newest_schema(name)
        assert schema is not None
        assert CODEC.writer(CODEC.dataschema(schema)) is schema
    assert CATALOG.newest_schema(SENT) is SCHEMA.latest
