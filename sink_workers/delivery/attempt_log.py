"""Tells the attempts topic what happened. Deliveries call it and go on: it never waits, never fails, and drops.

Entries are gathered for a moment and share a record: at 12,000 deliveries a second that is 47 records a second.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Final, Protocol, Self

from eventstreams.attempts import Row, encode
from eventstreams.control.snapshot import Snapshot
from eventstreams.headers import DeliveryProgress
from eventstreams.kafka.best_effort import BestEffortProducer
from eventstreams.kafka.records import Record
from eventstreams.reasons import DeadReason
from eventstreams.settings import Settings
from eventstreams.sinks import DeliveryOutcome, OutboundEvent
from eventstreams.telemetry.logging import get_logger
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import Clock
from eventstreams.topics import Topics
from sink_workers.delivery import attempt_entries
from sink_workers.delivery.attempt_entries import Rest, subscription_of

_GATHER_S: Final = 0.05
_MOST_ENTRIES: Final = 256  # of a record: larger ones gain nothing, and a lost one loses more
_MOST_BYTES: Final = 256 << 10  # of the texts in a record; JSON may need six times that, and the topic takes 2 MiB
_MOST_PENDING: Final = 20_000  # a second and a half at full speed; more means that the loop does not turn
_SAY_S: Final = 60.0

_log = get_logger(__name__)


class Producer(AbstractContextManager[object], Protocol):
    """What takes the records: see ``BestEffortProducer``."""

    @property
    def waiting(self) -> int: ...
    def offer(self, topic: str, value: bytes, *, weight: int) -> None: ...
    def poll(self) -> None: ...


class AttemptLog:
    """Use as ``async with``: leaving sends out what is there."""

    def __init__(
        self,
        settings: Settings,
        sink_type: str,
        *,
        snapshot: Snapshot,
        metrics: Metrics,
        clock: Clock,
        producer: Callable[[Callable[[int], None]], Producer] | None = None,
    ) -> None:
        """A log of nothing yet.

        Args:
            settings: Which Kafka.
            sink_type: Whose attempts.
            snapshot: Tells a subscription's sink.
            metrics: Where it is counted what was dropped.
            clock: The time.
            producer: Makes the producer from what is to be called with the number of dropped entries; default: a
                ``BestEffortProducer``.
        """
        self._topic = Topics(settings).attempts
        self._sink_type = sink_type
        self._snapshot = snapshot
        self._dropped = metrics.attempt_log_dropped
        self._dropped.labels(sink_type)  # 0 is told as well
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._producer = producer(self._drop) if producer else BestEffortProducer(settings, on_dropped=self._drop)
        self._pending: list[Row] = []
        self._timer: asyncio.TimerHandle | None = None
        self._said_at = float("-inf")
        self._stack = ExitStack()

    async def __aenter__(self) -> Self:
        self._stack.enter_context(self._producer)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._write()
        await asyncio.to_thread(self._stack.close)

    def attempted(
        self,
        record: Record,
        progress: DeliveryProgress,
        event: OutboundEvent,
        outcome: DeliveryOutcome,
        *,
        account_sid: str,
        sink_sid: str,
        began_ms: int,
        duration_ms: int,
        rest: Rest | None,
    ) -> None:
        """An attempt was made, and what follows from it is settled.

        Args:
            record: What the attempt was made from.
            progress: The record's own, as it was before the attempt.
            event: What was attempted.
            outcome: What came of it.
            account_sid: Whose sink; the event may be a subaccount's.
            sink_sid: Which sink.
            began_ms: When it began.
            duration_ms: How long it took.
            rest: Where its copy is now; None for ``Delivered``.
        """
        self._add(
            attempt_entries.attempted(
                record,
                progress,
                event,
                outcome,
                account_sid=account_sid,
                sink_type=self._sink_type,
                sink_sid=sink_sid,
                began_ms=began_ms,
                duration_ms=duration_ms,
                rest=rest,
            )
        )

    def died(
        self,
        record: Record,
        progress: DeliveryProgress | None,
        reason: DeadReason,
        *,
        code: int,
        detail: str,
        rest: Rest,
    ) -> None:
        """``record`` became a dead letter, at ``rest``, without an attempt. ``progress``: None where it had none."""
        subscription = self._snapshot.subscriptions.get(subscription_of(record, progress))
        is_test = progress is not None and progress.subscription_sid in self._snapshot.sinks
        sink_sid = progress.subscription_sid if progress is not None and is_test else None
        self._add(
            attempt_entries.died(
                record,
                progress,
                reason,
                code=code,
                detail=detail,
                rest=rest,
                sink_type=self._sink_type,
                sink_sid=sink_sid if subscription is None else subscription.sink_sid,
                at_ms=self._clock(),
            )
        )

    def _add(self, entry: Row) -> None:
        if len(self._pending) >= _MOST_PENDING:
            self._drop(1)
            return
        self._pending.append(entry)
        if self._timer is None:
            self._timer = self._loop.call_later(_GATHER_S, self._tick)

    def _tick(self) -> None:
        self._write()
        # Reports of what is on its way are looked for as well, so that drops are counted when they happen.
        busy = self._pending or self._producer.waiting
        self._timer = self._loop.call_later(_GATHER_S, self._tick) if busy else None

    def _write(self) -> None:
        entries, self._pending = self._pending, []
        for batch in _batches(entries):
            try:
                value = encode(batch)
            except TypeError as error:  # a plugin gave an outcome something that its types forbid
                _log.warning("attempts.not_written", error=str(error), follows="they are missing in the log")
                self._drop(len(batch))
            else:
                self._producer.offer(self._topic, value, weight=len(batch))
        self._producer.poll()

    def _drop(self, count: int) -> None:
        self._dropped.labels(self._sink_type).inc(count)
        if self._loop.time() - self._said_at > _SAY_S:
            self._said_at = self._loop.time()
            _log.warning("attempts.dropped", count=count, follows="they are missing in the log; deliveries go on")


def _batches(entries: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """``entries`` in order, cut to records."""
    batch: list[Row] = []
    left = _MOST_BYTES
    for entry in entries:
        batch.append(entry)
        event_id, event_type, detail, answer = entry[2], entry[3], entry[18], entry[19]
        left -= len(event_id) + len(event_type) + len(detail or "") + len(answer or "")
        if len(batch) == _MOST_ENTRIES or left <= 0:
            yield batch
            batch, left = [], _MOST_BYTES
    if batch:
        yield batch
