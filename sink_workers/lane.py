"""A lane: the records of one assigned partition, from fetched to settled. Lives as long as the assignment.

    offered ─► buffer ─► taken by a slot ─► handled ─► settled ─► committable

The buffer is bounded: above its high mark the partition is paused, below its low mark it goes on. Slots are tasks
that each take a batch, have it handled and take the next; there are as many as the sink takes side by side.
Lanes share nothing with each other but what their handlers share.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from eventstreams.kafka.records import Partition, Record
from eventstreams.telemetry.logging import get_logger
from eventstreams.times import Clock
from sink_workers.offsets import OffsetTracker

_RECORD_OVERHEAD_BYTES: Final = 1500  # headers and Python objects of one record, measured
_MAX_BUFFERED: Final = 4096

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How a lane takes batches: see ``Capabilities``."""

    max_batch_events: int
    max_batch_bytes: int
    linger_s: float
    max_in_flight: int


class Handler(Protocol):
    """What a lane asks. Handlers may be shared by lanes."""

    def limits(self, partition: Partition) -> Limits:
        """How to batch now; asked before each batch."""

    def ready_at_ms(self, record: Record) -> int:
        """When ``record`` may be taken, in ms since the epoch; 0 for at once. It holds up those behind it."""

    async def handle(self, records: Sequence[Record]) -> None:
        """Settle ``records``, of one partition, in order. Returns when the last is settled, and raises only bugs."""


class Lane:
    """One assigned partition's records."""

    def __init__(
        self,
        partition: Partition,
        handler: Handler,
        *,
        clock: Clock,
        buffer_bytes: int,
        pause: Callable[[Partition], None],
        resume: Callable[[Partition], None],
        on_crash: Callable[[BaseException], None],
    ) -> None:
        self._partition = partition
        self._handler = handler
        self._clock = clock
        self._buffer_bytes = buffer_bytes
        self._pause = pause
        self._resume = resume
        self._on_crash = on_crash
        self._loop = asyncio.get_running_loop()
        self._tracker = OffsetTracker()
        self._buffer: deque[tuple[Record, int]] = deque()
        self._buffered_bytes = 0
        self._paused = False
        self._stopping = False
        self._slots: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def committable(self) -> int | None:
        return self._tracker.committable

    @property
    def unsettled(self) -> int:
        """Records that were offered and are not settled."""
        return self._tracker.unsettled

    def offer(self, records: Sequence[Record]) -> None:
        """Take over ``records``, the next of the partition in order."""
        if self._stopping:
            return  # not ours any more: the next owner reads them again
        arrived_ms = self._clock()
        for record in records:
            self._tracker.take(record.offset)
            self._buffer.append((record, arrived_ms))
            self._buffered_bytes += _size(record)
        if not self._paused and self._is_full():
            self._paused = True
            self._pause(self._partition)
        self._wake()

    async def drain(self, timeout_s: float) -> None:
        """Take no more; give what is in flight ``timeout_s`` seconds to be settled, then let go of it."""
        self.stop()
        if self._slots:
            await asyncio.wait(self._slots, timeout=timeout_s)
        self.abandon()

    def stop(self) -> None:
        """Take no more."""
        self._stopping = True
        self._buffer.clear()
        if self._timer is not None:
            self._timer.cancel()

    def abandon(self) -> None:
        """Take no more, and let go of what is in flight: whoever owns the partition next delivers it again."""
        self.stop()
        for slot in self._slots:
            slot.cancel()

    # -- slots -----------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Start as many slots as there is work for. A slot ends by itself when there is none."""
        limits = self._handler.limits(self._partition)
        while len(self._slots) < limits.max_in_flight and (batch := self._take(limits)):
            slot = self._loop.create_task(self._slot(batch))
            self._slots.add(slot)
            slot.add_done_callback(self._ended)

    async def _slot(self, batch: Sequence[Record]) -> None:
        while batch:
            await self._handler.handle(batch)
            for record in batch:
                self._tracker.settle(record.offset)
            limits = self._handler.limits(self._partition)
            batch = self._take(limits) if len(self._slots) <= limits.max_in_flight else ()
            if batch:
                self._wake()  # the sink may take more side by side now than when this slot began

    def _ended(self, slot: "asyncio.Task[None]") -> None:
        self._slots.discard(slot)
        if not slot.cancelled() and (error := slot.exception()):
            self._on_crash(error)

    # -- buffer ----------------------------------------------------------------------------------------------

    def _take(self, limits: Limits) -> Sequence[Record]:
        """The next batch; empty where there is none yet, and then a timer is set for when there will be."""
        if self._stopping or not self._buffer:
            return ()
        wait_ms = self._wait_ms(limits)
        if wait_ms > 0:
            self._wake_in(wait_ms)
            return ()
        batch: list[Record] = []
        left = limits.max_batch_bytes
        while self._buffer and len(batch) < limits.max_batch_events:
            record, _ = self._buffer[0]
            left -= len(record.value)
            if batch and (left < 0 or self._handler.ready_at_ms(record) > self._clock()):
                break
            batch.append(record)
            self._buffer.popleft()
            self._buffered_bytes -= _size(record)
        if self._paused and self._is_low():
            self._paused = False
            self._resume(self._partition)
        return batch

    def _wait_ms(self, limits: Limits) -> int:
        """How long until the head may be taken: until its own time, and until its batch is full or has lingered."""
        record, arrived_ms = self._buffer[0]
        value_bytes = self._buffered_bytes - len(self._buffer) * _RECORD_OVERHEAD_BYTES
        full = len(self._buffer) >= limits.max_batch_events or value_bytes >= limits.max_batch_bytes
        lingered_ms = arrived_ms if full else arrived_ms + int(limits.linger_s * 1000)
        return max(self._handler.ready_at_ms(record), lingered_ms) - self._clock()

    def _wake_in(self, wait_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(wait_ms / 1000, self._wake)

    def _is_full(self) -> bool:
        return len(self._buffer) >= _MAX_BUFFERED or self._buffered_bytes >= self._buffer_bytes

    def _is_low(self) -> bool:
        return len(self._buffer) <= _MAX_BUFFERED // 4 and self._buffered_bytes <= self._buffer_bytes // 4


def _size(record: Record) -> int:
    return len(record.value) + _RECORD_OVERHEAD_BYTES
