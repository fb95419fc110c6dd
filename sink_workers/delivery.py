"""What happens to a batch of records: read, attempted, settled. The heart of the worker, and its only policy.

read ─► may its sink be tried? ─► one attempt ─► delivered, or on a retry or dead-letter topic: settled
          │  no: a subscription's record waits here, a retry goes back to its topic
          └─ its deadline is over, or its subscription gone: dead letter, settled
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import assert_never

from eventstreams.codec import Codec
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import SubscribedType, Subscription, SubscriptionState
from eventstreams.headers import TYPE, Waybill
from eventstreams.kafka.records import Record
from eventstreams.reasons import DeadReason, RetryReason
from eventstreams.sink_tests import as_subscription
from eventstreams.sinks import Capabilities, Delivered, DeliveryOutcome, OutboundEvent, Rejected, RetryLater
from eventstreams.telemetry.logging import get_logger
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import Clock, to_ms
from sink_workers.attempt import attempt, outcome_label
from sink_workers.attempt_entries import Rest
from sink_workers.attempt_log import AttemptLog
from sink_workers.gate import Gate
from sink_workers.gates import Gates, steady_ms
from sink_workers.inbound import Undeliverable, read_event, read_waybill
from sink_workers.lane import Turn
from sink_workers.notices import FailureNotices
from sink_workers.settle import Death, Settler, discarded, expired, failed, used_up
from sink_workers.sinks import OpenSink, SinkPool

_GONE = Undeliverable(
    DeadReason.SUBSCRIPTION_DELETED, "its subscription, or of a test its sink, was deleted before it was delivered"
)

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parcel:
    """One record on its way through its attempts. ``event`` is as ``types``, of its subscription, asked for it."""

    record: Record
    waybill: Waybill
    event: OutboundEvent
    types: tuple[SubscribedType, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """An attempt that was made: for whom, when it began, how long it took."""

    subscription: Subscription
    began_ms: int
    duration_ms: int


class Delivery:
    """Takes records of subscription and retry topics to their sinks."""

    def __init__(
        self,
        sink_type: str,
        *,
        feed: ControlFeed,
        codec: Codec,
        pool: SinkPool,
        gates: Gates,
        settler: Settler,
        notices: FailureNotices,
        attempt_log: AttemptLog,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._feed = feed
        self._codec = codec
        self._pool = pool
        self._gates = gates
        self._settler = settler
        self._notices = notices
        self._attempt_log = attempt_log
        self._clock = clock
        # Looked up once: for each event it would cost as much as its JSON.
        self._in_flight = metrics.in_flight.labels(sink_type)
        self._attempt_seconds = metrics.attempt_seconds.labels(sink_type)
        self._delivery_seconds = metrics.delivery_seconds.labels(sink_type)
        self._attempts = cache(partial(metrics.attempts.labels, sink_type))
        self._is_verbose = logging.getLogger(__name__).isEnabledFor(logging.DEBUG)

    async def handle(self, records: Sequence[Record], turn: Turn, *, waits: bool) -> None:
        """Settle ``records``, all of one subscription, in order; tell ``turn`` of each.

        Args:
            records: Of one partition.
            turn: Once it is stopped, what waits is left unsettled.
            waits: Whether a record may wait here for its sink. If not, it goes back to a retry topic instead.
        """
        parcels = await self._open_all(records, turn)
        while parcels and not turn.stopped.done():
            parcels = await self._go_on(parcels, turn, waits=waits)

    # -- reading -----------------------------------------------------------------------------------------------

    async def _open_all(self, records: Sequence[Record], turn: Turn) -> Sequence[Parcel]:
        """The parcels in ``records``, in order. What needs no attempt is settled; a task for each would cost more."""
        opened = [(record, dict(record.headers)) for record in records]
        waybills = [read_waybill(headers) for _, headers in opened]
        await self._know_all(waybills)
        parcels: list[Parcel] = []
        deaths: list[Death] = []
        early: list[tuple[Record, Waybill]] = []
        for (record, headers), waybill in zip(opened, waybills, strict=True):
            found = self._open(record, headers, waybill)
            if isinstance(found, Parcel):
                parcels.append(found)
            elif isinstance(found, Death):
                deaths.append(found)
            else:
                early.append((record, found))
        await self._bury_all(deaths, turn)
        await self._wait_on_all(early, turn)
        return parcels

    async def _know_all(self, waybills: Iterable[Waybill | Undeliverable]) -> None:
        """Catch up with the control topic where a subscription is newer than our snapshot."""
        snapshot = self._feed.snapshot
        sids = {waybill.subscription_sid for waybill in waybills if isinstance(waybill, Waybill)}
        if any(sid not in snapshot.subscriptions and sid not in snapshot.sinks for sid in sids):
            await self._feed.catch_up()

    def _open(
        self, record: Record, headers: Mapping[str, bytes], waybill: Waybill | Undeliverable
    ) -> Parcel | Death | Waybill:
        """The parcel in ``record``, its death, or, where it is too early for an attempt, its waybill."""
        if isinstance(waybill, Undeliverable):
            return discarded(record, None, waybill)
        subscription = self._active(waybill.subscription_sid)
        if subscription is None:
            return discarded(record, waybill, _GONE)
        now_ms = self._clock()
        if waybill.deadline_ms <= now_ms:
            return self._expired(record, waybill, subscription)
        if waybill.not_before_ms > now_ms:
            return waybill
        event = read_event(headers, record.value, waybill, subscription, self._codec)
        if isinstance(event, Undeliverable):
            return discarded(record, waybill, event)
        return Parcel(record, waybill, event, subscription.types)

    async def _bury_all(self, deaths: Sequence[Death], turn: Turn) -> None:
        if deaths:
            await self._settler.bury_all(deaths)
            for death in deaths:
                turn.settled(death.record)

    async def _wait_on_all(self, records: Sequence[tuple[Record, Waybill]], turn: Turn) -> None:
        """Put ``records`` back onto retry topics, side by side."""

        async def wait_on(record: Record, waybill: Waybill) -> None:
            await self._settler.wait_on(record, waybill)
            turn.settled(record)

        await asyncio.gather(*(wait_on(*each) for each in records))

    def _active(self, sid: str) -> Subscription | None:
        found = self._feed.snapshot.subscriptions.get(sid)
        if found is not None:
            return found if found.state is SubscriptionState.ACTIVE else None
        tested = self._feed.snapshot.sinks.get(sid)
        return None if tested is None else as_subscription(tested)

    # -- attempting --------------------------------------------------------------------------------------------

    async def _go_on(self, parcels: Sequence[Parcel], turn: Turn, *, waits: bool) -> Sequence[Parcel]:
        """One step for ``parcels``; those that are not settled after it, in order."""
        subscription = self._active(parcels[0].waybill.subscription_sid)
        if subscription is None:
            await self._bury_all([discarded(each.record, each.waybill, _GONE) for each in parcels], turn)
            return ()
        parcels = await self._without_expired(parcels, subscription, turn)
        if any(parcel.types is not subscription.types for parcel in parcels):
            parcels = await self._as_wanted_now(parcels, subscription, turn)
        if not parcels:
            return ()
        gate = self._gates.of(subscription.sink_sid)
        batch = _first_batch(parcels, self._pool.capabilities(subscription.sink_sid))
        if waits:
            within_ms = min(parcel.waybill.deadline_ms for parcel in parcels) - self._clock()
            if subscription.paused:
                await gate.wait(within_ms=within_ms, stopped=turn.stopped)
                return parcels
            if not await gate.enter(len(batch), within_ms=within_ms, stopped=turn.stopped):
                return parcels
        elif subscription.paused or not gate.try_enter_for_retry(len(batch)):
            await self._send_back(parcels, gate, turn, paused=subscription.paused)
            return ()
        left = await self._through(gate, subscription, batch, turn, waits=waits)
        return (*left, *parcels[len(batch) :])

    async def _without_expired(
        self, parcels: Sequence[Parcel], subscription: Subscription, turn: Turn
    ) -> Sequence[Parcel]:
        now_ms = self._clock()
        alive = [parcel for parcel in parcels if parcel.waybill.deadline_ms > now_ms]
        if len(alive) < len(parcels):
            over = [parcel for parcel in parcels if parcel.waybill.deadline_ms <= now_ms]
            await self._bury_all([self._expired(each.record, each.waybill, subscription) for each in over], turn)
        return alive

    async def _as_wanted_now(
        self, parcels: Sequence[Parcel], subscription: Subscription, turn: Turn
    ) -> Sequence[Parcel]:
        """``parcels`` in the schema versions that ``subscription`` asks for since it was changed."""
        wanted: list[Parcel] = []
        deaths: list[Death] = []
        for parcel in parcels:
            if parcel.types is subscription.types:
                wanted.append(parcel)
                continue
            record = parcel.record
            event = read_event(dict(record.headers), record.value, parcel.waybill, subscription, self._codec)
            if isinstance(event, Undeliverable):
                deaths.append(discarded(record, parcel.waybill, event))
            else:
                wanted.append(replace(parcel, event=event, types=subscription.types))
        await self._bury_all(deaths, turn)
        return wanted

    def _expired(self, record: Record, waybill: Waybill, subscription: Subscription) -> Death:
        event_type = dict(record.headers).get(TYPE, b"").decode(errors="replace")
        self._notices.expired(subscription.sink_sid, waybill, event_type)
        return expired(record, waybill)

    async def _send_back(self, parcels: Sequence[Parcel], gate: Gate, turn: Turn, *, paused: bool) -> None:
        again_ms = self._clock() + gate.look_again_ms(paused=paused)
        later: list[tuple[Record, Waybill]] = []
        for parcel in parcels:
            at_ms, origin = min(again_ms, parcel.waybill.deadline_ms), parcel.waybill.origin or parcel.record.origin
            later.append((parcel.record, replace(parcel.waybill, not_before_ms=at_ms, origin=origin)))
        await self._wait_on_all(later, turn)

    async def _through(
        self, gate: Gate, subscription: Subscription, batch: Sequence[Parcel], turn: Turn, *, waits: bool
    ) -> Sequence[Parcel]:
        """One attempt, for which ``gate`` was entered; those that are to be attempted again, from here."""
        passed = steady_ms()
        outcomes: Sequence[DeliveryOutcome] = ()
        began_ms = self._clock()
        try:
            async with self._pool.lease(subscription.sink_sid) as opened:
                began_ms = self._clock()
                if isinstance(opened, RetryLater):
                    outcomes = [opened] * len(batch)
                else:
                    gate.set_ceiling(opened.capabilities.max_in_flight)
                    if any(parcel.waybill.deadline_ms <= began_ms for parcel in batch):
                        return batch  # to open the sink took that long
                    outcomes = await self._attempt(opened, batch)
        finally:
            if outcomes:
                gate.leave(outcomes, began_ms=passed, wait_ms=self._wait_ms(outcomes))
            else:
                gate.leave_untried()
        made = Made(subscription, began_ms, self._clock() - began_ms)
        for parcel, outcome in zip(batch, outcomes, strict=True):
            self._observe(parcel, outcome, made)
        if all(isinstance(outcome, Delivered) for outcome in outcomes):
            for parcel, outcome in zip(batch, outcomes, strict=True):
                self._record(parcel, outcome, made, None)
                turn.settled(parcel.record)
            return ()
        holder = gate if waits and gate.is_holding() else None
        steps = [
            self._settle(parcel, outcome, turn, made, holder) for parcel, outcome in zip(batch, outcomes, strict=True)
        ]
        left = await asyncio.gather(*steps) if len(steps) > 1 else [await steps[0]]
        return [parcel for parcel in left if parcel is not None]

    async def _attempt(self, opened: OpenSink, batch: Sequence[Parcel]) -> Sequence[DeliveryOutcome]:
        began = time.perf_counter()
        self._in_flight.inc(len(batch))
        try:
            events = [parcel.event for parcel in batch]
            return await attempt(opened.sink, events, timeout_s=opened.capabilities.timeout_s)
        finally:
            self._in_flight.dec(len(batch))
            self._attempt_seconds.observe(time.perf_counter() - began)

    def _wait_ms(self, outcomes: Sequence[DeliveryOutcome]) -> int:
        asked = [outcome.not_before for outcome in outcomes if isinstance(outcome, RetryLater) and outcome.not_before]
        return max((to_ms(at) - self._clock() for at in asked), default=0)

    # -- settling ----------------------------------------------------------------------------------------------

    async def _settle(
        self, parcel: Parcel, outcome: DeliveryOutcome, turn: Turn, made: Made, holder: Gate | None
    ) -> Parcel | None:
        """Settle ``parcel``; or return it as it is to be attempted next, where it waits here for ``holder`` to open."""
        rest: Rest | None = None
        match outcome:
            case Delivered():
                pass
            case RetryLater():
                if _was_last(made.subscription, parcel.waybill, outcome):
                    death = used_up(parcel.record, parcel.waybill, outcome, began_ms=made.began_ms)
                    self._record(parcel, outcome, made, None)  # the log is told of the death after the attempt
                    await self._bury_all([death], turn)
                    return None
                if holder is not None and outcome.not_before is None:
                    next_ms = self._clock() + holder.look_again_ms(paused=False)
                    self._record(parcel, outcome, made, Rest(parcel.record.origin, next_ms))
                    return _again(parcel, outcome, made.began_ms)
                rest = await self._settler.retry(
                    parcel.record,
                    parcel.waybill,
                    outcome,
                    began_ms=made.began_ms,
                    delays=made.subscription.retry_delays,
                )
            case Rejected():
                rest = await self._settler.reject(parcel.record, parcel.waybill, outcome, began_ms=made.began_ms)
            case _:
                assert_never(outcome)
        self._record(parcel, outcome, made, rest)
        turn.settled(parcel.record)
        return None

    def _observe(self, parcel: Parcel, outcome: DeliveryOutcome, made: Made) -> None:
        """Tell whoever keeps count of the attempt. Nobody here waits, and nothing depends on them."""
        label, reason = outcome_label(outcome)
        self._attempts(label, reason).inc()
        self._notices.settled(made.subscription.sink_sid, made.subscription.sid, parcel.event.type, outcome)
        if isinstance(outcome, Delivered):
            age_ms = made.began_ms + made.duration_ms - parcel.waybill.accepted_at_ms
            self._delivery_seconds.observe(age_ms / 1000)
            if not self._is_verbose:
                return  # to build a line that nobody sees costs as much as the JSON
        log = _log.debug if isinstance(outcome, Delivered) else _log.info
        log(
            "delivery.attempted",
            event_id=parcel.event.id,
            subscription=made.subscription.sid,
            attempt=parcel.waybill.attempt,
            outcome=label,
            reason=reason,
            duration_ms=made.duration_ms,
        )

    def _record(self, parcel: Parcel, outcome: DeliveryOutcome, made: Made, rest: Rest | None) -> None:
        """Have the delivery log told of the attempt, and where the event is now."""
        self._attempt_log.attempted(
            parcel.record,
            parcel.waybill,
            parcel.event,
            outcome,
            account_sid=made.subscription.account_sid,
            sink_sid=made.subscription.sink_sid,
            began_ms=made.began_ms,
            duration_ms=made.duration_ms,
            rest=rest,
        )


def _was_last(subscription: Subscription, waybill: Waybill, outcome: RetryLater) -> bool:
    """Whether the attempt that ended with ``outcome`` is the last that ``subscription`` asks for.

    Where the sink could not even be opened there was none, whatever its number.
    """
    most = subscription.max_attempts
    return most is not None and waybill.attempt >= most and outcome.reason is not RetryReason.SINK_UNUSABLE


def _again(parcel: Parcel, outcome: RetryLater, began_ms: int) -> Parcel:
    waybill = failed(parcel.waybill, outcome, began_ms=began_ms)
    parcel.event.attempt = waybill.attempt
    return replace(parcel, waybill=waybill)


def _first_batch(parcels: Sequence[Parcel], capabilities: Capabilities | None) -> Sequence[Parcel]:
    """As many of ``parcels``, from the first, as one delivery may carry; an event that is too large goes alone."""
    if capabilities is None or capabilities.max_batch_events == 1:
        return parcels[:1]
    size = 0
    for count, parcel in enumerate(parcels[: capabilities.max_batch_events]):
        size += len(parcel.event.json())
        if count and size > capabilities.max_batch_bytes:
            return parcels[:count]
    return parcels[: capabilities.max_batch_events]
