"""Turns records into pending deliveries, and settles those that need no attempt: expired, unreadable, too early."""

import asyncio
from collections.abc import Sequence
from typing import Final

from eventstreams.codec import Codec
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import Subscription, SubscriptionState
from eventstreams.control.sink_tests import as_subscription
from eventstreams.headers import REDRIVE, TYPE, DeliveryProgress
from eventstreams.kafka.records import Record
from eventstreams.reasons import DeadReason
from eventstreams.times import Clock
from sink_workers.delivery.inbound import Undeliverable, read_event, read_progress
from sink_workers.delivery.pending import PendingDelivery, takes_avro
from sink_workers.delivery.settle import DeadLetter, Settler, discarded, expired
from sink_workers.delivery.sink_pool import SinkPool
from sink_workers.lanes.handler import LaneHandle
from sink_workers.notices import FailureNotices

GONE: Final = Undeliverable(
    DeadReason.SUBSCRIPTION_DELETED, "its subscription (for a test event: its sink) was deleted before it was delivered"
)


class RecordReader:
    """Makes pending deliveries of records, and updates them when their subscription changes."""

    def __init__(
        self,
        *,
        feed: ControlFeed,
        codec: Codec,
        pool: SinkPool,
        settler: Settler,
        notices: FailureNotices,
        clock: Clock,
    ) -> None:
        self._feed = feed
        self._pool = pool
        self._codec = codec
        self._settler = settler
        self._notices = notices
        self._clock = clock

    def read_one(self, records: Sequence[Record]) -> Sequence[PendingDelivery]:
        """A fast path without a coroutine: the delivery of a single record.

        Empty if there are several records, or if this one needs anything else than an attempt: then use ``read_all``.
        """
        if len(records) > 1:
            return ()
        found = self._read(records[0], is_final=False)
        return (found,) if isinstance(found, PendingDelivery) else ()

    async def read_all(self, records: Sequence[Record], lane: LaneHandle) -> Sequence[PendingDelivery]:
        """The deliveries of ``records``, in order. Those that need no attempt are settled.

        A plain loop: a task for each record would cost more.
        """
        deliveries: list[PendingDelivery] = []
        dead_letters: list[DeadLetter] = []
        early: list[tuple[Record, DeliveryProgress]] = []
        is_caught_up = False
        for record in records:
            found = self._read(record, is_final=is_caught_up)
            if found is None:  # its subscription may be newer than our snapshot
                await self._feed.catch_up()
                is_caught_up, found = True, self._read(record, is_final=True)
            if isinstance(found, PendingDelivery):
                deliveries.append(found)
            elif isinstance(found, DeliveryProgress):
                early.append((record, found))
            elif found is not None:
                dead_letters.append(found)
                if found.reason is DeadReason.EXPIRED and found.progress is not None:
                    self._tell_expired(record, found.progress)
        if dead_letters:
            await self.write_dead_letters(dead_letters, lane)
        if early:
            await self.wait_on_all(early, lane)
        return deliveries

    def _read(self, record: Record, *, is_final: bool) -> PendingDelivery | DeadLetter | DeliveryProgress | None:
        """The delivery of ``record``, its dead letter, or, if it is too early for an attempt, its progress.

        If its subscription is unknown: None, or its dead letter if the snapshot ``is_final``.
        """
        headers = dict(record.headers)
        progress = read_progress(headers)
        if isinstance(progress, Undeliverable):
            return discarded(record, None, progress)
        subscription = self.known(progress.subscription_sid)
        if subscription is None and not is_final:
            return None
        if subscription is None or subscription.state is not SubscriptionState.ACTIVE:
            return discarded(record, progress, GONE)
        now_ms = self._clock()
        if progress.deadline_ms <= now_ms:
            return expired(record, progress)
        if progress.not_before_ms > now_ms:
            return progress
        as_avro = takes_avro(self._pool.capabilities(subscription.sink_sid))
        event = read_event(headers, record.value, progress, subscription, self._codec, as_avro=as_avro)
        if isinstance(event, Undeliverable):
            return discarded(record, progress, event)
        return PendingDelivery(record, progress, event, subscription.types, REDRIVE in headers)

    async def write_dead_letters(self, dead_letters: Sequence[DeadLetter], lane: LaneHandle) -> None:
        """Write ``dead_letters``, then report their records to ``lane`` as settled."""
        if dead_letters:
            await self._settler.write_dead_letters(dead_letters)
            for dead_letter in dead_letters:
                lane.settled(dead_letter.record)

    async def wait_on_all(self, records: Sequence[tuple[Record, DeliveryProgress]], lane: LaneHandle) -> None:
        """Put ``records`` back on retry topics, concurrently; those that the topics will never take become dead."""

        async def wait_on(record: Record, progress: DeliveryProgress) -> None:
            found = await self._settler.wait_on(record, progress)
            if isinstance(found, DeadLetter):
                await self.write_dead_letters([found], lane)
            else:
                lane.settled(record)

        await asyncio.gather(*(wait_on(*each) for each in records))

    def known(self, sid: str) -> Subscription | None:
        """The subscription whose records carry ``sid``, or the sink under test as a stand-in; None if unknown."""
        snapshot = self._feed.snapshot
        found = snapshot.subscriptions.get(sid)
        if found is None and (tested := snapshot.sinks.get(sid)) is not None:
            return as_subscription(tested)
        return found

    async def still_wanted(
        self, deliveries: Sequence[PendingDelivery], subscription: Subscription, lane: LaneHandle
    ) -> Sequence[PendingDelivery]:
        """Those of ``deliveries`` that have not expired, as ``subscription`` now wants them; the others are settled.

        Call it only if ``are_current`` says no: that check needs no coroutine.
        """
        alive = await self._without_expired(deliveries, lane)
        return await self._as_wanted_now(alive, subscription, lane)

    async def _without_expired(
        self, deliveries: Sequence[PendingDelivery], lane: LaneHandle
    ) -> Sequence[PendingDelivery]:
        now_ms = self._clock()
        alive = [delivery for delivery in deliveries if delivery.progress.deadline_ms > now_ms]
        if len(alive) < len(deliveries):
            over = [delivery for delivery in deliveries if delivery.progress.deadline_ms <= now_ms]
            for delivery in over:
                self._tell_expired(delivery.record, delivery.progress)
            await self.write_dead_letters([expired(each.record, each.progress) for each in over], lane)
        return alive

    async def _as_wanted_now(
        self, deliveries: Sequence[PendingDelivery], subscription: Subscription, lane: LaneHandle
    ) -> Sequence[PendingDelivery]:
        """``deliveries``, read again in the schema versions that ``subscription`` asks for since it changed."""
        wanted: list[PendingDelivery] = []
        dead_letters: list[DeadLetter] = []
        for delivery in deliveries:
            if delivery.types is subscription.types:
                wanted.append(delivery)
                continue
            record = delivery.record
            event = read_event(dict(record.headers), record.value, delivery.progress, subscription, self._codec)
            if isinstance(event, Undeliverable):
                dead_letters.append(discarded(record, delivery.progress, event))
            else:
                wanted.append(delivery._replace(event=event, types=subscription.types))
        await self.write_dead_letters(dead_letters, lane)
        return wanted

    def _tell_expired(self, record: Record, progress: DeliveryProgress) -> None:
        subscription = self.known(progress.subscription_sid)
        if subscription is not None:
            event_type = dict(record.headers).get(TYPE, b"").decode(errors="replace")
            self._notices.expired(subscription.sink_sid, progress, event_type)
