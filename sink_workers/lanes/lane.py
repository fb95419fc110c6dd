"""A lane: the records of one assigned partition, from fetched to settled. Lives as long as the assignment.

    offered ─► buffer ─► taken by a slot ─► handled ─► settled ─► committable

Records that the partition's previous owner settled out of order are skipped.
The buffer is bounded: above its high mark, the partition is paused; below its low mark, it is resumed. Slots are tasks
that each take a batch, have it handled and take the next. There are as many as the sink takes concurrently, plus those
that are done with the sink and only wait for Kafka to take the events that the sink did not.
While no slot may take a record, those that reach their deadline in the buffer are taken all the same, so that they
expire in time. Lanes share nothing with each other but what their handlers share.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Final

from eventstreams.kafka.commits import Commit
from eventstreams.kafka.records import Partition, Record
from eventstreams.telemetry.logging import get_logger
from eventstreams.times import Clock
from sink_workers.lanes.handler import Handler, LaneHandle, Limits
from sink_workers.lanes.offsets import OffsetTracker
from sink_workers.lanes.settled_ahead import AlreadySettled, from_note, to_note

# The measured size of the Python objects of a record and of each header: most of the memory that a small event takes.
_RECORD_BYTES: Final = 500
_HEADER_BYTES: Final = 200
_MAX_BUFFERED: Final = 4096
# From the first unsettled record on, settled ones included: all of them are fetched again after a crash.
_MAX_UNSETTLED: Final = 16_384
_MOST_ASIDE: Final = 64  # events that only wait for Kafka; more if the sink's limit of concurrent attempts is higher
_EXPIRING_SLOTS: Final = 16
_EXPIRING_BATCH: Final = 64  # with 16 slots that settle in 10 ms: 100,000 expired events a second
_LONG_LINGER_S: Final = 1.0  # from here on, deadlines are taken into account, which requires reading them
_SPARE_MS: Final = 30_000  # a batch is taken this long before its first deadline: time for two attempts
_TICK_S: Final = 0.001  # the resolution of the clock, so the same moment may seem to be this much sooner
_PROBE_PATIENCE_S: Final = 1.0  # how long a drain waits for an attempt that will most likely fail
_LOOK_S: Final = 0.5  # how often a buffer that may not move is searched for the deadlines of new records

_log = get_logger(__name__)


@dataclass(slots=True)
class _Waiting:
    record: Record
    arrived_ms: int
    size: int
    deadline_ms: int | None = None  # read only if needed


class Lane:
    """Takes the records of one assigned partition to its handler, and tracks what may be committed.

    Attributes:
        buffer_bytes: The size of the buffer in bytes; once it is reached, the partition is paused. If it is lowered,
            that takes effect when the next records are offered.
    """

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
        may_begin: Callable[[], bool] = lambda: True,
        held: bool = False,
        commit: Commit | None = None,
    ) -> None:
        """Create a lane with an empty buffer.

        Args:
            partition: Whose records will be offered.
            handler: Handles batches and says how to form them.
            clock: The current time, in ms since the epoch.
            buffer_bytes: The size of the buffer.
            pause: Stops the fetching of the partition.
            resume: Continues it.
            on_crash: Called with the exception of a handler, which is a bug.
            may_begin: Asked before each batch. After it was false, ``hold`` says when to go on.
            held: Whether to begin on ``hold``.
            commit: The partition's last commit, at which the records that will be offered begin; None: there is none.
        """
        self._partition = partition
        self._held = held
        self._may_begin = may_begin
        ahead = from_note(commit.note, partition, commit.offset) if commit else None
        self._settled_before = AlreadySettled(ahead) if ahead else None
        self._commit: Commit | None = None
        self._commit_is_of = 0  # the tracker's ``changes`` when ``_commit`` was made
        self._handler = handler
        self._clock = clock
        self.buffer_bytes = buffer_bytes
        self._pause = pause
        self._resume = resume
        self._on_crash = on_crash
        self._loop = asyncio.get_running_loop()
        self._tracker = OffsetTracker()
        self._buffer: deque[_Waiting] = deque()
        self._buffered_bytes = 0
        self._value_bytes = 0
        self._paused = False
        self._stopped: asyncio.Future[None] = self._loop.create_future()
        self._handle = LaneHandle(self._tracker, self._stopped, self._wake)
        self._late_handle = LaneHandle(self._tracker, self._stopped)  # expiring records have slots of their own
        self._slots: set[asyncio.Task[None]] = set()
        self._expiring: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._soonest_ms: int | None = None  # the first deadline in the buffer; None: not known
        self._first_ms: int | None = None  # the same, for ``_first_deadline_ms``: of the part that was searched so far
        self._detach = handler.attach(partition, self._wake)

    @property
    def commit(self) -> Commit | None:
        """What may be committed, with a note of what is settled beyond it; None while nothing is settled."""
        tracker = self._tracker
        if self._commit_is_of != tracker.changes:
            self._commit_is_of = tracker.changes
            offset = tracker.committable
            ahead = tracker.ahead(self._settled_before)
            self._commit = None if offset is None else Commit(offset, to_note(ahead, self._partition))
        return self._commit

    @property
    def unsettled(self) -> int:
        """The number of records that were offered and are not settled yet."""
        return self._tracker.unsettled

    def offer(self, records: Sequence[Record]) -> None:
        """Take over ``records``, the next of the partition in order."""
        if self._stopped.done():
            return  # the partition is no longer ours: its next owner reads them again
        arrived_ms, before = self._clock(), self._settled_before
        for record in records:
            self._tracker.take(record)
            if before is not None and before.has(record):
                self._tracker.settle(record)
                continue
            size = _size(record)
            self._buffer.append(_Waiting(record, arrived_ms, size))
            self._buffered_bytes += size
            self._value_bytes += len(record.value)
        if before is not None:
            self._commit_is_of = -1  # it may say less than before of those that are not read yet
            if before.is_over:
                self._settled_before = None
        self._soonest_ms = None
        if not self._paused and self._is_full():
            self._paused = True
            self._pause(self._partition)
        self._wake()

    async def drain(self, timeout_s: float) -> None:
        """Take no more records; give those in flight ``timeout_s`` seconds to be settled, then abandon them.

        Probes of broken sinks are abandoned after a second.
        """
        self.stop()
        if under_way := self._slots | self._expiring:
            patience_s = min(timeout_s, _PROBE_PATIENCE_S)
            _, left = await asyncio.wait(under_way, timeout=patience_s)
            for probe in left & self._handle.probes:
                probe.cancel()
            if left:
                await asyncio.wait(left, timeout=timeout_s - patience_s)
        self.abandon()

    def stop(self) -> None:
        """Take no more records."""
        if not self._stopped.done():
            self._stopped.set_result(None)
            self._detach()
        self._buffer.clear()
        for timer in (self._timer, self._look):
            if timer is not None:
                timer.cancel()

    def abandon(self) -> None:
        """Take no more records, and cancel those in flight: the partition's next owner delivers them again."""
        self.stop()
        for task in self._slots | self._expiring:
            task.cancel()

    def hold(self, *, held: bool) -> None:
        """Stop taking records for attempts, or, with ``held`` False, continue. Expired ones are still handled."""
        self._held = held
        self._wake()

    # -- slots -----------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Start as many slots as there is work for. A slot ends by itself when there is none."""
        if self._stopped.done():
            return
        limits = self._limits()
        while self._busy(limits) < limits.max_in_flight and (batch := self._take(limits)):
            self._start(self._slot(batch), self._slots)
        self._resume_when_low()
        if self._buffer and self._look is None and self._busy(limits) >= limits.max_in_flight:
            # If the newest record has expired, look at once, so that a long backlog of expired ones is cleared quickly;
            # but not while there is no slot for them: when one ends, the buffer is searched again.
            has_room = len(self._expiring) < _EXPIRING_SLOTS
            late = has_room and self._handler.deadline_ms(self._buffer[-1].record) <= self._clock()
            self._look = self._loop.call_later(0 if late else self._look_in_s(), self._look_through)

    async def _slot(self, batch: Sequence[Record]) -> None:
        while batch:
            await self._handler.handle(batch, self._handle)
            limits = self._limits()
            batch = self._take(limits) if self._busy(limits) <= limits.max_in_flight else ()
            self._resume_when_low()
            # The sink may now take more attempts concurrently than when this slot began, or none.
            if (batch or self._buffer) and (self._busy(limits) < limits.max_in_flight or self._look is None):
                self._wake()

    def _busy(self, limits: Limits) -> int:
        """How many slots count as busy: not those that are done with the sink, up to the bound on these."""
        aside = self._handle.stood_aside
        if aside > limits.max_in_flight:  # usually it is 0, or small
            aside = min(aside, max(limits.max_in_flight, _MOST_ASIDE // limits.max_batch_events))
        return len(self._slots) - aside

    def _limits(self) -> Limits:
        limits = self._handler.limits(self._partition)
        # A consumer that ends no longer looks at the time: it would take a long drain for a standstill.
        may_not = self._held or self._stopped.done() or not self._may_begin()
        return limits._replace(max_in_flight=0) if may_not else limits

    def _look_in_s(self) -> float:
        """How long to wait before the buffer is searched: until the next known deadline, at most ``_LOOK_S``."""
        if self._soonest_ms is None:
            return _LOOK_S
        return min(max(self._soonest_ms - self._clock(), 1) / 1000, _LOOK_S)

    def _look_through(self) -> None:
        self._look = None
        if self._soonest_ms is None or self._soonest_ms <= self._clock():
            self._expire()
        self._wake()  # schedules this again as long as the buffer may not move

    def _expire(self) -> None:
        """Take the records that have reached their deadline out of the buffer, wherever in it they are."""
        now_ms = self._clock()
        due: list[Record] = []
        left: deque[_Waiting] = deque()
        room = (_EXPIRING_SLOTS - len(self._expiring)) * _EXPIRING_BATCH
        soonest_ms: int | None = None
        while self._buffer and len(due) < room:
            waiting = self._buffer.popleft()
            if waiting.deadline_ms is None:
                waiting.deadline_ms = self._handler.deadline_ms(waiting.record)
            if waiting.deadline_ms <= now_ms:
                due.append(waiting.record)
            else:
                left.append(waiting)
                soonest_ms = min(waiting.deadline_ms, soonest_ms or waiting.deadline_ms)
        self._first_ms = None
        self._soonest_ms = None if self._buffer else soonest_ms  # the rest was not searched
        left.extend(self._buffer)
        self._buffer = left
        if due:
            self._buffered_bytes -= sum(map(_size, due))
            self._value_bytes -= sum(len(record.value) for record in due)
            self._resume_when_low()
        for first in range(0, len(due), _EXPIRING_BATCH):
            self._start(self._handler.handle(due[first : first + _EXPIRING_BATCH], self._late_handle), self._expiring)

    def _start(self, work: Coroutine[None, None, None], among: set["asyncio.Task[None]"]) -> None:
        task = self._loop.create_task(work)
        among.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        was_expiring = task in self._expiring
        self._slots.discard(task)
        self._expiring.discard(task)
        if task.cancelled():
            return
        if error := task.exception():
            self._on_crash(error)
        elif was_expiring:
            self._resume_when_low()
            if self._buffer:
                self._expire()
                self._wake()  # the slots may have been waiting only for the expired records

    # -- buffer ----------------------------------------------------------------------------------------------

    def _take(self, limits: Limits) -> Sequence[Record]:
        """The next batch. Empty if there is none yet; if it only has to wait, a timer is set."""
        if self._stopped.done() or not self._buffer:
            return ()
        if self._tracker.distance(self._buffer[0].record) >= _MAX_UNSETTLED:
            return ()
        wait_ms = self._wait_ms(limits)
        if wait_ms > 0:
            self._wake_in(wait_ms)
            return ()
        if limits.max_batch_events == 1:
            record, self._first_ms = self._buffer[0].record, None
            self._buffered_bytes -= self._buffer.popleft().size
            self._value_bytes -= len(record.value)
            return (record,)
        batch: list[Record] = []
        left = limits.max_batch_bytes
        while self._buffer and len(batch) < limits.max_batch_events:
            record = self._buffer[0].record
            left -= len(record.value)
            if batch and (left < 0 or self._handler.ready_at_ms(record) > self._clock()):
                break
            batch.append(record)
            self._buffered_bytes -= self._buffer.popleft().size
            self._value_bytes -= len(record.value)
        self._first_ms = None
        return batch

    def _wait_ms(self, limits: Limits) -> int:
        """How long until the head may be taken: until it is ready, and its batch is full or has lingered."""
        head = self._buffer[0]
        at_ms = self._handler.ready_at_ms(head.record)
        if limits.linger_s and not self._fills(limits):
            at_ms = max(at_ms, self._lingered_ms(head, limits))
        return at_ms - self._clock() if at_ms else 0

    def _fills(self, limits: Limits) -> bool:
        """Whether the buffer holds a whole batch, or as much of it as will come."""
        full = len(self._buffer) >= limits.max_batch_events or self._value_bytes >= limits.max_batch_bytes
        return full or self._paused  # while the partition is paused, no more will come

    def _lingered_ms(self, head: _Waiting, limits: Limits) -> int:
        """When the batch of ``head`` has waited long enough: no deadline may pass merely because a batch lingers."""
        lingered_ms = head.arrived_ms + int(limits.linger_s * 1000)
        if limits.linger_s < _LONG_LINGER_S:
            return lingered_ms
        return min(lingered_ms, self._first_deadline_ms() - _SPARE_MS)

    def _first_deadline_ms(self) -> int:
        """The first deadline in the buffer. Searches only new records, unless some were taken since the last call."""
        first_ms = self._first_ms
        for waiting in reversed(self._buffer):
            if waiting.deadline_ms is None:
                waiting.deadline_ms = self._handler.deadline_ms(waiting.record)
            elif self._first_ms is not None:
                break
            first_ms = waiting.deadline_ms if first_ms is None else min(first_ms, waiting.deadline_ms)
        self._first_ms = first_ms
        return first_ms or 0

    def _wake_in(self, wait_ms: int) -> None:
        at_s = self._loop.time() + wait_ms / 1000
        if self._timer is not None:
            # A retry lane comes here with every record, although usually only the first one's time matters.
            if self._timer.when() <= at_s + _TICK_S:
                return  # when it fires, the wait is computed again
            self._timer.cancel()
        self._timer = self._loop.call_at(at_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._wake()

    def _resume_when_low(self) -> None:
        if self._paused and self._is_low():
            self._paused = False
            self._resume(self._partition)

    def _is_full(self) -> bool:
        return (
            len(self._buffer) >= _MAX_BUFFERED
            or self._buffered_bytes >= self.buffer_bytes
            or self._tracker.window >= _MAX_UNSETTLED
        )

    def _is_low(self) -> bool:
        return (
            len(self._buffer) <= _MAX_BUFFERED // 4
            and self._buffered_bytes <= self.buffer_bytes // 4
            and self._tracker.window <= _MAX_UNSETTLED // 2
        )


def _size(record: Record) -> int:
    return len(record.value) + _RECORD_BYTES + _HEADER_BYTES * len(record.headers)
