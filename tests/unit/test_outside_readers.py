"""Consumers that know nothing of us: Apache's own Avro library reads our values, CloudEvents' own our headers."""

import io

import avro.io
import avro.schema
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstreams.catalog import Catalog, Schema, SchemaVersion
from eventstreams.catalog.schema_documents import read_example
from eventstreams.codec import Codec
from eventstreams.events import Event
from eventstreams.headers import event_headers
from eventstreams.times import rfc3339_ms
from tests.support.avro_values import as_delivered, data_of
from tests.support.events import encoded, message_event

ACCOUNT = "AC" + "1" * 32
CATALOG = Catalog.load()
CODEC = Codec(CATALOG, schema_base_url="https://schemas.example.com")

each_schema = pytest.mark.parametrize("schema", CATALOG.schemas.values(), ids=lambda each: each.id)


def read(value: bytes, writer: SchemaVersion, reader: SchemaVersion) -> object:
    """``value`` as Apache's library reads it, from the very files that others get."""
    schemas = [avro.schema.parse(each.path.read_text()) for each in (writer, reader)]
    stream = io.BytesIO(value)
    found: object = avro.io.DatumReader(*schemas).read(avro.io.BinaryDecoder(stream))
    assert stream.read() == b""
    return found


@each_schema
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_another_avro_library_reads_our_values_in_any_version(schema: Schema, data: st.DataObject) -> None:
    event = data.draw(data_of(schema.latest))
    value = CODEC.encode(schema.latest, event)

    for version in schema.versions:
        found = as_delivered(version, read(value, schema.latest, version))

        assert found == CODEC.decode(CODEC.dataschema(schema.latest), value, version=version.version)


@each_schema
def test_another_avro_library_reads_the_example(schema: Schema) -> None:
    example = read_example(schema)
    assert example is not None

    found = read(CODEC.encode(schema.latest, example), schema.latest, schema.latest)

    assert as_delivered(schema.latest, found) == example


def test_another_cloudevents_library_reads_our_headers() -> None:
    event = message_event(ACCOUNT, 1)
    value, headers = encoded(event)

    found = from_binary_event(KafkaMessage(headers=dict(headers), key=event.source.encode(), value=value))

    assert found.get_specversion() == "1.0"
    assert (found.get_id(), found.get_type(), found.get_source()) == (event.id, event.type, event.source)
    assert (time := found.get_time()) is not None
    assert rfc3339_ms(time) == rfc3339_ms(event.time)
    assert found.get_datacontenttype() == "application/avro"
    assert str(found.get_dataschema()).endswith("/Messaging.MessageStatus/8")
    assert found.get_extension("accountsid") == ACCOUNT
    assert found.get_extension("partitionkey") == event.source


@given(subject=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_another_cloudevents_library_reads_subjects_of_any_script(subject: str) -> None:
    event = Event(type="com.acme.x", source="/x", account_sid=ACCOUNT, data={}, subject=subject)
    headers = event_headers(event, dataschema="https://schemas.example.com/Acme.X/1")

    found = from_binary_event(KafkaMessage(headers=dict(headers), key=None, value=b""))

    assert found.get_subject() == subject
