"""What happens to a batch of records: read, attempted once, settled. The heart of the worker, and its only policy."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from eventstreams.codec import Codec
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import Subscription, SubscriptionState
from eventstreams.headers import Waybill
from eventstreams.kafka.records import Record
from eventstreams.reasons import DeadReason
from eventstreams.sinks import Capabilities, Delivered, DeliveryOutcome, OutboundEvent, Rejected, RetryLater
from eventstreams.telemetry.logging import get_logger
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import Clock
from sink_workers.attempt import attempt, outcome_label
from sink_workers.attempt_entries import Rest
from sink_workers.attempt_log import AttemptLog
from sink_workers.inbound import Undeliverable, read_event, read_waybill
from sink_workers.settle import Settler
from sink_workers.sinks import OpenSink, SinkPool

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parcel:
    """One record on its way through an attempt."""

    record: Record
    waybill: Waybill
    sink_sid: str
    event: OutboundEvent


class Delivery:
    """Takes records of subscription and retry topics to their sinks."""

    def __init__(
        self,
        sink_type: str,
        *,
        feed: ControlFeed,
        codec: Codec,
        pool: SinkPool,
        settler: Settler,
        attempt_log: AttemptLog,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._sink_type = sink_type
        self._feed = feed
        self._codec = codec
        self._pool = pool
        self._settler = settler
        self._attempt_log = attempt_log
        self._metrics = metrics
        self._clock = clock

    async def handle(self, records: Sequence[Record]) -> None:
        """Settle every one of ``records``; return when the last is."""
        by_sink: dict[str, list[Parcel]] = {}
        for record in records:
            match await self._open(record):
                case Parcel() as parcel:
                    by_sink.setdefault(parcel.sink_sid, []).append(parcel)
                case None:
                    pass
        for sink_sid, parcels in by_sink.items():
            await self._deliver(sink_sid, parcels)

    async def _open(self, record: Record) -> Parcel | None:
        """The parcel in ``record``; None where it is settled already, without an attempt."""
        waybill = read_waybill(record)
        if isinstance(waybill, Undeliverable):
            await self._settler.discard(record, None, waybill)
            return None
        subscription = await self._subscription(waybill.subscription_sid)
        if subscription is None:
            gone = Undeliverable(
                DeadReason.SUBSCRIPTION_DELETED, "its subscription was deleted before it was delivered"
            )
            await self._settler.discard(record, waybill, gone)
            return None
        if waybill.not_before_ms > self._clock():
            await self._settler.wait_on(record, waybill)
            return None
        event = read_event(record, waybill, subscription, self._codec)
        if isinstance(event, Undeliverable):
            await self._settler.discard(record, waybill, event)
            return None
        return Parcel(record, waybill, subscription.sink_sid, event)

    async def _subscription(self, sid: str) -> Subscription | None:
        found = self._feed.snapshot.subscriptions.get(sid)
        if found is None:  # it may be newer than our snapshot
            await self._feed.catch_up()
            found = self._feed.snapshot.subscriptions.get(sid)
        return found if found is not None and found.state is SubscriptionState.ACTIVE else None

    async def _deliver(self, sink_sid: str, parcels: Sequence[Parcel]) -> None:
        async with self._pool.lease(sink_sid) as opened:
            if isinstance(opened, RetryLater):
                now_ms = self._clock()
                for parcel in parcels:
                    await self._settle(parcel, opened, began_ms=now_ms)
                return
            for batch in _batches(parcels, opened.capabilities):
                await self._attempt(opened, batch)

    async def _attempt(self, opened: OpenSink, parcels: Sequence[Parcel]) -> None:
        began_ms, began = self._clock(), time.perf_counter()
        batch = [parcel for parcel in parcels if parcel.waybill.deadline_ms > began_ms]
        if len(batch) < len(parcels):
            for parcel in parcels:
                if parcel.waybill.deadline_ms <= began_ms:
                    await self._settler.expire(parcel.record, parcel.waybill)
        if not batch:
            return
        in_flight = self._metrics.in_flight.labels(self._sink_type)
        in_flight.inc(len(batch))
        try:
            events = [parcel.event for parcel in batch]
            outcomes = await attempt(opened.sink, events, timeout_s=opened.capabilities.timeout_s)
        finally:
            in_flight.dec(len(batch))
        self._metrics.attempt_seconds.labels(self._sink_type).observe(time.perf_counter() - began)
        for parcel, outcome in zip(batch, outcomes, strict=True):
            await self._settle(parcel, outcome, began_ms=began_ms)

    async def _settle(self, parcel: Parcel, outcome: DeliveryOutcome, *, began_ms: int) -> None:
        label, reason = outcome_label(outcome)
        self._metrics.attempts.labels(self._sink_type, label, reason).inc()
        duration_ms = self._clock() - began_ms
        log = _log.debug if isinstance(outcome, Delivered) else _log.info
        log(
            "delivery.attempted",
            event_id=parcel.event.id,
            subscription=parcel.waybill.subscription_sid,
            attempt=parcel.waybill.attempt,
            outcome=label,
            reason=reason,
            duration_ms=duration_ms,
        )
        rest: Rest | None = None
        match outcome:
            case Delivered():
                age_ms = self._clock() - parcel.waybill.accepted_at_ms
                self._metrics.delivery_seconds.labels(self._sink_type).observe(age_ms / 1000)
            case RetryLater():
                rest = await self._settler.retry(parcel.record, parcel.waybill, outcome, began_ms=began_ms)
            case Rejected():
                rest = await self._settler.reject(parcel.record, parcel.waybill, outcome, began_ms=began_ms)
            case _:
                assert_never(outcome)
        self._attempt_log.attempted(
            parcel.record,
            parcel.waybill,
            parcel.event,
            outcome,
            sink_sid=parcel.sink_sid,
            began_ms=began_ms,
            duration_ms=duration_ms,
            rest=rest,
        )


def _batches(parcels: Sequence[Parcel], capabilities: Capabilities) -> Iterable[Sequence[Parcel]]:
    """``parcels`` in order, cut so that each batch keeps to ``capabilities``; an event too large goes alone."""
    batch: list[Parcel] = []
    size = 0
    for parcel in parcels:
        added = len(parcel.event.json()) if capabilities.max_batch_events > 1 else 0
        if batch and (len(batch) == capabilities.max_batch_events or size + added > capabilities.max_batch_bytes):
            yield batch
            batch, size = [], 0
        batch.append(parcel)
        size += added
    if batch:
        yield batch
