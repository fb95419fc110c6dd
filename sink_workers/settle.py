"""Settling: an event that was not delivered is put on a retry or dead-letter topic, and the broker has said so.

Nothing here commits. A lane calls an event settled when these coroutines return, and they return only then;
while Kafka does not take the copy, the lane waits and says so.
"""

import asyncio
import random
from dataclasses import replace
from typing import Final

from eventstreams.errors import TopicError
from eventstreams.headers import Waybill, dead_headers, retry_headers
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.producer import Acked, AckedProducer
from eventstreams.kafka.records import Record
from eventstreams.reasons import DeadReason
from eventstreams.retry import RetryWheel, next_attempt_ms
from eventstreams.settings import Settings
from eventstreams.sinks import Rejected, RetryLater
from eventstreams.telemetry.logging import get_logger
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import Clock, to_ms
from eventstreams.topics import Topics
from sink_workers.attempt_entries import Rest
from sink_workers.attempt_log import AttemptLog
from sink_workers.inbound import Undeliverable

_REPEAT_S: Final = (0.1, 0.5, 2.0, 5.0)  # between writes that Kafka did not take; the last one repeats

_log = get_logger(__name__)


def failed(waybill: Waybill, outcome: RetryLater, *, began_ms: int) -> Waybill:
    """``waybill`` after a failed attempt that began at ``began_ms``."""
    return replace(
        waybill,
        attempt=waybill.attempt + 1,
        first_attempt_at_ms=waybill.first_attempt_at_ms or began_ms,
        last_reason=outcome.reason.value,
        last_code=outcome.reason.code,
        last_detail=outcome.detail,
        last_attempt_at_ms=began_ms,
        last_status=outcome.status,
        last_answer=outcome.answer,
    )


class Settler:
    """Writes the retries and dead letters of one sink type."""

    def __init__(
        self,
        settings: Settings,
        sink_type: str,
        *,
        producer: AckedProducer,
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
        self._admin = admin
        self._attempt_log = attempt_log
        self._metrics = metrics
        self._clock = clock

    async def retry(self, record: Record, waybill: Waybill, outcome: RetryLater, *, began_ms: int) -> Rest:
        """Have ``record`` tried again later, or at its deadline declared dead. ``began_ms``: of the failed attempt."""
        at_ms = next_attempt_ms(
            self._delays,
            attempt=waybill.attempt,
            now_ms=self._clock(),
            deadline_ms=waybill.deadline_ms,
            not_before_ms=None if outcome.not_before is None else to_ms(outcome.not_before),
            random=random.random,
        )
        waiting = failed(waybill, outcome, began_ms=began_ms)
        waiting = replace(waiting, not_before_ms=at_ms, origin=waybill.origin or record.origin)
        place = await self.wait_on(record, waiting)
        self._metrics.retries.labels(self._sink_type, outcome.reason.value).inc()
        return Rest(place, at_ms)

    async def wait_on(self, record: Record, waybill: Waybill) -> str:
        """Put ``record`` into the slot of the wheel that suits ``waybill.not_before_ms``; return its new place."""
        slot = self._wheel.slot(waybill.not_before_ms - self._clock())
        return await self._write(
            self._topics.retry(self._sink_type, slot.delay),
            record,
            retry_headers(record.headers, waybill),
            slot.partition,
        )

    async def reject(self, record: Record, waybill: Waybill, outcome: Rejected, *, began_ms: int) -> Rest:
        """Make a dead letter of ``record``, which its sink refuses for good."""
        made = replace(
            waybill,
            attempt=waybill.attempt + 1,
            first_attempt_at_ms=waybill.first_attempt_at_ms or began_ms,
            last_attempt_at_ms=began_ms,
            last_status=outcome.status,
            last_answer=outcome.answer,
        )
        return await self._bury(record, made, outcome.reason, outcome.detail)

    async def expire(self, record: Record, waybill: Waybill) -> None:
        """Make a dead letter of ``record``, whose deadline is over."""
        attempts = waybill.attempt - 1
        last = (
            f"{attempts} attempts; the last: {waybill.last_reason}: {waybill.last_detail}" if attempts else "no attempt"
        )
        code = waybill.last_code or DeadReason.EXPIRED.code
        rest = await self._bury(record, waybill, DeadReason.EXPIRED, last, code=code)
        self._attempt_log.died(record, waybill, DeadReason.EXPIRED, code=code, detail=last, rest=rest)

    async def discard(self, record: Record, waybill: Waybill | None, why: Undeliverable) -> None:
        """Make a dead letter of ``record``, which cannot be delivered to anybody."""
        rest = await self._bury(record, waybill, why.reason, why.detail)
        self._attempt_log.died(record, waybill, why.reason, code=why.reason.code, detail=why.detail, rest=rest)

    async def _bury(
        self, record: Record, waybill: Waybill | None, reason: DeadReason, detail: str, *, code: int | None = None
    ) -> Rest:
        headers = dead_headers(
            record.headers, waybill, origin=record.origin, reason=reason, code=code or reason.code, detail=detail
        )
        place = await self._write(self._topics.dead(self._sink_type), record, headers, -1)
        self._metrics.dead_letters.labels(self._sink_type, reason.value).inc()
        _log.debug("event.died", origin=record.origin, reason=reason.value, detail=detail)
        return Rest(place)

    async def _write(self, topic: str, record: Record, headers: list[tuple[str, bytes]], partition: int) -> str:
        """Return the place of the copy once the broker has it."""
        failures = 0
        while True:
            answer = await self._producer.send(
                topic, record.value, key=record.key, headers=headers, partition=partition
            )
            if isinstance(answer, Acked):
                return f"{topic}/{answer.partition}/{answer.offset}"
            self._metrics.settle_failures.labels(self._sink_type).inc()
            _log.error(
                "settlement.failed", topic=topic, error=answer.text, follows="its lane waits; nothing is committed"
            )
            await self._restore_topics()
            await asyncio.sleep(_REPEAT_S[min(failures, len(_REPEAT_S) - 1)])
            failures += 1

    async def _restore_topics(self) -> None:
        """Make our topics again if somebody removed them by hand."""
        try:
            await self._admin.ensure(self._topics.worker_specs(self._sink_type))
        except TopicError as error:
            _log.error("topics.not_restored", error=str(error))
