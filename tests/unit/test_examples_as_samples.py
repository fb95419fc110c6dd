"""Samples: the example of every schema can be written and read in each of its versions."""

import pytest

from eventstreams.catalog import Catalog, Schema
from eventstreams.catalog.listing import Filled
from eventstreams.catalog.schema_documents import SchemaDocuments
from eventstreams.codec import Codec
from eventstreams.control.records import SinkRecord, SinkStatus, SubscribedType
from eventstreams.control.sink_tests import as_subscription, sample_of
from eventstreams.headers import DeliveryProgress, Envelope, event_headers
from eventstreams.sinks import OutboundEvent
from sink_workers.delivery.inbound import read_event

BASE = "https://schemas"
CATALOG = Catalog.load()
CODEC = Codec(CATALOG, schema_base_url=BASE)
DOCUMENTS = SchemaDocuments(CATALOG, schema_base_url=BASE)
SINK = SinkRecord(
    sid=f"DG{'0' * 32}",
    account_sid=f"AC{'0' * 32}",
    description="",
    sink_type="webhook",
    configuration="",
    status=SinkStatus.ACTIVE,
    created_ms=0,
    updated_ms=0,
)


@pytest.mark.parametrize("schema", CATALOG.schemas.values(), ids=lambda schema: schema.id)
def test_a_worker_reads_a_sample_in_the_version_that_it_was_made_in(schema: Schema) -> None:
    name = next(each.name for each in CATALOG.types.values() if each.schema_id == schema.id)
    for version in schema.versions:
        data = DOCUMENTS.example(version)
        assert data is not None
        event = sample_of(SINK, SubscribedType(type=name, schema_version=version.version), data)
        headers = dict(event_headers(event, dataschema=CODEC.dataschema(version)))

        read = read_event(
            headers, CODEC.encode(version, data), DeliveryProgress(0, 1, SINK.sid), as_subscription(SINK), CODEC
        )

        assert isinstance(read, OutboundEvent)
        assert read.data == data
        assert isinstance(Envelope.parse(headers), Envelope)
        assert read.dataschema.removesuffix(".json") == f"{BASE}/{schema.id}/{version.version}"


@pytest.mark.parametrize("name", CATALOG.types)
def test_an_example_of_a_type_is_of_that_type_in_every_version(name: str) -> None:
    event_type = CATALOG.types[name]
    schema = CATALOG.schemas[event_type.schema_id]
    repeated = [field for field, filled in schema.events.filled.items() if filled is Filled.TYPE]

    for version in schema.versions:
        data = DOCUMENTS.example(version, event_type)

        assert data is not None
        assert {field: data[field] for field in event_type.data} == dict(event_type.data)
        assert {data[field] for field in repeated if field in data} <= {name}
