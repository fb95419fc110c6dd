"""A batch that is done with its sink leaves its slot to the next while Kafka takes what the sink did not."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest
from typing_extensions import override

from eventstreams.control.feed import ControlFeed
from eventstreams.headers import DeliveryProgress
from eventstreams.kafka.records import Record
from eventstreams.sinks import Rejected, RetryLater
from sink_workers.delivery.attempt_entries import Rest
from sink_workers.gates.gates import Gates
from sink_workers.lanes.handler import LaneHandle, Limits
from sink_workers.lanes.lane import Lane
from tests.unit.test_delivery_batches import Burying, Feed, Pool, delivery_to, lane_for, record, subscription
from tests.unit.test_lane import TP, Handler, records, singles, turn


class Failing(Handler):
    """The sink answers at once and takes nothing; Kafka takes what the test releases."""

    @override
    async def handle(self, records: Sequence[Record], lane: LaneHandle) -> None:
        with lane.aside():
            await super().handle(records, lane)


def lane_with(handler: Handler) -> Lane:
    return Lane(
        TP,
        handler,
        clock=lambda: 1_000_000,
        buffer_bytes=1 << 20,
        pause=lambda _: None,
        resume=lambda _: None,
        on_crash=lambda error: pytest.fail(str(error)),
    )


def committable(lane: Lane) -> int | None:
    return None if lane.commit is None else lane.commit.offset


def failing(limits: Limits) -> Failing:
    handler = Failing(limits)
    handler.blocking = True
    return handler


async def test_what_only_waits_for_kafka_takes_no_slot_and_is_not_committable() -> None:
    handler = failing(singles(1))
    lane = lane_with(handler)

    lane.offer(records(0, 3))
    await turn()

    assert handler.batches == [[0], [1], [2]]
    assert committable(lane) is None
    for offset in (1, 2, 0):
        handler.release(offset)
    await turn()
    assert committable(lane) == 3


async def test_no_more_than_64_events_wait_for_kafka_so_or_as_many_as_a_sink_gets_at_a_time() -> None:
    for at_once, under_way in ((1, 65), (100, 200)):
        handler = failing(singles(at_once))
        lane = lane_with(handler)

        lane.offer(records(0, 500))
        await turn(300)

        assert len(handler.batches) == under_way
        lane.abandon()


async def test_batches_of_many_events_wait_for_kafka_in_no_greater_number_than_the_sink_gets() -> None:
    handler = failing(Limits(max_batch_events=100, max_batch_bytes=1 << 20, linger_s=0.0, max_in_flight=2))
    lane = lane_with(handler)

    lane.offer(records(0, 1000))
    await turn(30)

    assert len(handler.batches) == 4
    lane.abandon()


async def test_while_a_sink_gets_nothing_what_waits_for_kafka_makes_room_for_nothing() -> None:
    handler = failing(singles(2))
    lane = lane_with(handler)
    lane.offer(records(0, 2))
    await turn()

    handler.current = singles(0)
    lane.offer(records(2, 3))
    handler.release(0)
    handler.wake()
    await turn()

    assert handler.batches == [[0], [1]]
    lane.abandon()


async def test_draining_waits_for_what_stands_aside() -> None:
    handler = failing(singles(1))
    lane = lane_with(handler)
    lane.offer(records(0, 2))
    await turn()

    draining = asyncio.create_task(lane.drain(60))
    await turn()
    assert not draining.done()
    handler.release(0)
    handler.release(1)
    await draining

    assert committable(lane) == 2


class Slow(Burying):
    """A settler of which Kafka has nothing yet."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.taken = asyncio.Event(), asyncio.Event()

    async def retry(
        self, record: Record, progress: DeliveryProgress, outcome: RetryLater | Rejected, **_: object
    ) -> Rest:
        self.asked.set()
        await self.taken.wait()
        return Rest("es.retry.webhook.5s/0/0", 0)


async def test_a_failed_attempt_stands_aside_until_kafka_has_its_copy_and_is_settled_only_then() -> None:
    ours, settler = subscription(), Slow()
    failed = record(0, ours)
    lane, tracker = lane_for([failed])
    delivery = delivery_to(Pool(failures=1), [ours], settler, Gates(cast(ControlFeed, Feed([]))))

    handling = asyncio.create_task(delivery.handle([failed], lane, waits=True))
    await settler.asked.wait()

    assert (lane.stood_aside, tracker.unsettled) == (1, 1)
    settler.taken.set()
    await handling
    assert (lane.stood_aside, tracker.unsettled) == (0, 0)
