"""Settling: an event that was not delivered is copied to a retry or dead-letter topic, acknowledged by the broker.

Nothing here commits. These coroutines return only once the broker has the copy, and only then does a lane regard the
event as settled; while Kafka does not take the copy, the lane waits, and an error is logged.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from eventstreams.errors import TopicError
from eventstreams.headers import REDRIVE, DeliveryProgress, Headers, dead_headers, retry_headers
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.producer import Acked, AckedProducer, Answer, NoRoom, NotAcked
from eventstreams.kafka.records import Record
from eventstreams.reasons import DeadReason
from eventstreams.retry import RetryWheel, next_attempt_ms
from eventstreams.settings import Settings
from eventstreams.sinks import Rejected, RetryLater
from eventstreams.telemetry.logging import get_logger
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import Clock, to_ms
from eventstreams.topics import MAX_COPY_BYTES, Topics
from sink_workers.delivery.alone import Alone
from sink_workers.delivery.attempt_entries import Rest
from sink_workers.delivery.attempt_log import AttemptLog
from sink_workers.delivery.departures import Departures
from sink_workers.delivery.inbound import Undeliverable

_REPEAT_S: Final = (0.1, 0.5, 2.0, 5.0)  # waits between failed writes; the last one repeats

_log = get_logger(__name__)


def failed(progress: DeliveryProgress, outcome: RetryLater, *, began_ms: int) -> DeliveryProgress:
    """``progress`` after a failed attempt that began at ``began_ms``."""
    return progress._replace(
        attempt=progress.attempt + 1,
        first_attempt_at_ms=progress.first_attempt_at_ms or began_ms,
        last_reason=outcome.reason.value,
        last_code=outcome.reason.code,
        last_detail=outcome.detail,
        last_attempt_at_ms=began_ms,
        last_status=outcome.status,
        last_answer=outcome.answer,
    )


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that is about to become a dead letter.

    Attributes:
        record: The record it was read from.
        progress: How far it came; None if its headers do not say.
        reason: Why it died.
        code: The service error code.
        detail: The explanation, in words.
    """

    record: Record
    progress: DeliveryProgress | None
    reason: DeadReason
    code: int
    detail: str


def expired(record: Record, progress: DeliveryProgress) -> DeadLetter:
    """The dead letter of ``record``, whose deadline has passed."""
    attempts = progress.attempt - 1
    last = (
        f"{attempts} attempts; the last: {progress.last_reason}: {progress.last_detail}" if attempts else "no attempt"
    )
    return DeadLetter(record, progress, DeadReason.EXPIRED, progress.last_code or DeadReason.EXPIRED.code, last)


def used_up(record: Record, progress: DeliveryProgress, outcome: RetryLater, *, began_ms: int) -> DeadLetter:
    """The dead letter of ``record``, whose last attempt that its subscription allows has failed."""
    last = f"{progress.attempt} attempts; the last: {outcome.reason.value}: {outcome.detail}"
    after = failed(progress, outcome, began_ms=began_ms)
    return DeadLetter(record, after, DeadReason.ATTEMPTS_USED_UP, outcome.reason.code, last)


def discarded(record: Record, progress: DeliveryProgress | None, why: Undeliverable) -> DeadLetter:
    """The dead letter of ``record``, which cannot be delivered to anybody."""
    return DeadLetter(record, progress, why.reason, why.reason.code, why.detail)


class Settler:
    """Writes retries and dead letters for one sink type."""

    def __init__(
        self,
        settings: Settings,
        sink_type: str,
        *,
        producer: AckedProducer,
        alone: Alone,
        admin: KafkaAdmin,
        attempt_log: AttemptLog,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._topics = Topics(settings)
        self._delays = settings.retry_delays
        self._wheel = RetryWheel(settings.retry_delays, partitions=settings.retry_partitions)
        self._sink_type = sink_type
        self._producer = producer
        self._alone = alone
        self._admin = admin
        self._attempt_log = attempt_log
        self._metrics = metrics
        self._clock = clock
        self._departures = Departures(settings.retry_partitions)
        for reason in DeadReason:  # Prometheus sees no increase in a counter that appears with its first event
            metrics.dead_letters.labels(sink_type, reason.value)
        metrics.settle_failures.labels(sink_type)
        metrics.late_retries.labels(sink_type)

    async def retry(
        self,
        record: Record,
        progress: DeliveryProgress,
        outcome: RetryLater,
        *,
        began_ms: int,
        delays: Sequence[timedelta] | None = None,
    ) -> Rest | DeadLetter:
        """Put ``record`` on a retry topic until its next attempt, or until its deadline if that comes first.

        Returns a dead letter, for the caller to write, if the retry topic will never take the record: see ``wait_on``.

        Args:
            record: The record that was attempted.
            progress: Its progress before the attempt.
            outcome: The outcome of the attempt.
            began_ms: When the attempt began, in ms since the epoch.
            delays: The retry delays of its subscription; None: those of the settings. They need no topics of their own:
                a record waits in the existing slots of the wheel until it is due.
        """
        chance = await self._departures.next()
        at_ms = next_attempt_ms(
            delays or self._delays,
            attempt=progress.attempt,
            now_ms=self._clock(),
            deadline_ms=progress.deadline_ms,
            not_before_ms=None if outcome.not_before is None else to_ms(outcome.not_before),
            random=lambda: chance,
        )
        waiting = failed(progress, outcome, began_ms=began_ms)
        waiting = waiting._replace(not_before_ms=at_ms, origin=progress.origin or record.origin)
        place = await self.wait_on(record, waiting)
        if isinstance(place, DeadLetter):
            return place
        self._metrics.retries.labels(self._sink_type, outcome.reason.value).inc()
        half_over = began_ms - progress.accepted_at_ms > progress.deadline_ms - began_ms
        if half_over and REDRIVE not in dict(record.headers):  # redriven: accepted long before its present window began
            self._metrics.late_retries.labels(self._sink_type).inc()
        return Rest(place, at_ms)

    async def wait_on(self, record: Record, progress: DeliveryProgress) -> str | DeadLetter:
        """Put ``record`` into the slot of the wheel that suits ``progress.not_before_ms``; return its new place.

        Returns a dead letter, for the caller to write, if the topic will never take the record. Our topics take more
        than any event has, so an operator must have changed their configuration, such as ``max.message.bytes``. Waiting
        until that is mended would stop a partition that holds other sinks' events too, whereas a dead letter is not
        lost and can be redriven.
        """
        slot = self._wheel.slot(progress.not_before_ms - self._clock())
        copy = _Copy(record.key, record.value, retry_headers(record.headers, progress))
        topic = self._topics.retry(self._sink_type, slot.delay)
        answer = await self._insist(topic, copy, slot.partition, await self._send(topic, copy, slot.partition))
        return _place(topic, answer) if isinstance(answer, Acked) else _too_large(record, progress, topic, answer)

    async def reject(self, record: Record, progress: DeliveryProgress, outcome: Rejected, *, began_ms: int) -> Rest:
        """Write ``record``, which its sink has rejected for good, to the dead-letter topic."""
        made = progress._replace(
            attempt=progress.attempt + 1,
            first_attempt_at_ms=progress.first_attempt_at_ms or began_ms,
            last_attempt_at_ms=began_ms,
            last_status=outcome.status,
            last_answer=outcome.answer,
        )
        dead_letter = DeadLetter(record, made, outcome.reason, outcome.reason.code, outcome.detail)
        place = await self._write(self._topics.dead(self._sink_type), _copy_of(dead_letter), -1)
        self._metrics.dead_letters.labels(self._sink_type, outcome.reason.value).inc()
        return Rest(place)

    async def write_dead_letters(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Write ``dead_letters`` in shared requests to Kafka; return once the broker has acknowledged them all."""
        topic = self._topics.dead(self._sink_type)
        copies = [_copy_of(dead_letter) for dead_letter in dead_letters]
        answers = await self._producer.enqueue_many(topic, copies)
        taken = [_place(topic, answer) for answer in answers if isinstance(answer, Acked)]
        places = taken if len(taken) == len(dead_letters) else await self._insist_on_all(topic, copies, answers)
        for dead_letter, place in zip(dead_letters, places, strict=True):
            self._attempt_log.died(
                dead_letter.record,
                dead_letter.progress,
                dead_letter.reason,
                code=dead_letter.code,
                detail=dead_letter.detail,
                rest=Rest(place),
            )
        for reason, count in Counter(dead_letter.reason for dead_letter in dead_letters).items():
            self._metrics.dead_letters.labels(self._sink_type, reason.value).inc(count)
            _log.debug("events.died", reason=reason.value, count=count)

    async def _insist_on_all(self, topic: str, copies: Sequence["_Copy"], answers: Sequence[Answer]) -> Sequence[str]:
        """Repeat until Kafka has taken all ``copies``, given the first ``answers``; return their places."""

        async def insist(copy: _Copy, answer: Answer) -> str:
            if isinstance(answer, NoRoom):
                return await self._write(topic, copy, -1)  # waits for room
            return await self._insist_for_ever(topic, copy, -1, answer)

        return await asyncio.gather(*map(insist, copies, answers))

    async def _write(self, topic: str, copy: "_Copy", partition: int) -> str:
        """Write ``copy``; return its place once the broker has acknowledged it."""
        answer = await self._send(topic, copy, partition)
        return await self._insist_for_ever(topic, copy, partition, answer)

    async def _insist_for_ever(self, topic: str, copy: "_Copy", partition: int, answer: Acked | NotAcked) -> str:
        """Like ``_write``, after the first ``answer``. If the dead-letter topic refuses the copy, retry forever."""
        while isinstance(answer, NotAcked):
            answer = await self._insist(topic, copy, partition, answer)
            if isinstance(answer, NotAcked):
                await asyncio.sleep(_REPEAT_S[-1])
        return _place(topic, answer)

    async def _insist(self, topic: str, copy: "_Copy", partition: int, answer: Acked | NotAcked) -> Acked | NotAcked:
        """Repeat until the broker has ``copy`` or clearly will never take it; return its last answer.

        Kafka refuses whole batches, be it for one of their records or for their total size. So a copy in a refused
        batch is sent again alone; only if it is refused then will Kafka never take it.
        """
        failures, is_alone = 0, False
        while isinstance(answer, NotAcked):
            self._metrics.settle_failures.labels(self._sink_type).inc()
            if answer.retriable:
                _log.error(
                    "settlement.failed", topic=topic, error=answer.text, follows="its lane waits; nothing is committed"
                )
                await self._restore_topics()
                await asyncio.sleep(_REPEAT_S[min(failures, len(_REPEAT_S) - 1)])
                failures += 1
            elif is_alone:
                _log.error("settlement.refused", topic=topic, error=answer.text, fix=_fix(topic))
                return answer
            else:
                is_alone = True
            answer = await self._send(topic, copy, partition, by=self._alone if is_alone else self._producer)
        return answer

    async def _send(
        self, topic: str, copy: "_Copy", partition: int, *, by: AckedProducer | Alone | None = None
    ) -> Acked | NotAcked:
        producer = by or self._producer
        return await producer.send(topic, copy.value, key=copy.key, headers=copy.headers, partition=partition)

    async def _restore_topics(self) -> None:
        """Create our topics again, in case somebody has deleted them by hand."""
        try:
            await self._admin.ensure(self._topics.worker_specs(self._sink_type))
        except TopicError as error:
            _log.error("topics.not_restored", error=str(error))


@dataclass(frozen=True, slots=True)
class _Copy:
    """A record for a retry or dead-letter topic."""

    key: bytes | None
    value: bytes
    headers: Headers


def _copy_of(dead_letter: DeadLetter) -> _Copy:
    record = dead_letter.record
    headers = dead_headers(
        record.headers,
        dead_letter.progress,
        origin=record.origin,
        reason=dead_letter.reason,
        code=dead_letter.code,
        detail=dead_letter.detail,
    )
    return _Copy(record.key, record.value, headers)


def _too_large(record: Record, progress: DeliveryProgress, topic: str, answer: NotAcked) -> DeadLetter:
    reason, detail = DeadReason.TOO_LARGE, f"{topic} does not accept it: {answer.text}: {_fix(topic)}"
    return DeadLetter(record, progress, reason, reason.code, detail)


def _fix(topic: str) -> str:
    return (
        f"set max.message.bytes of {topic} back to {MAX_COPY_BYTES}, and its cleanup.policy to delete: "
        "`eventstreams doctor` says which of them is wrong"
    )


def _place(topic: str, answer: Acked) -> str:
    return f"{topic}/{answer.partition}/{answer.offset}"
