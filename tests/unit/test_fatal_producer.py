"""What follows when librdkafka's idempotent producer gives up for good."""

import asyncio

import pytest

from eventstreams.errors import FatalProducerError
from eventstreams.kafka.best_effort import BestEffortProducer
from eventstreams.kafka.producer import AckedProducer, NotAcked
from eventstreams.settings import Settings
from tests.support.fatal import give_up

NOWHERE = Settings.load(kafka="127.0.0.1:1")


async def test_who_waits_for_an_acknowledgement_is_told_and_whoever_sends_then_as_well() -> None:
    async with AckedProducer(NOWHERE) as producer:
        answer = await producer.enqueue("topic", b"before")

        give_up(producer._producer)

        assert isinstance(await asyncio.wait_for(answer, 30), NotAcked)
        with pytest.raises(FatalProducerError):
            await asyncio.wait_for(producer.send("topic", b"after"), 30)


async def test_another_takes_the_place_of_one_that_nobody_waits_for() -> None:
    dropped: list[int] = []
    with BestEffortProducer(NOWHERE, on_dropped=dropped.append) as producer:
        producer.offer("topic", b"before", weight=3)
        first = producer._producer
        give_up(first)

        producer.poll()

        assert dropped == [3]
        assert producer._producer is not first
        producer.offer("topic", b"after", weight=4)
        assert producer.waiting >= 1  # the client counts what it has to tell as well
        assert dropped == [3]
    assert dropped == [3, 4]
