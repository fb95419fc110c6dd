"""Reads the audit trail backwards, page by page."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import web

from control_api.audit.entry import AuditEvent, decode
from control_api.http.fair_semaphore import FairSemaphore
from eventstreams.errors import TopicError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.ranges import Range, RangeReader
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings
from eventstreams.topics import Topics

_READ: Final = 500
_FIRST_WINDOW: Final = 500  # offsets searched first for a page; each further window is larger
_MAX_WINDOW: Final = 10_000
_BUDGET: Final = 50_000  # records searched for one page: about a second of work
_AHEAD: Final = 2_000  # records after a page that are searched for the outcomes of its writes
_READERS: Final = 2
_OF_ONE: Final = 1  # readers for one customer at a time
_READ_S: Final = 10.0  # until a broker counts as not answering

Takes = Callable[[AuditEvent], bool]


@dataclass(frozen=True, slots=True)
class Found:
    """Writes, newest first. ``following``: the offset before which the next page continues; None: there is none."""

    events: Sequence[AuditEvent]
    following: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReader:
    """Searches the trail. ``reading`` limits who may do so at the same time."""

    settings: Settings
    topics: Topics
    admin: KafkaAdmin
    reading: FairSemaphore

    @staticmethod
    def semaphore(customer_of: Callable[[str], str]) -> FairSemaphore:
        """Create the semaphore that the readers of the trail share."""
        return FairSemaphore(most=_READERS, of_one=_OF_ONE, customer_of=customer_of)

    async def page(
        self, takes: Takes, size: int, before: int | None, *, after_ms: int | None, before_ms: int | None, asks: str
    ) -> Found:
        """The writes that match ``takes``, at most ``size``, newest first, beginning before the offset ``before``.

        A page may be short, even empty, and still have a next one, because the work of one request is bounded.

        Args:
            takes: The filter.
            size: The most writes of a page.
            before: Where the page before ended; None: begin with the newest.
            after_ms: Only writes at this time or later; None: no bound.
            before_ms: Only writes before this time; None: no bound.
            asks: The SID of the account that asks, or the operator's name.

        Raises:
            TopicError: Kafka did not answer.
            RefusedError: too many requests are waiting.
        """
        async with self.reading.slot(asks):
            return await self._page(takes, size, before, after_ms=after_ms, before_ms=before_ms)

    async def _page(
        self, takes: Takes, size: int, before: int | None, *, after_ms: int | None, before_ms: int | None
    ) -> Found:
        whole = await self._range()
        part = whole if after_ms is before_ms is None else await self._range(after_ms=after_ms, before_ms=before_ms)
        floor = part.end if before is None else min(part.end, before)
        outcomes = await self._outcomes(replace(part, first=floor, end=min(floor + _AHEAD, whole.end)))
        found: list[tuple[int, AuditEvent]] = []
        looked_at, window = 0, _FIRST_WINDOW
        while floor > part.first and len(found) <= size and looked_at < _BUDGET:
            start = max(floor - window, part.first)
            for record in reversed([each async for each in self._records(replace(part, first=start, end=floor))]):
                event = decode(record.value)
                if event is None:
                    continue
                if event.status is not None:
                    outcomes[event.sid] = event
                elif takes(ended := outcomes.pop(event.sid, event)):
                    found.append((record.offset, ended))
            looked_at, window, floor = looked_at + floor - start, min(window * 5, _MAX_WINDOW), start
        shown = found[:size]
        if len(found) > size:
            return Found([event for _, event in shown], shown[-1][0])
        return Found([event for _, event in shown], floor if floor > part.first else None)

    async def _outcomes(self, part: Range) -> dict[str, AuditEvent]:
        events = [decode(each.value) async for each in self._records(part)]
        return {event.sid: event for event in events if event is not None and event.status is not None}

    async def _range(self, *, after_ms: int | None = None, before_ms: int | None = None) -> Range:
        found = await self.admin.ranges([self.topics.audit], after_ms=after_ms, before_ms=before_ms)
        return found[0] if found else Range(self.topics.audit, 0, 0, 0)

    async def _records(self, part: Range) -> AsyncIterator[Record]:
        if not part.records:
            return
        async with RangeReader(self.settings, [part]) as reader:
            deadline = time.monotonic() + _READ_S
            while not reader.ended:
                records = await reader.read(_READ)
                for record in records:
                    yield record
                if not records and time.monotonic() > deadline:
                    raise TopicError(f"{part.topic} cannot be read: no broker answers")


AUDIT: Final = web.AppKey("audit", AuditReader)
