"""The service behind the routes: pages of dead letters, single ones, previews of jobs, and jobs."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from aiohttp import web

from control_api.http.fair_semaphore import FairSemaphore, Slices
from control_api.redrive.copies import Copier, Copy
from control_api.redrive.dead_letter import DeadLetter, Place
from control_api.redrive.feed import JobFeed, JobWriter
from control_api.redrive.jobs import JobKind, Order
from control_api.redrive.partition_page import PAGE_BUDGET, PartitionPage, batches
from control_api.redrive.runner import JobRunner
from control_api.redrive.selection import Selection, Selector, narrow
from eventstreams.client.values import SkipReason
from eventstreams.codec import Codec
from eventstreams.control.feed import ControlFeed
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.ranges import Range, RangeReader
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings
from eventstreams.times import Clock
from eventstreams.topics import Topics

_READ: Final = 500
_PREVIEW_S: Final = 10.0  # a preview searches this long, and says if there is more
_READERS: Final = 4  # concurrent requests that search topics: each has a connection and up to 4 MiB
_OF_ONE: Final = 2  # of them, for one customer

T = TypeVar("T")
Cursor = Mapping[str, int]
"""For each sink type, the offset before which the next page continues."""


@dataclass(slots=True)
class Preview:
    """What a job would do now.

    Attributes:
        examined: Records that were searched.
        copied: Events that would be put on their subscriptions' topics.
        skipped: Selected events that would not be copied, by reason.
        oldest_ms: When the oldest selected event died, or for a replay was accepted; None if there is none.
        newest_ms: The same for the newest one.
        complete: Whether everything was searched; if not, there may be more than was counted.
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
class RedriveService:
    """Reads dead letters and events, and previews jobs.

    Attributes:
        settings: The settings.
        topics: Names topics.
        admin: Administers Kafka.
        control: The subscriptions and accounts.
        codec: Reads events.
        jobs: The jobs.
        writer: Submits, cancels and forgets jobs.
        runner: Runs jobs, on the primary.
        clock: The current time, in ms since the epoch.
        reading: Limits concurrent searches of topics.
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
    reading: FairSemaphore

    @staticmethod
    def semaphore(customer_of: Callable[[str], str]) -> FairSemaphore:
        """Create the semaphore that all searches of topics share."""
        return FairSemaphore(most=_READERS, of_one=_OF_ONE, customer_of=customer_of)

    async def ranges(self, kind: JobKind, selection: Selection) -> tuple[Range, ...]:
        """Where the events of ``selection`` may be now. Raises ``TopicError`` and ``BrokerUnreachableError``."""
        look = partial(self.admin.ranges, after_ms=selection.after_ms, before_ms=selection.before_ms)
        if kind is JobKind.REPLAY:
            found = await look([self.topics.events])
            return tuple(each for each in found if each.records)
        sink_types = await self._sink_types(selection)
        found = await look(list(sink_types))
        cut = (narrow(each, sink_types[each.topic], selection.dead_letter_ids) for each in found)
        return tuple(each for each in cut if each.records)

    async def preview(self, order: Order) -> Preview:
        """What ``order`` would do now, as far as ten seconds allow. Raises like ``ranges`` and ``slot``."""
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
        preview, now_ms, slices = Preview(), self.clock(), Slices()
        slot = self.reading.slot(order.selection.account_sid)
        async with slot, RangeReader(self.settings, order.ranges) as reader:
            deadline = time.monotonic() + _PREVIEW_S
            while not reader.ended and time.monotonic() < deadline:
                for record in await reader.read(_READ):
                    _preview_one(preview, record, copier.copy(record, now_ms=now_ms))
                    await slices.pause()
            preview.complete = reader.ended
        return preview

    async def page(
        self, selection: Selection, size: int, cursor: Cursor | None
    ) -> tuple[Sequence[DeadLetter], Cursor | None]:
        """Dead letters of ``selection``, newest first, and where the next page continues (None: there is none).

        A page may be short, even empty, and still have a next one, because the work of one request is bounded. Raises
        like ``ranges`` and ``slot``.
        """
        async with self.reading.slot(selection.account_sid):
            return await self._page(selection, size, cursor)

    async def _page(
        self, selection: Selection, size: int, cursor: Cursor | None
    ) -> tuple[Sequence[DeadLetter], Cursor | None]:
        sink_types = await self._sink_types(selection)
        found = await self.admin.ranges(list(sink_types), after_ms=selection.after_ms, before_ms=selection.before_ms)
        selector, budget = Selector(selection, of_dead_letters=True), PAGE_BUDGET
        pages: dict[str, PartitionPage[DeadLetter]] = {}
        for whole in found:
            sink_type = sink_types[whole.topic]
            before = None if cursor is None else cursor.get(sink_type, 0)
            page = pages[sink_type] = PartitionPage(narrow(whole, sink_type, selection.dead_letter_ids), before)
            budget -= await page.fill(self.settings, partial(_kept, selector, sink_type), size, budget)
        dead_letters = sorted((each for page in pages.values() for _, each in page.found), key=_newest_first)[:size]
        places = [each.place for each in dead_letters]
        left = {
            sink_type: page.left(each.offset for each in places if each.sink_type == sink_type)
            for sink_type, page in pages.items()
        }
        more = any(left[sink_type] > page.whole.first for sink_type, page in pages.items())
        return dead_letters, left if more else None

    async def unrouted(
        self,
        keep: Callable[[Record], T | None],
        size: int,
        before: int | None,
        *,
        after_ms: int | None,
        before_ms: int | None,
    ) -> tuple[Sequence[T], int | None]:
        """For the operator: those events that the router could not read and ``keep`` returns, newest first.

        Like ``page``, but ``before`` and the second result are offsets.
        """
        async with self.reading.slot("operator"):
            topic = self.topics.router_dead
            found = await self.admin.ranges([topic], after_ms=after_ms, before_ms=before_ms)
            page: PartitionPage[T] = PartitionPage(found[0] if found else Range(topic, 0, 0, 0), before)
            await page.fill(self.settings, keep, size, PAGE_BUDGET)
            left = page.left(offset for offset, _ in page.found)
            return [each for _, each in page.found], left if left > page.whole.first else None

    async def dead_letter(self, account_sid: str, place: Place) -> DeadLetter | None:
        """The dead letter at ``place``; None if there is none or it is another account's. Raises like ``page``."""
        selection = Selection(account_sid=account_sid, dead_letter_ids=(str(place),))
        selector = Selector(selection, of_dead_letters=True)
        async with self.reading.slot(account_sid):
            for part in await self.ranges(JobKind.REDRIVE, selection):
                for record in [each async for records in batches(self.settings, part) for each in records]:
                    dead_letter = DeadLetter.read(record, place.sink_type)
                    return dead_letter if selector.takes_dead_letter(dead_letter) else None
        return None

    async def _sink_types(self, selection: Selection) -> Mapping[str, str]:
        """The dead-letter topics that may contain what is selected, with their sink types."""
        of = {topic: self.topics.sink_type_of_dead(topic) for topic in await self.admin.topics()}
        found = {topic: sink_type for topic, sink_type in sorted(of.items()) if sink_type is not None}
        subscription = self.control.snapshot.subscriptions.get(selection.subscription_sid or "")
        if subscription is not None:  # its dead letters are nowhere else
            found = {topic: sink_type for topic, sink_type in found.items() if sink_type == subscription.sink_type}
        if selection.dead_letter_ids:
            wanted = {place.sink_type for text in selection.dead_letter_ids if (place := Place.parse(text)) is not None}
            found = {topic: sink_type for topic, sink_type in found.items() if sink_type in wanted}
        return found


def _kept(selector: Selector, sink_type: str, record: Record) -> DeadLetter | None:
    dead_letter = DeadLetter.read(record, sink_type)
    return dead_letter.without_value() if selector.takes_dead_letter(dead_letter) else None


def _newest_first(dead_letter: DeadLetter) -> tuple[int, str, int]:
    return -dead_letter.died_ms, dead_letter.place.sink_type, -dead_letter.place.offset


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


REDRIVES: Final = web.AppKey("redrives", RedriveService)
