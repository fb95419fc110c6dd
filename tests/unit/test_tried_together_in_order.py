"""A sink whose events are tried together keeps them in order, also while those that failed wait for it."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from typing_extensions import override

from eventstreams.control.feed import ControlFeed
from eventstreams.kafka.records import Partition, Record
from eventstreams.sinks import Capabilities
from sink_workers.delivery.delivery import Delivery
from sink_workers.gates.gates import Gates
from sink_workers.lanes.handler import LaneHandle, Limits
from sink_workers.lanes.lane import Lane
from tests.support.topic import eventually
from tests.unit.test_delivery_batches import NOW_MS, Feed, Pool, delivery_to, record, subscription
from tests.unit.test_lane import TP

pytestmark = pytest.mark.timeout(60)


class _OneByOne(Pool):
    @override
    def capabilities(self, sink_sid: str) -> Capabilities:
        return Capabilities(timeout_s=5, max_batch_events=1, max_in_flight=1, tried_together=True)


class _Handler:
    def __init__(self, delivery: Delivery, gates: Gates, sink_sid: str) -> None:
        self._delivery, self._gates, self._sink_sid = delivery, gates, sink_sid

    def limits(self, _: Partition) -> Limits:
        return Limits(1, 1 << 20, 0.0, min(1, self._gates.of(self._sink_sid).limit()))

    def ready_at_ms(self, _: Record) -> int:
        return 0

    def deadline_ms(self, _: Record) -> int:
        return NOW_MS + 1_000_000

    def attach(self, _: Partition, wake: Any) -> Any:
        return self._gates.of(self._sink_sid).listen(wake)

    async def handle(self, records: Sequence[Record], lane: LaneHandle) -> None:
        await self._delivery.handle(records, lane, waits=True)


async def test_what_failed_is_tried_again_before_what_is_behind_it() -> None:
    ours = subscription()
    pool = _OneByOne(failures=1, tried_together=True)
    gates = Gates(cast(ControlFeed, Feed([ours])))
    handler = _Handler(delivery_to(pool, [ours], None, gates), gates, ours.sink_sid)
    records = [record(number, ours)._replace(topic=TP.topic, partition=TP.number) for number in range(4)]
    lane = Lane(
        TP,
        cast(Any, handler),
        clock=lambda: NOW_MS,
        buffer_bytes=1 << 20,
        pause=lambda _: None,
        resume=lambda _: None,
        on_crash=lambda error: asyncio.get_running_loop().call_exception_handler({"exception": error}),
    )

    lane.offer(records)
    await eventually(lambda: len(pool.delivered.get(ours.sink_sid, [])) == 4)

    assert pool.delivered[ours.sink_sid] == [dict(each.headers)["ce_id"].decode() for each in records]
