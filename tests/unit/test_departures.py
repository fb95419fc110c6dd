"""Which retries leave for their topic together, and how long each waits."""

import asyncio
import random
from collections.abc import Iterator, Sequence

import pytest

from eventstreams.headers import NOT_BEFORE
from eventstreams.kafka.records import Record
from eventstreams.sinks import RetryLater, RetryReason
from sink_workers.delivery.departures import Departures
from tests.support.partition_model import Mood, World, progress_of
from tests.support.virtual_time import VirtualLoop

PARTS = 12
LATER = RetryLater(RetryReason.SERVER_ERROR)


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    loop.end()


def by_value(records: Sequence[Record], copy: Record) -> Record:
    return next(each for each in records if each.value == copy.value)


async def leaving(departures: Departures, at_s: Sequence[float]) -> Sequence[tuple[float, float]]:
    """When each of those that fail at ``at_s`` leaves, in s, and its chance."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def fail(after_s: float) -> tuple[float, float]:
        await asyncio.sleep(after_s)
        chance = await departures.next()
        return round(loop.time() - began, 3), chance

    return await asyncio.gather(*map(fail, at_s))


def test_a_failure_now_and_then_waits_for_nobody(loop: VirtualLoop) -> None:
    left = loop.run(leaving(Departures(PARTS), [0.0, 1.0, 1.06, 2.0]))

    assert [at for at, _ in left] == [0.0, 1.0, 1.06, 2.0]


def test_failures_of_a_moment_leave_together_for_one_part_of_the_delay_the_first_to_wait_least(
    loop: VirtualLoop,
) -> None:
    left = loop.run(leaving(Departures(PARTS), [0.0, 0.01, 0.02, 0.03, 0.06]))

    assert [at for at, _ in left] == [0.0, 0.05, 0.05, 0.05, 0.1]
    together = [chance for _, chance in left[1:4]]
    assert len({int(chance * PARTS) for chance in together}) == 1
    assert together == sorted(together, reverse=True)  # the wait is what the chance leaves of the delay


def test_of_many_failures_of_a_moment_no_more_than_32_share_a_part(loop: VirtualLoop) -> None:
    left = loop.run(leaving(Departures(PARTS), [0.0] + [0.01] * 70))

    assert [at for at, _ in left].count(0.01) == 64
    assert [at for at, _ in left].count(0.06) == 6


def test_who_was_cancelled_meanwhile_has_no_part_in_it(loop: VirtualLoop) -> None:
    departures = Departures(PARTS)

    async def run() -> float:
        await departures.next()
        gone = asyncio.create_task(departures.next())
        stays = asyncio.create_task(departures.next())
        await asyncio.sleep(0.01)
        gone.cancel()
        return await stays

    assert 0 <= loop.run(run()) < 1


def test_nobody_left_when_the_time_has_come_is_no_mistake(loop: VirtualLoop) -> None:
    departures = Departures(PARTS)

    async def run() -> float:
        await departures.next()
        gone = asyncio.create_task(departures.next())
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(1)
        return await departures.next()

    assert 0 <= loop.run(run()) < 1


@pytest.mark.parametrize("gap_s", [0.001, 0.02, 0.1])
def test_all_waits_together_are_spread_evenly_over_the_delay(loop: VirtualLoop, gap_s: float) -> None:
    departures = Departures(PARTS, draw=random.Random(7).random)

    left = loop.run(leaving(departures, [number * gap_s for number in range(40_000)]))

    tenths = [0] * 10
    for _, chance in left:
        tenths[int(chance * 10)] += 1
    assert min(tenths) > 0.85 * len(left) / 10
    assert max(tenths) < 1.15 * len(left) / 10


def test_failures_of_a_moment_share_a_partition_of_their_retry_topic_and_each_has_its_time(loop: VirtualLoop) -> None:
    async def make() -> World:
        return World(delays="12s", partitions=PARTS)

    world = loop.run(make())
    for _ in range(9):
        world.publish()
    records = world.broker.logs[world.subscription]

    async def fail() -> None:
        retries = [world.settler.retry(each, progress_of(each), LATER, began_ms=world.clock()) for each in records]
        await asyncio.gather(*retries)

    loop.run(fail())

    placed = [(at.number, each) for at in world.retries for each in world.broker.logs.get(at, [])]
    alone, *together = sorted(placed, key=lambda each: records.index(by_value(records, each[1])))
    assert alone[1].timestamp_ms < together[0][1].timestamp_ms
    assert len({partition for partition, _ in together}) == 1
    waits = [int(dict(each.headers)[NOT_BEFORE]) - each.timestamp_ms for _, each in together]
    assert waits == sorted(waits)
    assert len(set(waits)) == len(waits)
    assert waits[-1] - waits[0] < 1000  # one part of the twelve seconds


def test_a_retry_that_waits_to_leave_is_not_settled(loop: VirtualLoop) -> None:
    async def make() -> World:
        return World(delays="1s", partitions=1)

    world = loop.run(make())
    world.publish()
    world.publish()
    first, second = world.broker.logs[world.subscription]

    async def fail() -> bool:
        await world.settler.retry(first, progress_of(first), LATER, began_ms=world.clock())
        waits = asyncio.create_task(world.settler.retry(second, progress_of(second), LATER, began_ms=world.clock()))
        await asyncio.sleep(0.04)
        assert not waits.done()
        world.broker.change(Mood.STUCK)
        await asyncio.sleep(1)
        assert not waits.done()
        world.broker.change(Mood.UP)
        await waits
        return True

    assert loop.run(fail())
