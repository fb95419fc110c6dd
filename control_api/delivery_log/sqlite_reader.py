"""Searches in the SQLite file of the delivery log, beside its writer."""

import queue
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from control_api.delivery_log import sqlite_schema as schema
from control_api.delivery_log.places import unplace
from control_api.delivery_log.search import order, terms
from control_api.delivery_log.sqlite_errors import telling
from control_api.delivery_log.store import (
    AcceptedEvent,
    EntryQuery,
    LoggedEntry,
    StoreDamagedError,
    StoreUnavailableError,
)
from eventstreams.attempts import Entry
from eventstreams.times import Clock

_SEARCH_S: Final = 5.0  # a search with no index to help reads 2 GiB in about as long
_STEPS: Final = 10_000  # SQLite's, between looks at the clock: a few milliseconds
_CACHE_KIB: Final = 4 << 10


class SqliteReader:
    """A ``LogReader``. Keeps connections that are not in use for the next search."""

    def __init__(self, file: Path, *, retention_ms: int, clock: Clock, search_s: float = _SEARCH_S) -> None:
        self._file = file
        self._retention_ms = retention_ms
        self._clock = clock
        self._search_s = search_s
        self._idle: queue.SimpleQueue[tuple[int, sqlite3.Connection]] = queue.SimpleQueue()

    def entries(self, query: EntryQuery) -> Sequence[LoggedEntry]:
        wanted = query.skip + query.limit
        found: list[LoggedEntry] = []
        with self._searching() as database:
            for segment, first_ms, last_ms in self._segments(database, newer=query.newer):
                if len(found) >= wanted and _is_beyond(found[wanted - 1], first_ms, last_ms, newer=query.newer):
                    break
                found += _Search(database, segment, query, self._oldest_ms()).run(wanted)
                found.sort(key=lambda each: each.mark, reverse=not query.newer)
                del found[wanted:]
        page = found[query.skip :]
        return page[::-1] if query.newer else page

    def event(self, account_sid: str, event_id: str) -> AcceptedEvent | None:
        found: list[AcceptedEvent] = []
        with self._searching() as database:
            for segment, _, _ in self._segments(database, newer=False):
                names = _Names(database, segment)
                if (account := names.id_of(account_sid)) is not None:
                    rows = database.execute(schema.sql(schema.EVENT, segment), (event_id, account, self._oldest_ms()))
                    for at, place, id_, type_, time_ in rows:
                        partition, offset, _ = unplace(place)
                        found.append(AcceptedEvent(at, partition, offset, id_, account_sid, names.text(type_), time_))
        return max(found, default=None)

    def close(self) -> None:
        while not self._idle.empty():
            self._idle.get()[1].close()

    def _oldest_ms(self) -> int:
        return self._clock() - self._retention_ms

    @staticmethod
    def _segments(database: sqlite3.Connection, *, newer: bool) -> Sequence[tuple[int, int, int]]:
        """Number, first and last time of each: in the order in which a search comes across them."""
        rows = database.execute(schema.SEGMENTS).fetchall()
        return sorted(rows, key=lambda row: row[1]) if newer else rows

    @contextmanager
    def _searching(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state of the file, for as long as a search may take."""
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
            raise StoreUnavailableError(f"{self._file} is not there (yet)") from None
        while not self._idle.empty():
            try:
                kept, database = self._idle.get_nowait()
            except queue.Empty:
                break
            if kept == inode:
                return kept, database
            database.close()  # of a file that was thrown away
        opened = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
        opened.row_factory = sqlite3.Row
        opened.execute("pragma query_only = 1")
        opened.execute(f"pragma cache_size = -{_CACHE_KIB}")
        return inode, opened


class _Names:
    """The texts of one segment by number, and the numbers by text."""

    def __init__(self, database: sqlite3.Connection, segment: int) -> None:
        self._database = database
        self._segment = segment
        self._texts: dict[int, str] = {}

    def id_of(self, text: str) -> int | None:
        row = self._database.execute(schema.sql(schema.NAME_ID, self._segment), (text,)).fetchone()
        return None if row is None else row[0]

    def text(self, number: int) -> str:
        if number not in self._texts:
            row = self._database.execute(schema.sql(schema.NAME, self._segment), (number,)).fetchone()
            if row is None:
                raise StoreDamagedError(f"name {number} of segment {self._segment} is not there")
            self._texts[number] = row[0]
        return self._texts[number]


class _Search:
    """One query in one segment."""

    def __init__(self, database: sqlite3.Connection, segment: int, query: EntryQuery, oldest_ms: int) -> None:
        self._database = database
        self._segment = segment
        self._query = query
        self._oldest_ms = oldest_ms
        self._names = _Names(database, segment)

    def run(self, limit: int) -> Sequence[LoggedEntry]:
        where = self._conditions()
        if where is None:
            return ()
        conditions, values = where
        text = (
            f"select * from entry_$ indexed by {self._index()} where {' and '.join(conditions)} "  # noqa: S608 - ours
            f"order by {order(self._query)} limit ?"
        )
        rows = self._database.execute(schema.sql(text, self._segment), (*values, limit))
        return [self._logged(row) for row in rows]

    def _conditions(self) -> tuple[list[str], list[int | str]] | None:
        """What the rows must fulfil; None where nothing in this segment can."""
        conditions: list[str] = []
        values: list[int | str] = []
        for term in terms(self._query, oldest_ms=self._oldest_ms):
            conditions.append(term.text)
            if not term.is_name:
                values += term.values
                continue
            number = self._names.id_of(str(term.values[0]))
            if number is None:
                return None
            values.append(number)
        return conditions, values

    def _index(self) -> str:
        query = self._query
        if query.event_id is not None:
            return "entry_event_$"
        if query.subscription_sid is not None:
            return "entry_failed_subscription_$" if query.failed else "entry_subscription_$"
        if query.failed:
            return "entry_failed_$"
        return "entry_account_$" if query.sink_sid is None else "entry_sink_$"

    def _logged(self, row: sqlite3.Row) -> LoggedEntry:
        def text(column: str) -> str:
            return self._names.text(row[column])

        def optional(column: str) -> str | None:
            return None if row[column] is None else text(column)

        entry = Entry(
            kind=text("kind"),
            at_ms=row["at"],
            event_id=row["event"],
            event_type=text("type"),
            account_sid=text("account"),
            subscription_sid=text("subscription"),
            sink_sid=optional("sink"),
            sink_type=text("sink_type"),
            attempt=row["attempt"],
            duration_ms=row["duration"],
            accepted_ms=row["accepted"],
            deadline_ms=row["deadline"],
            origin=_place(text("origin_topic"), row["origin"]),
            rests_at=None if row["rest"] is None else _place(text("rest_topic"), row["rest"]),
            next_at_ms=row["next"],
            reason=optional("reason"),
            code=row["code"],
            status=row["status"],
            detail=row["detail"],
            answer=row["answer"],
        )
        return LoggedEntry(*unplace(row["place"]), entry)


def _is_beyond(last: LoggedEntry, first_ms: int, last_ms: int, *, newer: bool) -> bool:
    """Whether a segment, and so all after it, has nothing that comes before ``last``."""
    return first_ms > last.entry.at_ms if newer else last_ms < last.entry.at_ms


def _place(topic: str, rest: str) -> str:
    """``topic/partition/offset``, or the topic alone where no more is known."""
    return f"{topic}/{rest}" if rest else topic
