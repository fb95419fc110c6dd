"""What was acknowledged is there, whatever happens to the broker; what was not is said so, and may be sent again."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from eventstreams.catalog import Catalog
from eventstreams.control.vault import new_key
from eventstreams.errors import BufferFullError, InvalidEventError, PublishError
from eventstreams.events import Event
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings
from eventstreams.testing.broker import RunningBroker, running_broker
from eventstreams.topics import Topics
from producers.blocking import BlockingEventPublisher
from producers.outcomes import Accepted, BufferFull, Invalid
from producers.publisher import EventPublisher
from tests.support.events import message_event
from tests.support.gateway import BATCH, cloudevent, running
from tests.support.installation import header
from tests.support.topic import read_topic

pytestmark = pytest.mark.kafka

ACCOUNT = "AC" + "1" * 32


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[RunningBroker]:
    """A broker of the test's own."""
    with running_broker(tmp_path) as broker:
        yield broker


def settings_of(bootstrap: str) -> Settings:
    return Settings.load(
        kafka=bootstrap,
        replication_factor=1,
        events_partitions=1,
        attempts_partitions=1,
        retry_partitions=1,
        secret_key=new_key(),
        admin_listen="127.0.0.1:0",
    )


@pytest.fixture
async def ready(settings: Settings) -> Settings:
    found = settings.model_copy(update={"events_partitions": 1})
    await KafkaAdmin(found).ensure(Topics(found).base_specs())
    return found


async def test_nothing_that_was_acknowledged_is_lost_when_the_broker_is_killed_in_mid_stream(
    mortal: RunningBroker,
) -> None:
    settings = settings_of(mortal.bootstrap)
    await KafkaAdmin(settings).ensure(Topics(settings).base_specs())
    accepted: list[str] = []
    enough = asyncio.Event()

    async def stream(publisher: EventPublisher, first: int) -> None:
        for number in range(first, 4000, 4):
            outcome = await publisher.publish(message_event(ACCOUNT, number))
            accepted.append(outcome.id)
            if len(accepted) == 300:
                enough.set()

    async with EventPublisher(settings, Catalog.load()) as publisher, asyncio.TaskGroup() as streams:
        for first in range(4):
            streams.create_task(stream(publisher, first))
        await enough.wait()
        await asyncio.to_thread(mortal.kill)
        assert len(accepted) < 4000  # it was in mid-stream
        await asyncio.to_thread(mortal.start)

    records = await read_topic(settings, Topics(settings).events, 4000)
    assert len(accepted) == len(set(accepted)) == 4000
    assert {header(record, "ce_id") for record in records} == set(accepted)


async def test_a_gateway_without_its_broker_answers_503_and_the_same_request_succeeds_later(
    mortal: RunningBroker,
) -> None:
    batch = [cloudevent(1, id=None), cloudevent(2, id=None)]
    async with running(settings_of(mortal.bootstrap)) as gateway:
        await asyncio.to_thread(mortal.kill)
        status, away = await gateway.post(batch, {**BATCH, "Idempotency-Key": "k"})
        retry_after = gateway.headers.get("Retry-After")
        await asyncio.to_thread(mortal.start)
        async with asyncio.timeout(60):
            while (answer := await gateway.post(batch, {**BATCH, "Idempotency-Key": "k"}))[0] == 503:
                await asyncio.sleep(int(gateway.headers["Retry-After"]))

    assert status == 503
    assert retry_after is not None
    assert "is safe" in away["message"]
    assert answer == (202, {"ids": [each["id"] for each in away["details"]["events"]]})


async def test_a_full_buffer_refuses_at_once_and_says_that_a_retry_is_safe(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"kafka": "127.0.0.1:9"})
    async with EventPublisher(nowhere, Catalog.load(), ack_timeout_s=2, buffer_bytes=20_000) as publisher:
        many = asyncio.create_task(publisher.publish_many(message_event(ACCOUNT, each) for each in range(300)))
        await asyncio.sleep(0)  # to where its events are in the buffer
        with pytest.raises(BufferFullError, match="buffer is full") as caught:
            await publisher.publish(message_event(ACCOUNT, 300))
        refused = not many.done()
        outcomes = await many

    assert refused
    assert caught.value.retry_is_safe
    kinds = [type(each) for each in outcomes]
    assert 0 < kinds.index(BufferFull) < 300
    assert set(kinds[kinds.index(BufferFull) :]) == {BufferFull}  # none overtakes


async def test_one_call_publishes_very_many_events_in_order(ready: Settings) -> None:
    async with EventPublisher(ready, Catalog.load()) as publisher:
        outcomes = await publisher.publish_many(
            replace(message_event(ACCOUNT, each), id=f"EZ{each}", partition_key="one") for each in range(6_000)
        )

    assert [each.id for each in outcomes if isinstance(each, Accepted)] == [f"EZ{each}" for each in range(6_000)]
    records = await read_topic(ready, Topics(ready).events, 6_000)
    assert [header(record, "ce_id") for record in records] == [f"EZ{each}" for each in range(6_000)]


async def test_an_event_keeps_its_id_when_it_is_published_again(ready: Settings) -> None:
    event = message_event(ACCOUNT, 1)
    nowhere = ready.model_copy(update={"kafka": "127.0.0.1:9"})
    async with EventPublisher(nowhere, Catalog.load(), ack_timeout_s=1) as publisher:
        with pytest.raises(PublishError, match=event.id):
            await publisher.publish(event)

    async with EventPublisher(ready, Catalog.load()) as publisher:
        accepted = await publisher.publish(event)

    assert accepted.id == event.id
    [record] = await read_topic(ready, Topics(ready).events, 1)
    assert header(record, "ce_id") == event.id


# -- without asyncio -------------------------------------------------------------------------------------------


def test_threads_share_a_publisher(kafka: str, settings: Settings) -> None:
    asyncio.run(KafkaAdmin(settings).ensure(Topics(settings).base_specs()))
    events = [message_event(ACCOUNT, each) for each in range(200)]

    with BlockingEventPublisher(settings, Catalog.load()) as publisher, ThreadPoolExecutor(20) as threads:
        accepted = list(threads.map(publisher.publish, events))

    assert [each.id for each in accepted] == [each.id for each in events]


def test_without_asyncio_too_an_event_that_does_not_fit_is_told(settings: Settings) -> None:
    asyncio.run(KafkaAdmin(settings).ensure(Topics(settings).base_specs()))
    good, bad = message_event(ACCOUNT, 1), replace(message_event(ACCOUNT, 2), data={"messageSid": 3})

    with BlockingEventPublisher(settings, Catalog.load()) as publisher:
        with pytest.raises(InvalidEventError, match=r"\$\.data\.messageSid"):
            publisher.publish(bad)
        outcomes = publisher.publish_many(each for each in (good, bad))

    assert [type(each) for each in outcomes] == [Accepted, Invalid]


def test_a_publisher_that_is_closed_says_so(settings: Settings) -> None:
    publisher = BlockingEventPublisher(settings, Catalog.load())
    with publisher:
        pass
    publisher.close()

    with pytest.raises(RuntimeError, match="closed"):
        publisher.publish(message_event(ACCOUNT, 1))


def test_who_waits_when_it_is_closed_gets_an_answer(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"kafka": "127.0.0.1:9"})
    caught: list[Exception] = []
    begun = threading.Event()

    def events() -> Iterator[Event]:
        yield message_event(ACCOUNT, 1)
        begun.set()

    with BlockingEventPublisher(nowhere, Catalog.load(), ack_timeout_s=1) as publisher:
        waiting = threading.Thread(target=lambda: caught.extend(publisher.publish_many(events())))  # type: ignore[arg-type]  # outcomes
        waiting.start()
        begun.wait()
    waiting.join()

    [outcome] = caught
    assert "publish it again" in str(outcome)
