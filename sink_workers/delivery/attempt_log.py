"""Writes what happened to the attempts topic. It never delays or fails a delivery: if it must, it drops entries.

Entries are gathered for 50 ms and share a record: 12,000 deliveries a second make 47 records a second.
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
_MOST_ENTRIES: Final = 256  # in a record: larger ones gain nothing, and one that is lost loses more
_MOST_BYTES: Final = 256 << 10  # of text in a record; JSON may need six times that, and the topic takes 2 MiB
_MOST_PENDING: Final = 20_000  # a second and a half at full speed; more means that the event loop is blocked
_SAY_S: Final = 60.0  # the shortest time between two warnings

_log = get_logger(__name__)


class Producer(AbstractContextManager[object], Protocol):
    """What the log needs of a producer: see ``BestEffortProducer``."""

    @property
    def waiting(self) -> int: ...
    def offer(self, topic: str, value: bytes, *, weight: int) -> None: ...
    def poll(self) -> None: ...


class AttemptLog:
    """Use as ``async with``: on exit, the pending entries are sent."""

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
        """Create an empty log.

        Args:
            settings: Where Kafka is, and how its topics are named.
            sink_type: The type of sink whose attempts are logged.
            snapshot: Where to look up the sink of a subscription.
            metrics: Where dropped entries are counted.
            clock: The current time, in ms since the epoch.
            producer: Makes the producer, given a callback for the number of entries it dropped; by default a
                ``BestEffortProducer``.
        """
        self._topic = Topics(settings).attempts
        self._sink_type = sink_type
        self._snapshot = snapshot
        self._dropped = metrics.attempt_log_dropped
        self._dropped.labels(sink_type)  # so that a count of 0 is exported as well
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
        """Log an attempt, once its consequence (a retry, a dead letter, waiting) is settled.

        Args:
            record: The record that was attempted.
            progress: The progress that the record's headers stated before the attempt.
            event: The event that was attempted.
            outcome: The attempt's outcome.
            account_sid: The owner of the sink; the event may be a subaccount's.
            sink_sid: The sink.
            began_ms: When the attempt began, in ms since the epoch.
            duration_ms: How long it took.
            rest: Where the record is now; None if it was delivered, or if ``died`` is logged next.
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
        """Log that ``record`` is now a dead letter at ``rest``. ``progress``: None if its headers state none.

        Not for events that their sink rejected: the entry of that attempt says so already.
        """
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
        # Keep polling for the broker's reports as well, so that drops are counted when they happen.
        busy = self._pending or self._producer.waiting
        self._timer = self._loop.call_later(_GATHER_S, self._tick) if busy else None

    def _write(self) -> None:
        entries, self._pending = self._pending, []
        for batch in _batches(entries):
            try:
                value = encode(batch)
            except TypeError as error:  # a plugin put a value into an outcome that its types forbid
                _log.warning("attempts.not_written", error=str(error), follows="they are missing from the delivery log")
                self._drop(len(batch))
            else:
                self._producer.offer(self._topic, value, weight=len(batch))
        self._producer.poll()

    def _drop(self, count: int) -> None:
        self._dropped.labels(self._sink_type).inc(count)
        if self._loop.time() - self._said_at > _SAY_S:
            self._said_at = self._loop.time()
            _log.warning(
                "attempts.dropped", count=count, follows="they are missing from the delivery log; deliveries continue"
            )


def _batches(entries: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Split ``entries``, in order, into the contents of records."""
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
