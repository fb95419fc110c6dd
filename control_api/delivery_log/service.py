"""Answers *where is this event now* from the log, the routes and, if the log has nothing, Kafka's offsets."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import web

from control_api.delivery_log.delivery_status import (
    Counts,
    DeliveryStatus,
    after_entry,
    before_entry,
    counts_of,
    latest,
    matching,
)
from control_api.delivery_log.log import DeliveryLog
from control_api.delivery_log.store import AcceptedEvent, EntryQuery, LoggedEntry
from control_api.http.fair_semaphore import FairSemaphore
from control_api.plane import ControlPlane
from eventstreams.codec import Codec
from eventstreams.control.records import Subscription
from eventstreams.filters import Answer, CompiledFilters, FilterInput
from eventstreams.kafka.ranges import Range, RangeReader
from eventstreams.kafka.records import Record
from eventstreams.retry import RetryWheel
from eventstreams.settings import Settings

_MOST_ENTRIES: Final = 10_000  # of one event: 100 subscriptions, 100 attempts each
# Entries are gathered, sent and read within a second; a worker that has to drop them does so after half a minute.
_LOGGED_BY_MS: Final = 60_000
_CLOCKS_MS: Final = 600_000  # clock difference: attempts have a worker's time, events a broker's
_CURRENT_S: Final = 10.0
_READERS: Final = 4  # concurrent requests that ask Kafka: each has connections
_OF_ONE: Final = 2  # of them, for one customer
_READ_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Found:
    """What was found about one event. ``event`` is None if only attempts of it are left."""

    event: AcceptedEvent | None
    entries: Sequence[LoggedEntry]
    deliveries: Sequence[DeliveryStatus]


class DeliveryLogService:
    """The service behind the routes of the delivery log."""

    def __init__(self, settings: Settings, plane: ControlPlane, log: DeliveryLog) -> None:
        self.log = log
        self._plane = plane
        self._wheel = RetryWheel(settings.retry_delays, partitions=settings.retry_partitions)
        self._settings = settings
        self.codec = Codec(plane.catalog, schema_base_url=settings.schema_base_url)
        self._filters = CompiledFilters()
        self._reading = FairSemaphore(most=_READERS, of_one=_OF_ONE, customer_of=plane.feed.snapshot.customer_of)
        self._ttl_ms = int(settings.ttl.total_seconds() * 1000)

    async def find(self, account_sid: str, event_id: str) -> Found | None:
        """All that is known about the event ``event_id``, the account's or for it; None if nothing is."""
        event, subscriptions = await self._event(account_sid, event_id)
        entries = await self.log.entries(EntryQuery(account_sid=account_sid, event_id=event_id, limit=_MOST_ENTRIES))
        if event is None and not entries:
            return None
        now_ms, last = self._plane.clock(), latest(entries)
        deliveries = [
            after_entry(entry, topics=self._plane.topics, wheel=self._wheel, now_ms=now_ms) for entry in last.values()
        ]
        if event is not None and event.type not in self._plane.catalog.discontinued():
            silent = [each for each in matching(event, subscriptions) if each.sid not in last]
            if silent:
                async with self._reading.slot(account_sid):
                    deliveries += await self._silent(event, silent, now_ms)
        deliveries.sort(key=lambda each: each.subscription_sid)
        return Found(event, entries, [self._with_pause(each) for each in deliveries])

    async def counts(self, account_sid: str, events: Sequence[AcceptedEvent]) -> Mapping[str, Counts]:
        """The states of each of the account's ``events``, by id, with a single query to the log."""
        if not events:
            return {}
        last: dict[str, dict[str, str]] = {each.id: {} for each in events}
        since = min(each.accepted_ms for each in events) - _CLOCKS_MS
        for each in await self.log.last_kinds(account_sid, list(last), since):
            last[each.event_id][each.subscription_sid] = each.kind
        subscriptions, discontinued = self._plane.subscriptions_of(account_sid), self._plane.catalog.discontinued()
        return {
            each.id: counts_of(last[each.id], () if each.type in discontinued else matching(each, subscriptions))
            for each in events
        }

    async def record(self, account_sid: str, event_id: str) -> Record | None:
        """The record of the event that ``find`` finds; None if there is none, or Kafka no longer has it."""
        event, _ = await self._event(account_sid, event_id)
        if event is None:
            return None
        async with self._reading.slot(account_sid):
            return await self._record(event)

    async def _event(self, account_sid: str, event_id: str) -> tuple[AcceptedEvent | None, Sequence[Subscription]]:
        """The event, the account's or for it, and those of the account's subscriptions that it can be for."""
        event = await self.log.event(account_sid, [account_sid], event_id)
        subscriptions = self._plane.subscriptions_of(account_sid)
        if event is None and (receiving := [each for each in subscriptions if each.receive_events_from_subaccounts]):
            return await self._of_a_subaccount(account_sid, event_id, receiving), receiving
        return event, subscriptions

    async def _of_a_subaccount(
        self, account_sid: str, event_id: str, receiving: Sequence[Subscription]
    ) -> AcceptedEvent | None:
        """A subaccount's event, if it is for one of its owner's subscriptions, which are ``receiving``."""
        subaccounts = [each.sid for each in self._plane.feed.snapshot.subaccounts_of(account_sid)]
        found = await self.log.event(account_sid, subaccounts, event_id) if subaccounts else None
        return found if found is not None and matching(found, receiving) else None

    async def _silent(
        self, event: AcceptedEvent, subscriptions: Sequence[Subscription], now_ms: int
    ) -> Sequence[DeliveryStatus]:
        """The statuses for ``subscriptions``, which match the event but for which nothing is logged."""
        topics, admin = self._plane.topics, self._plane.admin
        committed = await admin.committed(topics.group("router"), topics.events)
        routed = committed.get(event.partition, 0) > event.offset
        lag = self.log.lag
        current = lag is not None and lag.seconds is not None and lag.seconds < _CURRENT_S
        settles = routed and current and now_ms - event.accepted_ms > _LOGGED_BY_MS
        found, kept_back = [], await self._kept_back(event, subscriptions) if routed else {}
        for each in subscriptions:
            group = topics.group(f"worker.{each.sink_type}")
            topic = topics.subscription(each.sink_type, each.sid)
            gone = settles and await admin.has_settled(group, topic)
            found.append(
                before_entry(
                    event,
                    each,
                    routed=routed,
                    gone=gone,
                    kept_back=kept_back.get(each.sid),
                    topics=topics,
                    ttl_ms=self._ttl_ms,
                )
            )
        return found

    async def _kept_back(self, event: AcceptedEvent, subscriptions: Sequence[Subscription]) -> Mapping[str, Answer]:
        """The answers of those of ``subscriptions`` whose filter keeps ``event`` back, by SID.

        Empty if the event's record is gone. Filters that are newer than the event are not considered, as the earlier
        ones are not known.
        """
        filtering = [
            (each.sid, each.filter, each)
            for each in subscriptions
            if each.filter is not None and (each.filter_since_ms or 0) <= event.accepted_ms
        ]
        record = await self._record(event) if filtering else None
        if record is None:
            return {}
        reading, found = FilterInput(dict(record.headers), record.value, self.codec), {}
        for sid, text, subscription in filtering:
            await asyncio.sleep(0)  # for an event of 1 MiB, each can take a tenth of a second
            version = next(each.schema_version for each in subscription.types if each.type == event.type)
            answer = self._filters.ask(text, reading, version)
            if not answer.verdict.delivers:
                found[sid] = answer
        return found

    async def _record(self, event: AcceptedEvent) -> Record | None:
        """The event's record, if Kafka still has it and it can be read within five seconds."""
        part = Range(self._plane.topics.events, event.partition, event.offset, event.offset + 1)
        async with RangeReader(self._settings, [part], buffer_mib=1) as reader:
            deadline = time.monotonic() + _READ_S
            while not reader.ended and time.monotonic() < deadline:
                for record in await reader.read(1):
                    return record
        return None

    def _with_pause(self, found: DeliveryStatus) -> DeliveryStatus:
        snapshot = self._plane.feed.snapshot
        subscription, sink = (
            snapshot.subscriptions.get(found.subscription_sid),
            snapshot.sinks.get(found.sink_sid or ""),
        )
        paused = (subscription is not None and subscription.paused) or (sink is not None and sink.paused)
        return replace(found, paused=paused)


LOG: Final = web.AppKey("delivery-log", DeliveryLogService)
"""Missing if the delivery log is switched off."""
