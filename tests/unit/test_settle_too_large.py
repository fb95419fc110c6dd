"""What a retry or dead-letter topic will never take, since somebody has lowered its ``max.message.bytes``."""

import asyncio
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from eventstreams.headers import DETAIL, REASON
from eventstreams.kafka.records import Partition, Record
from eventstreams.sinks import RetryLater, RetryReason
from sink_workers.delivery.settle import DeadLetter, expired
from tests.support.partition_model import World, progress_of
from tests.support.virtual_time import VirtualLoop

LATER = RetryLater(RetryReason.SERVER_ERROR)


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    loop.end()


@pytest.fixture
def world(loop: VirtualLoop) -> World:
    async def make() -> World:
        return World(delays="1s", partitions=1)

    found = loop.run(make())
    found.publish()
    return found


def published(world: World) -> Record:
    return world.broker.logs[world.subscription][0]


def test_what_a_retry_topic_will_never_take_is_a_dead_letter_that_says_what_to_set(
    loop: VirtualLoop, world: World
) -> None:
    [retries] = {each.topic for each in world.retries}
    world.broker.refused = {retries}
    record = published(world)

    async def settle() -> None:
        found = await world.settler.retry(record, progress_of(record), LATER, began_ms=world.clock())
        assert isinstance(found, DeadLetter)
        await world.settler.write_dead_letters([found])

    with capture_logs() as logs:
        loop.run(settle())

    [dead] = world.broker.logs[Partition(world.dead_topic, 0)]
    headers = dict(dead.headers)
    assert (dead.value, headers[REASON]) == (record.value, b"too_large")
    assert f"set max.message.bytes of {retries} back to 2097152".encode() in headers[DETAIL]
    [said] = [each for each in logs if each["event"] == "settlement.refused"]
    assert (said["log_level"], said["topic"]) == ("error", retries)
    assert "max.message.bytes" in said["fix"]


def test_what_was_refused_for_what_it_shared_a_request_with_is_sent_again(loop: VirtualLoop, world: World) -> None:
    [retries] = {each.topic for each in world.retries}
    world.broker.refused = {retries}
    record = published(world)

    async def settle() -> object:
        retrying = asyncio.create_task(world.settler.retry(record, progress_of(record), LATER, began_ms=world.clock()))
        while not world.broker.refusals:
            await asyncio.sleep(0)
        world.broker.refused = set()
        return await retrying

    assert not isinstance(loop.run(settle()), DeadLetter)
    assert len(world.broker.logs[world.retries[0]]) == 1


def test_what_the_dead_letters_do_not_take_is_held_until_they_do(loop: VirtualLoop, world: World) -> None:
    world.broker.refused = {world.dead_topic}
    record = published(world)

    async def settle() -> None:
        dead_letter = expired(record, progress_of(record))
        writing = asyncio.create_task(world.settler.write_dead_letters([dead_letter]))
        await asyncio.sleep(3600)
        assert not writing.done()
        world.broker.refused = set()
        await writing

    with capture_logs() as logs:
        loop.run(settle())

    [dead] = world.broker.logs[Partition(world.dead_topic, 0)]
    assert dead.value == record.value
    assert {each["topic"] for each in logs if each["log_level"] == "error"} == {world.dead_topic}
