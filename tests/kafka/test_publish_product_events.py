"""Typed events through real Kafka: one of each product, and what a wrong one is told as."""

import pytest

from eventstreams.catalog import Catalog
from eventstreams.catalog.schema_documents import read_example
from eventstreams.codec import Codec
from eventstreams.errors import InvalidEventError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings
from eventstreams.topics import Topics
from producers.blocking import BlockingEventPublisher
from producers.outcomes import Accepted, Invalid
from producers.product_event import ProductEvent
from producers.products import messaging, voice
from producers.publisher import EventPublisher
from tests.support.installation import header
from tests.support.topic import read_topic
from tests.support.typed_events import classes_of, modules, published_types, stated

pytestmark = pytest.mark.kafka

ACCOUNT = "AC" + "1" * 32


@pytest.fixture
async def ready(settings: Settings) -> Settings:
    """Settings whose topics are there; events have one partition, so that they can be read in order."""
    found = settings.model_copy(update={"events_partitions": 1})
    await KafkaAdmin(found).ensure(Topics(found).base_specs())
    return found


def one_of_each_product(catalog: Catalog) -> list[ProductEvent]:
    """For the first type of each product its schema's example, as the typed class states it."""
    found: dict[str, ProductEvent] = {}
    classes = {name: made for module in modules() for name, made in classes_of(module).items()}
    for of_type in published_types(catalog):
        schema = catalog.schemas[of_type.schema_id]
        example = read_example(schema)
        if of_type.product not in found and example is not None:
            attributes = {"account_sid": ACCOUNT} | ({} if schema.events.source else {"source": "/given"})
            found[of_type.product] = stated(classes[of_type.name], schema, of_type, example, attributes)
    return list(found.values())


async def test_one_typed_event_of_each_product_is_accepted_and_can_be_read(ready: Settings) -> None:
    catalog = Catalog.load()
    events = one_of_each_product(catalog)
    assert len(events) == len(list(modules())) == 15

    async with EventPublisher(ready, catalog) as publisher:
        outcomes = await publisher.publish_many(events)

    assert [each for each in outcomes if not isinstance(each, Accepted)] == []
    codec = Codec(catalog, schema_base_url=ready.schema_base_url)
    for stated_event, record in zip(events, await read_topic(ready, Topics(ready).events, 15), strict=True):
        event = stated_event.event()
        assert header(record, "ce_id") == event.id
        assert header(record, "ce_type") == event.type
        assert record.key == (event.partition_key or event.source).encode()
        assert codec.decode(header(record, "ce_dataschema"), record.value or b"") == event.data


async def test_a_typed_event_that_is_wrong_is_told_by_type_and_place_and_not_sent(ready: Settings) -> None:
    wrong = voice.CallRinging(account_sid=ACCOUNT, sid="CA1", request_date_created=5)  # type: ignore[arg-type]  # the point
    right = voice.CallRinging(account_sid=ACCOUNT, sid="CA1")

    async with EventPublisher(ready, Catalog.load()) as publisher:
        with pytest.raises(InvalidEventError) as caught:
            await publisher.publish(wrong)
        outcomes = await publisher.publish_many([wrong, right])

    assert str(caught.value) == (
        "com.twilio.voice.status-callback.call.ringing: $.data.requestDateCreated must be a string, not an integer "
        "(Voice.WebhookEvent version 2)"
    )
    assert caught.value.path == "$.data.requestDateCreated"
    assert [type(each) for each in outcomes] == [Invalid, Accepted]
    [record] = await read_topic(ready, Topics(ready).events, 1)
    assert header(record, "ce_id") == right.id


async def test_a_typed_event_goes_without_asyncio_and_again_under_the_same_id(ready: Settings) -> None:
    event = messaging.MessageSent(account_sid=ACCOUNT, message_sid="SM1", api_version="v1", from_="+1", to="+2")

    with BlockingEventPublisher(ready, Catalog.load()) as publisher:
        first, second = publisher.publish(event), publisher.publish(event)

    assert (first.id, first.offset, second.id, second.offset) == (event.id, 0, event.id, 1)
