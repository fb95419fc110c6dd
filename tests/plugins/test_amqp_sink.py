"""The AMQP sink towards a real broker: what is in a message, and what it says of passwords, exchanges and sizes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import pytest_asyncio

from eventstreams.sinks import (
    DeadReason,
    Delivered,
    DeliveryOutcome,
    DestinationGuard,
    OutboundEvent,
    Rejected,
    RetryLater,
    RetryReason,
    Sink,
)
from sink_workers.plugins.amqp.config import AmqpConfig
from sink_workers.plugins.amqp.sink import open_sink
from tests.support.qpid import MAX_MESSAGE, PASSWORD, USER, Qpid, Queue, queue_in
from tests.support.webhooks import LOOPBACK, context, event


@pytest_asyncio.fixture
async def queue(qpid: Qpid) -> AsyncIterator[Queue]:
    async with queue_in(qpid) as made:
        yield made


@asynccontextmanager
async def opened(qpid: Qpid, guard: DestinationGuard = LOOPBACK, **changes: object) -> AsyncIterator[Sink]:
    where = {"host": "127.0.0.1", "port": qpid.port, "tls": False}
    given = {**where, "username": USER, "password": PASSWORD, **changes}
    sink = await open_sink(AmqpConfig.model_validate(given), context(guard))
    try:
        yield sink
    finally:
        await sink.aclose()


async def outcome_of(qpid: Qpid, *events: OutboundEvent, **changes: object) -> list[DeliveryOutcome]:
    async with opened(qpid, **changes) as sink:  # type: ignore[arg-type]  # guard is none of them
        return list(await sink.deliver(events or [event(1)]))


async def test_a_message_is_the_event_with_its_id_and_type_and_is_kept_by_the_broker(qpid: Qpid, queue: Queue) -> None:
    await queue.bind_topics(f"topics-{queue.name}", "com.acme.#")

    assert await outcome_of(qpid, event(1), exchange=f"topics-{queue.name}") == [Delivered()]

    [message] = await queue.messages()
    assert message.body == event(1).json()
    assert (message.message_id, message.type, message.content_type) == (
        "EZ1",
        "com.acme.thing.made",
        "application/cloudevents+json",
    )
    assert message.delivery_mode == 2
    assert message.routing_key == "com.acme.thing.made"


async def test_a_password_that_is_wrong_is_tried_again(qpid: Qpid) -> None:
    [outcome] = await outcome_of(qpid, password="of-somebody-else", routing_key="q")

    assert outcome == RetryLater(RetryReason.ROLE_REFUSED, "the broker says NOT_ALLOWED (530)")


async def test_an_exchange_that_is_not_there_is_waited_for(qpid: Qpid) -> None:
    async with opened(qpid, exchange="no-such-exchange") as sink:
        outcomes = await sink.deliver([event(1), event(2)])
        probed = await sink.probe()

    words = "the broker says NOT_FOUND (404): does the exchange exist?"
    assert [*outcomes, probed] == [RetryLater(RetryReason.STREAM_ERROR, words)] * 3


async def test_an_event_that_no_queue_is_bound_for_is_tried_again_or_counts_as_delivered(qpid: Qpid) -> None:
    [kept] = await outcome_of(qpid, routing_key="no-such-queue")
    [dropped] = await outcome_of(qpid, routing_key="no-such-queue", mandatory=False)

    assert isinstance(kept, RetryLater)
    assert dropped == Delivered()


@pytest.mark.parametrize("time", ["1969-07-20T20:17:40.000Z", "yesterday"])
async def test_an_event_whose_time_the_protocol_cannot_say_has_none_and_harms_no_other(
    qpid: Qpid, queue: Queue, time: str
) -> None:
    outcomes = await outcome_of(qpid, event(1), replace(event(2), time=time), event(3), routing_key=queue.name)

    assert outcomes == [Delivered()] * 3
    assert [message.timestamp is None for message in await queue.messages()] == [False, True, False]


async def test_an_event_that_is_too_large_is_rejected_when_it_is_alone(qpid: Qpid, queue: Queue) -> None:
    large = event(2, text="x" * MAX_MESSAGE)

    async with opened(qpid, routing_key=queue.name) as sink:
        together = await sink.deliver([event(1), large, event(3)])
        alone = [outcome for each in (event(1), large, event(3)) for outcome in await sink.deliver([each])]

    assert not any(isinstance(outcome, Rejected) for outcome in together)
    words = "the broker says CONTENT_TOO_LARGE (311)"
    assert alone == [Delivered(), Rejected(DeadReason.TOO_LARGE, words), Delivered()]
    assert {each["id"] for each in await queue.events()} == {"EZ1", "EZ3"}


async def test_no_broker_at_an_address_that_is_not_public_is_connected_to(qpid: Qpid, queue: Queue) -> None:
    async with opened(qpid, DestinationGuard(), routing_key=queue.name) as sink:
        outcomes = [*await sink.deliver([event(1)]), await sink.probe()]

    for outcome in outcomes:
        assert isinstance(outcome, RetryLater)
        assert outcome.reason is RetryReason.DESTINATION_FORBIDDEN
        assert "127.0.0.1 is not public" in outcome.detail
