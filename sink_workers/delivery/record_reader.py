"""What a worker reads: parcels, for which their sink is to be tried, and what needs no attempt, which is settled."""

import asyncio
from collections.abc import Sequence
from typing import Final

from eventstreams.codec import Codec
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import Subscription, SubscriptionState
from eventstreams.control.sink_tests import as_subscription
from eventstreams.headers import REDRIVE, TYPE, Waybill
from eventstreams.kafka.records import Record
from eventstreams.reasons import DeadReason
from eventstreams.times import Clock
from sink_workers.delivery.inbound import Undeliverable, read_event, read_waybill
from sink_workers.delivery.pending import Parcel, are_current, takes_avro
from sink_workers.delivery.settle import Death, Settler, discarded, expired
from sink_workers.delivery.sink_pool import SinkPool
from sink_workers.lanes.lane import Turn
from sink_workers.notices import FailureNotices

GONE: Final = Undeliverable(
    DeadReason.SUBSCRIPTION_DELETED, "its subscription, or of a test its sink, was deleted before it was delivered"
)


class Opening:
    """Makes parcels of records, and keeps them as their subscription is now."""

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

    def open_only(self, records: Sequence[Record]) -> Sequence[Parcel]:
        """The parcel of one record, as they mostly come; none of several, nor where there is more to do about it."""
        if len(records) > 1:
            return ()
        found = self._open(records[0], is_final=False)
        return (found,) if isinstance(found, Parcel) else ()

    async def open_all(self, records: Sequence[Record], turn: Turn) -> Sequence[Parcel]:
        """The parcels in ``records``, in order. What needs no attempt is settled; a task for each would cost more."""
        parcels: list[Parcel] = []
        deaths: list[Death] = []
        early: list[tuple[Record, Waybill]] = []
        is_caught_up = False
        for record in records:
            found = self._open(record, is_final=is_caught_up)
            if found is None:  # its subscription may be newer than our snapshot
                await self._feed.catch_up()
                is_caught_up, found = True, self._open(record, is_final=True)
            if isinstance(found, Parcel):
                parcels.append(found)
            elif isinstance(found, Waybill):
                early.append((record, found))
            elif found is not None:
                deaths.append(found)
                if found.reason is DeadReason.EXPIRED and found.waybill is not None:
                    self._tell_expired(record, found.waybill)
        if deaths:
            await self.bury_all(deaths, turn)
        if early:
            await self.wait_on_all(early, turn)
        return parcels

    def _open(self, record: Record, *, is_final: bool) -> Parcel | Death | Waybill | None:
        """The parcel in ``record``, its death, or, where it is too early for an attempt, its waybill.

        None where it is nobody's that we know; where the snapshot ``is_final``, its death.
        """
        headers = dict(record.headers)
        waybill = read_waybill(headers)
        if isinstance(waybill, Undeliverable):
            return discarded(record, None, waybill)
        subscription = self.known(waybill.subscription_sid)
        if subscription is None and not is_final:
            return None
        if subscription is None or subscription.state is not SubscriptionState.ACTIVE:
            return discarded(record, waybill, GONE)
        now_ms = self._clock()
        if waybill.deadline_ms <= now_ms:
            return expired(record, waybill)
        if waybill.not_before_ms > now_ms:
            return waybill
        as_avro = takes_avro(self._pool.capabilities(subscription.sink_sid))
        event = read_event(headers, record.value, waybill, subscription, self._codec, as_avro=as_avro)
        if isinstance(event, Undeliverable):
            return discarded(record, waybill, event)
        return Parcel(record, waybill, event, subscription.types, REDRIVE in headers)

    async def bury_all(self, deaths: Sequence[Death], turn: Turn) -> None:
        """Make dead letters of ``deaths``, then tell ``turn``."""
        if deaths:
            await self._settler.bury_all(deaths)
            for death in deaths:
                turn.settled(death.record)

    async def wait_on_all(self, records: Sequence[tuple[Record, Waybill]], turn: Turn) -> None:
        """Put ``records`` back onto retry topics, side by side."""

        async def wait_on(record: Record, waybill: Waybill) -> None:
            await self._settler.wait_on(record, waybill)
            turn.settled(record)

        await asyncio.gather(*(wait_on(*each) for each in records))

    def known(self, sid: str) -> Subscription | None:
        """The subscription, or the sink under test, that records with ``sid`` are for."""
        snapshot = self._feed.snapshot
        found = snapshot.subscriptions.get(sid)
        if found is None and (tested := snapshot.sinks.get(sid)) is not None:
            return as_subscription(tested)
        return found

    async def still_wanted(self, parcels: Sequence[Parcel], subscription: Subscription, turn: Turn) -> Sequence[Parcel]:
        """Those of ``parcels`` whose time is not over, as ``subscription`` wants them now; the others are settled."""
        if are_current(parcels, subscription, self._clock()):
            return parcels
        alive = await self._without_expired(parcels, turn)
        return await self._as_wanted_now(alive, subscription, turn)

    async def _without_expired(self, parcels: Sequence[Parcel], turn: Turn) -> Sequence[Parcel]:
        now_ms = self._clock()
        alive = [parcel for parcel in parcels if parcel.waybill.deadline_ms > now_ms]
        if len(alive) < len(parcels):
            over = [parcel for parcel in parcels if parcel.waybill.deadline_ms <= now_ms]
            for parcel in over:
                self._tell_expired(parcel.record, parcel.waybill)
            await self.bury_all([expired(each.record, each.waybill) for each in over], turn)
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
                wanted.append(parcel._replace(event=event, types=subscription.types))
        await self.bury_all(deaths, turn)
        return wanted

    def _tell_expired(self, record: Record, waybill: Waybill) -> None:
        subscription = self.known(waybill.subscription_sid)
        if subscription is not None:
            event_type = dict(record.headers).get(TYPE, b"").decode(errors="replace")
            self._notices.expired(subscription.sink_sid, waybill, event_type)
