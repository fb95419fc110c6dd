"""The lanes of one consumer: one for each assigned partition."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Protocol

from eventstreams.kafka.commits import Commit, Commits
from eventstreams.kafka.records import Partition, Record
from eventstreams.telemetry.logging import get_logger
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import Clock
from sink_workers.lanes.handler import Handler
from sink_workers.lanes.lane import Lane

# The memory of all buffers of a consumer together, and the least and most that one lane gets: enough for a whole batch
# of small events, and for half a second at full speed. A larger record is still taken, by itself.
_BUFFERS_BYTES: Final = 64 << 20
_LEAST_BYTES: Final = 384 << 10
_MOST_BYTES: Final = 8 << 20

_log = get_logger(__name__)


class FlowControl(Protocol):
    """What a lane may do with its partition; see ``GroupConsumer``."""

    def pause(self, partition: Partition) -> None: ...
    def resume(self, partition: Partition) -> None: ...
    def may_begin(self) -> bool: ...


class Lanes:
    """The ``PartitionOwner`` of a consumer: creates, drains and removes its lanes.

    ``flow`` must be set before the first assignment.
    """

    flow: FlowControl

    def __init__(
        self,
        kind: str,
        handler: Handler,
        *,
        metrics: Metrics,
        clock: Clock,
        drain_s: float,
        on_crash: Callable[[BaseException], None],
    ) -> None:
        """Create no lanes yet.

        Args:
            kind: The kind of partitions, for logs and metrics: ``subscription`` or ``retry``.
            handler: Shared by all lanes.
            metrics: Where lanes and rebalances are counted.
            clock: The current time, in ms since the epoch.
            drain_s: How long a revoked partition may take to settle what is in flight, in seconds.
            on_crash: Called if a lane fails, which is a bug.
        """
        self._kind = kind
        self._handler = handler
        self._metrics = metrics
        self._clock = clock
        self._drain_s = drain_s
        self._on_crash = on_crash
        self._lanes: dict[Partition, Lane] = {}
        self._held = False

    @property
    def unsettled(self) -> int:
        """The number of unsettled records in all lanes."""
        return sum(lane.unsettled for lane in self._lanes.values())

    def on_assigned(self, partitions: Mapping[Partition, Commit | None]) -> None:
        for partition, commit in partitions.items():
            self._lanes[partition] = Lane(
                partition,
                self._handler,
                clock=self._clock,
                buffer_bytes=_LEAST_BYTES,
                pause=self.flow.pause,
                resume=self.flow.resume,
                may_begin=self.flow.may_begin,
                on_crash=self._on_crash,
                held=self._held,
                commit=commit,
            )
        self._share_room()
        self._metrics.rebalances.labels(self._kind).inc()
        self._count("partitions.assigned", partitions)

    async def on_revoked(self, partitions: Sequence[Partition]) -> Commits:
        lanes = {partition: self._lanes[partition] for partition in partitions if partition in self._lanes}
        await asyncio.gather(*(lane.drain(self._drain_s) for lane in lanes.values()))
        for partition in lanes:
            del self._lanes[partition]
        self._share_room()
        self._count("partitions.revoked", partitions)
        return _commits(lanes)

    def on_lost(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            if lane := self._lanes.pop(partition, None):
                lane.abandon()
        self._share_room()
        self._count("partitions.lost", partitions)

    def on_records(self, records: Sequence[Record]) -> None:
        first = 0
        for index in range(1, len(records) + 1):  # the client returns records in runs of one partition
            if index == len(records) or _of(records[index]) != _of(records[first]):
                lane = self._lanes.get(_of(records[first]))
                if lane is not None:
                    lane.offer(records[first:index])
                first = index

    def committable(self) -> Commits:
        return _commits(self._lanes)

    def hold(self, *, held: bool) -> None:
        self._held = held
        for lane in self._lanes.values():
            lane.hold(held=held)

    def _share_room(self) -> None:
        """Divide the memory equally: a lane from when there were few gets no more than those that came later."""
        room = min(max(_BUFFERS_BYTES // max(len(self._lanes), 1), _LEAST_BYTES), _MOST_BYTES)
        for lane in self._lanes.values():
            lane.buffer_bytes = room

    def _count(self, event: str, partitions: Collection[Partition]) -> None:
        self._metrics.lanes.labels(self._kind).set(len(self._lanes))
        _log.info(event, kind=self._kind, count=len(partitions), now=len(self._lanes))


def _commits(lanes: Mapping[Partition, Lane]) -> Commits:
    commits = ((partition, lane.commit) for partition, lane in lanes.items())
    return {partition: commit for partition, commit in commits if commit is not None}


def _of(record: Record) -> Partition:
    return Partition(record.topic, record.partition)
