"""What the routes ask for: dead letters in pages, one of them, a job's preview, and a job."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from aiohttp import web

from control_api.redrive.copies import Copier, Copy
from control_api.redrive.dead_letter import DeadLetter, Place
from control_api.redrive.feed import JobFeed, JobWriter
from control_api.redrive.jobs import JobKind, Order
from control_api.redrive.runner import JobRunner
from control_api.redrive.selection import Selection, Selector, narrow
from eventstreams.client.values import SkipReason
from eventstreams.codec import Codec
from eventstreams.control.feed import ControlFeed
from eventstreams.errors import TopicError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.ranges import Range, RangeReader
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings
from eventstreams.times import Clock
from eventstreams.topics import Topics

_READ: Final = 500
_FIRST_WINDOW: Final = 200  # offsets looked through at first for a page; each next window is larger
_MAX_WINDOW: Final = 10_000
_PAGE_BUDGET: Final = 50_000  # records looked at for one page, of all topics: about a second of work
_PREVIEW_S: Final = 10.0  # a preview says how far it came in so long
_READERS: Final = 4  # requests that look through topics at once: each has a connection and up to 4 MiB
_READ_S: Final = 10.0  # for a broker that does not answer

Cursor = Mapping[str, int]
"""Of each sink type, the offset before which the next page goes on."""


@dataclass(slots=True)
class Preview:
    """What a job would do now.

    Attributes:
        copied: Events that would be put on their subscriptions' topics.
        oldest_ms: Of the selected events: when they died, or of a replay when they were accepted.
        complete: Whether all was looked at; False: there may be more than was counted.
    """

    examined: int = 0
    copied: int = 0
    skipped: dict[SkipReason, int] = field(default_factory=dict)
    oldest_ms: int | None = None
    newest_ms: int | None = None
    complete: bool = False

    @property
    def selected(self) -> int:
        return self.copied + sum(self.skipped.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Reads dead letters and events, and makes jobs.

    Attributes:
        reading: Held while a request looks through topics.
    """

    settings: Settings
    topics: Topics
    admin: KafkaAdmin
    control: ControlFeed
    codec: Codec
    jobs: JobFeed
    writer: JobWriter
    runner: JobRunner
    clock: Clock
    reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_READERS))

    async def ranges(self, kind: JobKind, selection: Selection) -> tuple[Range, ...]:
        """Where the events of ``selection`` can be, as of now. Raises ``TopicError`` and ``BrokerUnreachableError``."""
        look = partial(self.admin.ranges, after_ms=selection.after_ms, before_ms=selection.before_ms)
        if kind is JobKind.REPLAY:
            found = await look([self.topics.events])
            return tuple(each for each in found if each.records)
        sink_types = await self._sink_types(selection)
        found = await look(list(sink_types))
        cut = (narrow(each, sink_types[each.topic], selection.dead_letter_ids) for each in found)
        return tuple(each for each in cut if each.records)

    async def preview(self, order: Order) -> Preview:
        """What ``order`` would do now, as far as can be told in a few seconds. Raises as ``ranges``."""
        copier = Copier(
            order.kind,
            order.selection,
            job_sid=order.sid,
            topics=self.topics,
            subscriptions=lambda: self.control.snapshot.subscriptions,
            default_ttl_ms=int(self.settings.ttl.total_seconds() * 1000),
            codec=self.codec,
            accounts_for=self.control.snapshot.accounts_for,
        )
        preview, now_ms = Preview(), self.clock()
        async with self.reading, RangeReader(self.settings, order.ranges) as reader:
            deadline = time.monotonic() + _PREVIEW_S
            while not reader.ended and time.monotonic() < deadline:
                for record in await reader.read(_READ):
                    _preview_one(preview, record, copier.copy(record, now_ms=now_ms))
            preview.complete = reader.ended
        return preview

    async def page(
        self, selection: Selection, size: int, cursor: Cursor | None
    ) -> tuple[Sequence[DeadLetter], Cursor | None]:
        """Dead letters of ``selection``, newest first, and where the next page goes on (None: there is none).

        The page can be short, even empty, and yet have a next one: where little of much matches, the work of one
        request is bounded. Raises as ``ranges``.
        """
        sink_types = await self._sink_types(selection)
        found = await self.admin.ranges(list(sink_types), after_ms=selection.after_ms, before_ms=selection.before_ms)
        shelves = [
            _Shelf(sink_types[each.topic], each, cursor)
            for each in (narrow(whole, sink_types[whole.topic], selection.dead_letter_ids) for whole in found)
        ]
        selector, budget = Selector(selection, of_letters=True), _PAGE_BUDGET
        for shelf in shelves:
            budget -= await self._fill(shelf, selector, size, budget)
        letters = sorted((each for shelf in shelves for each in shelf.letters), key=_newest_first)[:size]
        left = {shelf.sink_type: shelf.left(letters) for shelf in shelves}
        more = any(left[shelf.sink_type] > shelf.first for shelf in shelves)
        return letters, left if more else None

    async def letter(self, account_sid: str, place: Place) -> DeadLetter | None:
        """The dead letter at ``place``; None also where it is another account's. Raises as ``ranges``."""
        selection = Selection(account_sid=account_sid, dead_letter_ids=(str(place),))
        selector = Selector(selection, of_letters=True)
        for part in await self.ranges(JobKind.REDRIVE, selection):
            for record in await self._records(part):
                letter = DeadLetter.read(record, place.sink_type)
                return letter if selector.takes_letter(letter) else None
        return None

    async def _sink_types(self, selection: Selection) -> Mapping[str, str]:
        """The dead-letter topics that can hold what is selected, and of which sink type each is."""
        of = {topic: self.topics.sink_type_of_dead(topic) for topic in await self.admin.topics()}
        found = {topic: sink_type for topic, sink_type in sorted(of.items()) if sink_type is not None}
        subscription = self.control.snapshot.subscriptions.get(selection.subscription_sid or "")
        if subscription is not None:  # what died of it is nowhere else
            found = {topic: sink_type for topic, sink_type in found.items() if sink_type == subscription.sink_type}
        if selection.dead_letter_ids:
            wanted = {place.sink_type for text in selection.dead_letter_ids if (place := Place.parse(text)) is not None}
            found = {topic: sink_type for topic, sink_type in found.items() if sink_type in wanted}
        return found

    async def _fill(self, shelf: "_Shelf", selector: Selector, size: int, budget: int) -> int:
        """Look backwards through ``shelf`` until it has ``size`` letters; return how many records that took."""
        looked_at, window = 0, _FIRST_WINDOW
        while shelf.floor > shelf.first and len(shelf.letters) < size and looked_at < budget:
            part = Range(shelf.topic, shelf.partition, max(shelf.floor - window, shelf.first), shelf.floor)
            shelf.take(part, await self._read(part, shelf.sink_type, selector, most=size - len(shelf.letters)))
            looked_at += part.records
            window = min(window * 5, _MAX_WINDOW)
        return looked_at

    async def _read(self, part: Range, sink_type: str, selector: Selector, *, most: int) -> deque[DeadLetter]:
        """The newest letters in ``part`` that ``selector`` takes, at most ``most``, oldest first."""
        found: deque[DeadLetter] = deque(maxlen=most)
        async for records in self._batches(part):
            letters = (DeadLetter.read(record, sink_type) for record in records)
            found.extend(each.without_value() for each in letters if selector.takes_letter(each))
        return found

    async def _records(self, part: Range) -> Sequence[Record]:
        return [record async for records in self._batches(part) for record in records]

    async def _batches(self, part: Range) -> AsyncIterator[Sequence[Record]]:
        async with self.reading, RangeReader(self.settings, [part]) as reader:
            deadline = time.monotonic() + _READ_S
            while not reader.ended:
                records = await reader.read(_READ)
                yield records
                if not records and time.monotonic() > deadline:
                    raise TopicError(f"{part.topic} cannot be read: no broker answers")


class _Shelf:
    """Dead letters of one topic, newest first; everything from ``floor`` on was looked at."""

    def __init__(self, sink_type: str, whole: Range, cursor: Cursor | None) -> None:
        self.sink_type = sink_type
        self.topic = whole.topic
        self.partition = whole.partition
        self.first = whole.first
        self.ceiling = whole.end if cursor is None else min(whole.end, cursor.get(sink_type, 0))
        self.floor = self.ceiling
        self.letters: list[DeadLetter] = []

    def take(self, part: Range, found: deque[DeadLetter]) -> None:
        """``found`` are the newest in ``part``, oldest first; where they are as many as were asked for, not all."""
        full = len(found) == found.maxlen
        self.floor = found[0].place.offset if full else part.first
        self.letters += reversed(found)

    def left(self, shown: Iterable[DeadLetter]) -> int:
        """The offset before which the next page goes on, once ``shown`` are shown."""
        offsets = [each.place.offset for each in shown if each.place.sink_type == self.sink_type]
        if len(offsets) == len(self.letters):
            return self.floor
        return min(offsets, default=self.ceiling)


def _newest_first(letter: DeadLetter) -> tuple[int, str, int]:
    return -letter.died_ms, letter.place.sink_type, -letter.place.offset


def _preview_one(preview: Preview, record: Record, copy: Copy | SkipReason | None) -> None:
    preview.examined += 1
    match copy:
        case None:
            return
        case Copy():
            preview.copied += 1
        case SkipReason():
            preview.skipped[copy] = preview.skipped.get(copy, 0) + 1
    preview.oldest_ms = min(preview.oldest_ms or record.timestamp_ms, record.timestamp_ms)
    preview.newest_ms = max(preview.newest_ms or record.timestamp_ms, record.timestamp_ms)


DESK: Final = web.AppKey("desk", Desk)
