"""Searches the SQLite file of the delivery log, concurrently with its writer."""

import queue
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import orjson

from control_api.delivery_log import sqlite_schema as schema
from control_api.delivery_log.sqlite_errors import telling
from control_api.delivery_log.sqlite_search import SegmentSearch
from control_api.delivery_log.store import (
    AcceptedEvent,
    EntryQuery,
    EventQuery,
    EventTally,
    LastKind,
    LoggedEntry,
    Span,
    StoreUnavailableError,
    Tally,
)
from eventstreams.times import Clock

_SEARCH_S: Final = 5.0  # a search without a suitable index reads 2 GiB in about this time
_STEPS: Final = 10_000  # of SQLite's virtual machine, between looks at the clock: a few milliseconds
_CACHE_KIB: Final = 4 << 10

R = TypeVar("R", LoggedEntry, AcceptedEvent)
C = TypeVar("C", Tally, EventTally)


class SqliteReader:
    """A ``LogReader``. Keeps idle connections for later searches."""

    def __init__(self, file: Path, *, retention_ms: int, clock: Clock, search_s: float = _SEARCH_S) -> None:
        self._file = file
        self._retention_ms = retention_ms
        self._clock = clock
        self._search_s = search_s
        self._idle: queue.SimpleQueue[tuple[int, sqlite3.Connection]] = queue.SimpleQueue()

    def entries(self, query: EntryQuery) -> Sequence[LoggedEntry]:
        return self._page(query, lambda segment, limit: segment.entries(query, limit))

    def events(self, query: EventQuery) -> Sequence[AcceptedEvent]:
        return self._page(query, lambda segment, limit: segment.events(query, limit))

    def tally(self, span: Span) -> Sequence[Tally]:
        found: dict[tuple[str, str | None, str, str], Tally] = {}
        for each in self._count(span, lambda segment, most: segment.tally(span, most)):
            known = found.get(each[:4])
            found[each[:4]] = each if known is None else _sum(known, each)
        return list(found.values())

    def tally_events(self, span: Span) -> Sequence[EventTally]:
        found: dict[str, EventTally] = {}
        for each in self._count(span, lambda segment, most: segment.tally_events(span, most)):
            known = found.get(each.type)
            found[each.type] = each if known is None else _sum(known, each)
        return list(found.values())

    def last_kinds(self, account_sid: str, event_ids: Sequence[str], from_ms: int) -> Sequence[LastKind]:
        found: dict[tuple[str, ...], LastKind] = {}
        with self._searching() as database:
            for segment, _, last_ms in self._segments(database, newer=False):
                if last_ms < from_ms:
                    continue
                search = SegmentSearch(database, segment, self._oldest_ms())
                for each in search.last_kinds(account_sid, event_ids, from_ms):
                    pair = (each.event_id, each.subscription_sid)
                    if pair not in found or found[pair].at_ms < each.at_ms:
                        found[pair] = each
        return list(found.values())

    def event(self, accounts: Sequence[str], event_id: str) -> AcceptedEvent | None:
        found, wanted = list[AcceptedEvent](), orjson.dumps(accounts).decode()
        with self._searching() as database:
            for segment, _, _ in self._segments(database, newer=False):
                found += SegmentSearch(database, segment, self._oldest_ms()).event(wanted, event_id)
        return max(found, default=None)

    def _page(self, query: EntryQuery | EventQuery, search: Callable[[SegmentSearch, int], Sequence[R]]) -> Sequence[R]:
        """The page of ``query``, merged from what ``search`` finds in each segment."""
        wanted = query.skip + query.limit
        found: list[R] = []
        with self._searching() as database:
            for segment, first_ms, last_ms in self._segments(database, newer=query.newer):
                if len(found) >= wanted and _is_beyond(found[wanted - 1], first_ms, last_ms, newer=query.newer):
                    break
                found += search(SegmentSearch(database, segment, self._oldest_ms()), wanted)
                found.sort(key=lambda each: each.mark, reverse=not query.newer)
                del found[wanted:]
        page = found[query.skip :]
        return page[::-1] if query.newer else page

    def _count(self, span: Span, search: Callable[[SegmentSearch, int], Sequence[C]]) -> Iterator[C]:
        """What ``search`` counts in each segment that has rows in ``span``, newest first."""
        left = span.most
        with self._searching() as database:
            for segment, first_ms, last_ms in self._segments(database, newer=False):
                if last_ms < span.from_ms or first_ms >= span.before_ms:
                    continue
                if left <= 0:
                    break
                for each in search(SegmentSearch(database, segment, self._oldest_ms()), left):
                    left -= each.number
                    yield each

    def close(self) -> None:
        while not self._idle.empty():
            self._idle.get()[1].close()

    def _oldest_ms(self) -> int:
        return self._clock() - self._retention_ms

    @staticmethod
    def _segments(database: sqlite3.Connection, *, newer: bool) -> Sequence[tuple[int, int, int]]:
        """Number, first and last time of each segment, in the order in which a search reads them."""
        rows = database.execute(schema.SEGMENTS).fetchall()
        return sorted(rows, key=lambda row: row[1]) if newer else rows

    @contextmanager
    def _searching(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees a consistent state of the file, with the time limit of a search."""
        with telling(self._file):
            inode, database = self._take()
            deadline = time.monotonic() + self._search_s
            database.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
            good = False
            try:
                database.execute("begin")
                yield database
                good = True
            finally:
                database.set_progress_handler(None, _STEPS)
                if good:
                    database.execute("commit")
                    self._idle.put((inode, database))
                else:
                    database.close()

    def _take(self) -> tuple[int, sqlite3.Connection]:
        try:
            inode = self._file.stat().st_ino
        except OSError:
            raise StoreUnavailableError(f"{self._file} does not exist (yet)") from None
        while not self._idle.empty():
            try:
                kept, database = self._idle.get_nowait()
            except queue.Empty:
                break
            if kept == inode:
                return kept, database
            database.close()  # of a file that was discarded
        opened = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
        opened.row_factory = sqlite3.Row
        opened.execute("pragma query_only = 1")
        opened.execute(f"pragma cache_size = -{_CACHE_KIB}")
        return inode, opened


def _is_beyond(last: LoggedEntry | AcceptedEvent, first_ms: int, last_ms: int, *, newer: bool) -> bool:
    """Whether a segment, and so all that follow, has nothing that comes before ``last``."""
    return first_ms > last.mark.at_ms if newer else last_ms < last.mark.at_ms


def _sum(one: C, other: C) -> C:
    return one._replace(number=one.number + other.number, oldest_ms=min(one.oldest_ms, other.oldest_ms))
