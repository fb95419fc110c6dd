"""Answers *where is this event now* from the log, the routes and, where the log is silent, Kafka's offsets."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import web

from control_api.delivery_log.log import DeliveryLog
from control_api.delivery_log.store import AcceptedEvent, EntryQuery, LoggedEntry
from control_api.delivery_log.whereabouts import Whereabouts, after_entry, before_entry, latest, matching
from control_api.plane import ControlPlane
from eventstreams.codec import Codec
from eventstreams.control.records import Subscription
from eventstreams.filters import Answer, Filters, Reading
from eventstreams.kafka.ranges import Range, RangeReader
from eventstreams.kafka.records import Record
from eventstreams.retry import RetryWheel
from eventstreams.settings import Settings

_MOST_ENTRIES: Final = 10_000  # of one event: 100 subscriptions, 100 attempts each
# Entries are gathered, sent and read within a second; a worker that drops them does so after half a minute.
_LOGGED_BY_MS: Final = 60_000
_CURRENT_S: Final = 10.0
_READERS: Final = 4  # requests that read a record at once: each has a connection
_READ_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Found:
    """One event. ``event`` is None where only attempts of it are left."""

    event: AcceptedEvent | None
    entries: Sequence[LoggedEntry]
    deliveries: Sequence[Whereabouts]


class LogDesk:
    """What the routes of the delivery log work with."""

    def __init__(self, settings: Settings, plane: ControlPlane, log: DeliveryLog) -> None:
        self.log = log
        self._plane = plane
        self._wheel = RetryWheel(settings.retry_delays, partitions=settings.retry_partitions)
        self._settings = settings
        self._codec = Codec(plane.catalog, schema_base_url=settings.schema_base_url)
        self._filters = Filters()
        self._reading = asyncio.Semaphore(_READERS)
        self._ttl_ms = int(settings.ttl.total_seconds() * 1000)

    async def find(self, account_sid: str, event_id: str) -> Found | None:
        """The account's event ``event_id`` with all that is known of it; None where nothing is."""
        event = await self.log.event(account_sid, event_id)
        entries = await self.log.entries(EntryQuery(account_sid=account_sid, event_id=event_id, limit=_MOST_ENTRIES))
        if event is None and not entries:
            return None
        now_ms, last = self._plane.clock(), latest(entries)
        deliveries = [
            after_entry(entry, topics=self._plane.topics, wheel=self._wheel, now_ms=now_ms) for entry in last.values()
        ]
        if event is not None and event.type not in self._plane.catalog.discontinued():
            subscriptions = matching(event, self._plane.feed.snapshot.subscriptions_of(account_sid))
            deliveries += await self._silent(event, [each for each in subscriptions if each.sid not in last], now_ms)
        deliveries.sort(key=lambda each: each.subscription_sid)
        return Found(event, entries, [self._with_pause(each) for each in deliveries])

    async def _silent(
        self, event: AcceptedEvent, subscriptions: Sequence[Subscription], now_ms: int
    ) -> Sequence[Whereabouts]:
        """Of ``subscriptions``, which match and of which nothing is logged."""
        if not subscriptions:
            return ()
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
        """Those of ``subscriptions`` whose filter keeps ``event`` back.

        None where the event is gone; none whose filter is younger than it, of which nobody knows what was before.
        """
        filtering = [
            (each.sid, each.filter, each)
            for each in subscriptions
            if each.filter is not None and (each.filter_since_ms or 0) <= event.accepted_ms
        ]
        record = await self._record(event) if filtering else None
        if record is None:
            return {}
        reading, found = Reading(dict(record.headers), record.value, self._codec), {}
        for sid, text, subscription in filtering:
            await asyncio.sleep(0)  # of an event of 1 MiB each can take a tenth of a second
            version = next(each.schema_version for each in subscription.types if each.type == event.type)
            answer = self._filters.ask(text, reading, version)
            if not answer.verdict.delivers:
                found[sid] = answer
        return found

    async def _record(self, event: AcceptedEvent) -> Record | None:
        """The event's record, if it is still there and can be read within a moment."""
        part = Range(self._plane.topics.events, event.partition, event.offset, event.offset + 1)
        async with self._reading, RangeReader(self._settings, [part], buffer_mib=1) as reader:
            deadline = time.monotonic() + _READ_S
            while not reader.ended and time.monotonic() < deadline:
                for record in await reader.read(1):
                    return record
        return None

    def _with_pause(self, found: Whereabouts) -> Whereabouts:
        snapshot = self._plane.feed.snapshot
        subscription, sink = (
            snapshot.subscriptions.get(found.subscription_sid),
            snapshot.sinks.get(found.sink_sid or ""),
        )
        paused = (subscription is not None and subscription.paused) or (sink is not None and sink.paused)
        return replace(found, paused=paused)


LOG: Final = web.AppKey("desk", LogDesk)
"""Not there where the delivery log is switched off."""
