"""What becomes of a small event that shares Kafka's batches with events that are too large for a topic of ours."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from eventstreams.headers import routed_headers
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.producer import AckedProducer
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.sinks import RetryLater, RetryReason
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import now_ms
from eventstreams.topics import Topics
from router.role import route
from sink_workers.delivery.alone import Alone
from sink_workers.delivery.settle import DeadLetter, Settler
from tests.support.installation import Installation, header
from tests.support.no_log import no_log
from tests.support.partition_model import progress_of
from tests.support.topic import read_topic

pytestmark = pytest.mark.kafka

NOWHERE = "http://127.0.0.1:9/"
LIMIT = 2_000
SMALL = 10
LATER = RetryLater(RetryReason.SERVER_ERROR)


@pytest.fixture
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(settings) as installation:
        yield installation


def copy(size: int) -> Record:
    """A router's copy of an event of ``size`` bytes, which no compression makes smaller."""
    accepted_ms = now_ms()
    headers = routed_headers(
        [],
        accepted_at_ms=accepted_ms,
        deadline_ms=accepted_ms + 14_400_000,
        subscription_sid=new_sid(SidKind.SUBSCRIPTION),
    )
    return Record("topic", 0, 0, None, os.urandom(size), headers, accepted_ms)


async def test_a_small_event_is_no_dead_letter_for_large_ones_in_its_batches(settings: Settings) -> None:
    settings = settings.model_copy(update={"retry_delays": (timedelta(seconds=1),), "retry_partitions": 1})
    [retries] = Topics(settings).retries("webhook")
    admin = KafkaAdmin(settings)
    specs = [spec for spec in Topics(settings).worker_specs("webhook") if spec.name == retries]
    await admin.ensure([replace(spec, config={**spec.config, "max.message.bytes": str(LIMIT)}) for spec in specs])
    end = asyncio.Event()

    # Each batch is open for long enough that there is a large one in all of them.
    async with AckedProducer(settings, linger_ms=100) as producer, asyncio.TaskGroup() as tasks:
        settler = Settler(
            settings,
            "webhook",
            producer=producer,
            alone=Alone(lambda: AckedProducer(settings, linger_ms=0, idempotent=False)),
            admin=admin,
            attempt_log=no_log(settings, "webhook", metrics=Metrics(), clock=now_ms),
            metrics=Metrics(),
            clock=now_ms,
        )

        async def retry(size: int) -> bool:
            """Whether it waits for its next attempt."""
            record = copy(size)
            found = await settler.retry(record, progress_of(record), LATER, began_ms=now_ms())
            return not isinstance(found, DeadLetter)

        async def large_ones() -> list[asyncio.Task[bool]]:
            found = []
            while not end.is_set():
                found.append(tasks.create_task(retry(2 * LIMIT)))
                await asyncio.sleep(0.02)
            return found

        large = tasks.create_task(large_ones())
        small = await asyncio.gather(*(retry(LIMIT // 10) for _ in range(SMALL)))
        end.set()

    assert small == [True] * SMALL
    assert not any(each.result() for each in large.result())
    assert {len(each.value) for each in await read_topic(settings, retries, SMALL)} == {LIMIT // 10}


async def test_a_router_makes_dead_letters_of_those_copies_alone_that_are_too_large(installation: Installation) -> None:
    subscription = await installation.subscribe(await installation.add_sink(NOWHERE))
    topic = installation.topic_of(subscription)
    spec = installation.topics.subscription_spec("webhook", subscription.sid)
    await installation.admin.delete([topic])
    await installation.admin.ensure([replace(spec, config={**spec.config, "max.message.bytes": str(LIMIT)})])
    events = [installation.event(number) for number in range(100)]
    await installation.publish(events[:50])
    for event in events[50:52]:
        value, headers = installation.encoded(event)
        await installation.put_raw(installation.topics.events, value, [*headers, ("x-padding", os.urandom(LIMIT))])
    await installation.publish(events[52:])

    await installation.start(route)  # reads them together

    dead = await read_topic(installation.settings, installation.topics.router_dead, 2)
    assert sorted(header(each, "ce_id") for each in dead) == ["EZ50", "EZ51"]
    copies = await installation.copies_of(subscription.sid, 98)
    assert {header(each, "ce_id") for each in copies} == {event.id for event in events} - {"EZ50", "EZ51"}
