"""Reads, attempts and settles a batch of records. The heart of the worker: all of its policy is here.

read ─► may its sink be tried? ─► one attempt ─► delivered, or copied to a retry or dead-letter topic: settled
          │  no: a record of a subscription topic waits here, a retry goes back to a retry topic
          └─ its deadline has passed, or its subscription is gone: dead letter, settled
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cache, partial
from typing import Final, assert_never

from eventstreams.codec import Codec
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import Subscription, SubscriptionState
from eventstreams.headers import DeliveryProgress
from eventstreams.kafka.records import Record
from eventstreams.sinks import Delivered, DeliveryOutcome, Rejected, RetryLater
from eventstreams.telemetry.logging import get_logger
from eventstreams.telemetry.metrics import Metrics
from eventstreams.telemetry.tracing import Tracing
from eventstreams.time_limits import Watch
from eventstreams.times import Clock, to_ms
from sink_workers.delivery.attempt import attempt, outcome_label
from sink_workers.delivery.attempt_entries import Rest
from sink_workers.delivery.attempt_log import AttemptLog
from sink_workers.delivery.pending import (
    CompletedAttempt,
    PendingDelivery,
    again,
    are_current,
    are_delivered,
    by_subscription,
    first_batch,
    is_untold,
    stays_together,
    was_last,
)
from sink_workers.delivery.record_reader import GONE, RecordReader
from sink_workers.delivery.settle import DeadLetter, Settler, discarded, used_up
from sink_workers.delivery.sink_pool import OpenSink, SinkPool
from sink_workers.delivery.traces import trace
from sink_workers.gates.gate import Gate
from sink_workers.gates.gates import Gates, steady_ms
from sink_workers.lanes.handler import LaneHandle
from sink_workers.notices import FailureNotices

_SOON_MS: Final = 1_000  # the histogram's first bucket that an alert or a page looks at

_log = get_logger(__name__)


class Delivery:
    """Delivers the records of subscription and retry topics to their sinks."""

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
        tracing: Tracing | None = None,
    ) -> None:
        self._reader = RecordReader(feed=feed, codec=codec, pool=pool, settler=settler, notices=notices, clock=clock)
        self._tracing = tracing
        self._pool = pool
        self._gates = gates
        self._settler = settler
        self._notices = notices
        self._attempt_log = attempt_log
        self._clock = clock
        self._watch = Watch()
        # Looked up once: doing so for each event would cost as much as encoding its JSON.
        self._in_flight = 0
        metrics.in_flight.labels(sink_type).set_function(lambda: float(self._in_flight))
        self._attempt_seconds = metrics.attempt_seconds.labels(sink_type)
        self._straight_seconds = metrics.delivery_seconds.labels(sink_type, "straight")
        self._detour_seconds = metrics.delivery_seconds.labels(sink_type, "detour")
        self._attempts = cache(partial(metrics.attempts.labels, sink_type))
        self._is_verbose = logging.getLogger(__name__).isEnabledFor(logging.DEBUG)

    async def handle(self, records: Sequence[Record], lane: LaneHandle, *, waits: bool) -> None:
        """Settle ``records`` in order, subscription by subscription, and report each to ``lane`` once it is settled.

        Args:
            records: From one partition.
            lane: Once it is stopped, records that are waiting are left unsettled.
            waits: Whether a record may wait here for its sink. If not, it goes back to a retry topic instead.
        """
        only = self._reader.read_one(records)
        for deliveries in (only,) if only else by_subscription(await self._reader.read_all(records, lane)):
            left = deliveries
            while left and not lane.stopped.done():
                left = await self._go_on(left, lane, waits=waits)

    # -- attempting --------------------------------------------------------------------------------------------

    async def _go_on(
        self, deliveries: Sequence[PendingDelivery], lane: LaneHandle, *, waits: bool
    ) -> Sequence[PendingDelivery]:
        """Take one step with ``deliveries``, all of one subscription; return those not yet settled, in order."""
        subscription = self._reader.known(deliveries[0].progress.subscription_sid)
        if subscription is None or subscription.state is not SubscriptionState.ACTIVE:
            await self._reader.write_dead_letters(
                [discarded(each.record, each.progress, GONE) for each in deliveries], lane
            )
            return ()
        if not are_current(deliveries, subscription, self._clock()):
            deliveries = await self._reader.still_wanted(deliveries, subscription, lane)
            if not deliveries:
                return ()
        gate = self._gates.of(subscription.sink_sid)
        batch = first_batch(deliveries, self._pool.capabilities(subscription.sink_sid))
        if not waits:
            if subscription.paused or not gate.try_enter_for_retry(len(batch)):
                await self._send_back(deliveries, gate, lane, paused=subscription.paused)
                return ()
        elif subscription.paused or not gate.try_enter(len(batch)):
            within_ms = min(delivery.progress.deadline_ms for delivery in deliveries) - self._clock()
            if subscription.paused:
                await gate.wait(within_ms=within_ms, stopped=lane.stopped)
                return deliveries
            if not await gate.enter(len(batch), within_ms=within_ms, stopped=lane.stopped):
                return deliveries
        left = await self._through(gate, subscription, batch, lane, waits=waits)
        return (*left, *deliveries[len(batch) :]) if len(batch) < len(deliveries) else left

    async def _send_back(
        self, deliveries: Sequence[PendingDelivery], gate: Gate, lane: LaneHandle, *, paused: bool
    ) -> None:
        now_ms = self._clock()
        later: list[tuple[Record, DeliveryProgress]] = []
        for delivery in deliveries:
            progress = delivery.progress
            held_ms = max(now_ms - (progress.last_attempt_at_ms or progress.accepted_at_ms), 0)
            at_ms = min(now_ms + gate.look_again_ms(paused=paused, held_ms=held_ms), progress.deadline_ms)
            origin = progress.origin or delivery.record.origin
            later.append((delivery.record, progress._replace(not_before_ms=at_ms, origin=origin)))
        await self._reader.wait_on_all(later, lane)

    async def _through(
        self, gate: Gate, subscription: Subscription, batch: Sequence[PendingDelivery], lane: LaneHandle, *, waits: bool
    ) -> Sequence[PendingDelivery]:
        """Make one attempt, for which ``gate`` was entered; return those that are to be attempted again from here."""
        passed, straight = steady_ms(), gate.is_straight()
        outcomes: Sequence[DeliveryOutcome] = ()
        opened: OpenSink | RetryLater | None = None
        try:
            opened = self._pool.take_open(subscription.sink_sid) or await self._pool.take(subscription.sink_sid)
            began_ms = self._clock()
            if isinstance(opened, RetryLater):
                outcomes = [opened] * len(batch)
            else:
                gate.set_ceiling(opened.capabilities.max_in_flight)
                if not are_current(batch, subscription, began_ms):
                    return batch  # opening the sink took so long
                if gate.is_broken():
                    with lane.probing():
                        outcomes = await self._attempt(opened, batch)
                else:
                    outcomes = await self._attempt(opened, batch)
        finally:
            if isinstance(opened, OpenSink):
                self._pool.give_back(opened)
            if not outcomes:
                gate.leave_untried(is_retry=not waits)
        delivered = are_delivered(outcomes)
        pause_ms = 0 if isinstance(opened, RetryLater) else int(opened.capabilities.pause_s * 1000)
        wait_ms = pause_ms if delivered else max(self._wait_ms(outcomes), pause_ms)
        gate.leave(outcomes, began_ms=passed, wait_ms=wait_ms, is_retry=not waits)
        made = CompletedAttempt(subscription, began_ms, self._clock() - began_ms, straight)
        if self._tracing is not None:
            trace(self._tracing, batch, outcomes, made)
        if delivered:
            self._settle_delivered(batch, outcomes, lane, made)
            return ()
        for delivery, outcome in zip(batch, outcomes, strict=True):
            self._observe(delivery, outcome, made)
        return await self._settle_all(gate, opened, batch, outcomes, lane, made, waits=waits)

    async def _attempt(self, opened: OpenSink, batch: Sequence[PendingDelivery]) -> Sequence[DeliveryOutcome]:
        began = time.perf_counter()
        self._in_flight += len(batch)
        try:
            events = [delivery.event for delivery in batch]
            limit_s = opened.capabilities.timeout_s
            return await attempt(opened.sink, events, timeout_s=limit_s, watch=self._watch, secrets=opened.secrets)
        finally:
            self._in_flight -= len(batch)
            self._attempt_seconds.observe(time.perf_counter() - began)

    def _wait_ms(self, outcomes: Sequence[DeliveryOutcome]) -> int:
        asked = [outcome.not_before for outcome in outcomes if isinstance(outcome, RetryLater) and outcome.not_before]
        return max((to_ms(at) - self._clock() for at in asked), default=0)

    # -- settling ----------------------------------------------------------------------------------------------

    def _settle_delivered(
        self,
        batch: Sequence[PendingDelivery],
        outcomes: Sequence[DeliveryOutcome],
        lane: LaneHandle,
        made: CompletedAttempt,
    ) -> None:
        """Settle ``batch``, all of which was delivered; metrics and notices are updated once for the whole batch."""
        label, reason = outcome_label(outcomes[0])
        self._attempts(label, reason).inc(len(batch))
        self._notices.settled(made.subscription.sink_sid, made.subscription.sid, batch[0].event.type, outcomes[0])
        for delivery, outcome in zip(batch, outcomes, strict=True):
            self._observe_age(delivery, made)
            self._record(delivery, outcome, made, None)
            lane.settled(delivery.record)
            if self._is_verbose:  # building a log line that nobody sees costs as much as encoding the JSON
                self._say(delivery, outcome, made)

    async def _settle_all(
        self,
        gate: Gate,
        opened: OpenSink | RetryLater,
        batch: Sequence[PendingDelivery],
        outcomes: Sequence[DeliveryOutcome],
        lane: LaneHandle,
        made: CompletedAttempt,
        *,
        waits: bool,
    ) -> Sequence[PendingDelivery]:
        """Settle ``batch``, not all of which was delivered; return those that are to be attempted again from here."""
        together = waits and stays_together(opened, batch, made.subscription)
        holder = gate if together or (waits and gate.is_holding()) else None
        # A broken sink is probed with the events that wait for it. One event that a plugin cannot handle must not be
        # that probe forever: so the batch is halved, and an event that fails alone goes to a retry topic.
        untold = waits and gate.is_broken() and is_untold(outcomes)
        if untold and len(batch) == 1:
            holder = None
        steps = [
            self._settle(delivery, outcome, lane, made, holder)
            for delivery, outcome in zip(batch, outcomes, strict=True)
        ]
        # The sink has answered, so the next attempt need not wait until Kafka has as well, unless some of these events
        # are tried again from here: they stay ahead of the next.
        with lane.aside() if holder is None else nullcontext():
            settled = await asyncio.gather(*steps) if len(steps) > 1 else [await steps[0]]
        left = [delivery for delivery in settled if delivery is not None]
        if left and together and not gate.is_holding():
            await gate.wait(within_ms=gate.look_again_ms(paused=False), stopped=lane.stopped)
        return [delivery._replace(most=max(len(batch) // 2, 1)) for delivery in left] if untold else left

    async def _settle(
        self,
        delivery: PendingDelivery,
        outcome: DeliveryOutcome,
        lane: LaneHandle,
        made: CompletedAttempt,
        holder: Gate | None,
    ) -> PendingDelivery | None:
        """Settle ``delivery``, or return it as it is to be attempted next if it waits for ``holder`` to open."""
        rest: Rest | None = None
        match outcome:
            case Delivered():
                pass
            case RetryLater():
                if was_last(made.subscription, delivery.progress, outcome):
                    dead_letter = used_up(delivery.record, delivery.progress, outcome, began_ms=made.began_ms)
                    self._record(delivery, outcome, made, None)  # so that the attempt is logged before the dead letter
                    await self._reader.write_dead_letters([dead_letter], lane)
                    return None
                if holder is not None and outcome.not_before is None:
                    next_ms = self._clock() + holder.look_again_ms(paused=False)
                    self._record(delivery, outcome, made, Rest(delivery.record.origin, next_ms))
                    return again(delivery, outcome, made.began_ms)
                found = await self._settler.retry(
                    delivery.record,
                    delivery.progress,
                    outcome,
                    began_ms=made.began_ms,
                    delays=made.subscription.retry_delays,
                )
                if isinstance(found, DeadLetter):
                    self._record(delivery, outcome, made, None)
                    await self._reader.write_dead_letters([found], lane)
                    return None
                rest = found
            case Rejected():
                rest = await self._settler.reject(delivery.record, delivery.progress, outcome, began_ms=made.began_ms)
            case _:
                assert_never(outcome)
        self._record(delivery, outcome, made, rest)
        lane.settled(delivery.record)
        return None

    def _observe(self, delivery: PendingDelivery, outcome: DeliveryOutcome, made: CompletedAttempt) -> None:
        """Report the attempt to metrics, notices and the process's log. Never waits, and nothing depends on it."""
        label, reason = outcome_label(outcome)
        self._attempts(label, reason).inc()
        self._notices.settled(made.subscription.sink_sid, made.subscription.sid, delivery.event.type, outcome)
        is_delivered = isinstance(outcome, Delivered)
        if is_delivered:
            self._observe_age(delivery, made)
        if self._is_verbose or not is_delivered:
            self._say(delivery, outcome, made)

    def _observe_age(self, delivery: PendingDelivery, made: CompletedAttempt) -> None:
        age_ms = made.began_ms + made.duration_ms - delivery.progress.accepted_at_ms
        straight = made.straight and delivery.progress.attempt == 1 and not (age_ms > _SOON_MS and delivery.is_again)
        (self._straight_seconds if straight else self._detour_seconds).observe(age_ms / 1000)

    def _say(self, delivery: PendingDelivery, outcome: DeliveryOutcome, made: CompletedAttempt) -> None:
        label, reason = outcome_label(outcome)
        log = _log.debug if isinstance(outcome, Delivered) else _log.info
        log(
            "delivery.attempted",
            event_id=delivery.event.id,
            subscription=made.subscription.sid,
            attempt=delivery.progress.attempt,
            outcome=label,
            reason=reason,
            duration_ms=made.duration_ms,
        )

    def _record(
        self, delivery: PendingDelivery, outcome: DeliveryOutcome, made: CompletedAttempt, rest: Rest | None
    ) -> None:
        """Write an entry for the delivery log: the attempt, and where the event is now."""
        self._attempt_log.attempted(
            delivery.record,
            delivery.progress,
            delivery.event,
            outcome,
            account_sid=made.subscription.account_sid,
            sink_sid=made.subscription.sink_sid,
            began_ms=made.began_ms,
            duration_ms=made.duration_ms,
            rest=rest,
        )
