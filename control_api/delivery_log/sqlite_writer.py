"""Writes the delivery log to a SQLite file: rows, in segments, and the offsets they came from in one transaction."""

import fcntl
import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Final

from control_api.delivery_log import sqlite_schema as schema
from control_api.delivery_log.segments import Bounds, Segment
from control_api.delivery_log.sqlite_errors import telling
from control_api.delivery_log.sqlite_rows import SegmentRows
from control_api.delivery_log.store import AcceptedEvent, Lag, LoggedEntry, StoreDamagedError, StoreUnavailableError
from eventstreams.kafka.records import Partition

_CACHE_KIB: Final = 32 << 10  # half of a segment of the default size: 70,000 rows/s, against 20,000 in one table
_MOST_WAL_BYTES: Final = 16 << 20  # its file is truncated to this size between transactions
_PRIVATE: Final = 0o600


class SqliteWriter:
    """A ``LogWriter``."""

    def __init__(self, file: Path, *, retention: timedelta, max_bytes: int) -> None:
        self._file = file
        self._bounds = Bounds.of(retention, max_bytes)
        self._stack = ExitStack()
        self._connection: sqlite3.Connection | None = None
        self._locked = False
        self._inode = 0
        self._segments: list[Segment] = []
        self._rows = SegmentRows()

    @property
    def held_bytes(self) -> int:
        return sum(segment.bytes for segment in self._segments)

    def open(self, identity: str) -> Mapping[Partition, int]:
        with telling(self._file):
            self._lock()
            self._connect()
            if not self._is_ours(identity):
                self._remove_files()
                self._connect()
                self._create(identity)
            rows = self._database.execute("select * from segment order by id")
            self._segments = [Segment(*row) for row in rows]
            if self._segments:
                names = self._database.execute(schema.sql(schema.NAMES, self._segments[-1].id))
                self._rows = SegmentRows({text: number for number, text in names})
            positions = self._database.execute("select * from position")
            return {Partition(topic, number): following for topic, number, following in positions}

    def write(
        self,
        events: Sequence[AcceptedEvent],
        entries: Sequence[LoggedEntry],
        offsets: Mapping[Partition, int],
        *,
        now_ms: int,
    ) -> None:
        self._check_file()
        with telling(self._file):
            try:
                self._database.execute("begin immediate")
                self._trim(now_ms)
                self._insert(events, entries, now_ms)
                self._database.executemany(
                    schema.ADD_POSITION, [(*partition, following) for partition, following in offsets.items()]
                )
                self._database.execute("commit")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("rollback")
                raise

    def tell(self, lag: Lag) -> None:
        """Nothing to do: no other process uses the file."""

    def heard(self, *, now_ms: int) -> Lag | None:
        """None: no other process writes the file."""

    def discard(self) -> None:
        self._disconnect()
        self._remove_files()

    def close(self) -> None:
        self._disconnect()
        self._stack.close()

    # -- the file --------------------------------------------------------------------------------------------

    def _lock(self) -> None:
        """Keep other processes from writing the same file until ``close``."""
        if self._locked:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            lock = self._stack.enter_context(self._file.with_name(f"{self._file.name}.lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._stack.close()
            raise StoreUnavailableError(f"{self._file} is in use by another process") from None
        except OSError as error:
            self._stack.close()
            raise StoreUnavailableError(f"{self._file} cannot be written: {error.strerror}") from None
        self._locked = True
        self._stack.callback(self._unlock)

    def _unlock(self) -> None:
        self._locked = False

    def _connect(self) -> None:
        self._disconnect()
        try:
            os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, _PRIVATE))  # private: it contains answers of sinks
        except OSError as error:
            raise StoreUnavailableError(f"{self._file} cannot be written: {error.strerror}") from None
        self._inode = self._file.stat().st_ino
        self._connection = sqlite3.connect(self._file, isolation_level=None)

    def _is_ours(self, identity: str) -> bool:
        """Whether the file is of this release and contains the topics of ``identity``. Sets it up for writing."""
        try:
            if (
                self._pragma("application_id") != schema.APPLICATION_ID
                or self._pragma("user_version") != schema.VERSION
            ):
                return False
            self._prepare()
            return self._database.execute("select identity from about").fetchall() == [(identity,)]
        except sqlite3.DatabaseError:
            return False

    def _create(self, identity: str) -> None:
        self._prepare()
        self._database.executescript(f"begin; {schema.BASE} commit;")
        self._database.execute("insert into about values (?)", (identity,))
        self._database.execute(f"pragma application_id = {schema.APPLICATION_ID}")
        self._database.execute(f"pragma user_version = {schema.VERSION}")

    def _prepare(self) -> None:
        self._database.execute("pragma journal_mode = wal")  # searches do not wait for us, nor we for them
        self._database.execute("pragma synchronous = normal")  # a power cut costs the last rows *and* their offsets
        self._database.execute(f"pragma cache_size = -{_CACHE_KIB}")
        self._database.execute(f"pragma journal_size_limit = {_MOST_WAL_BYTES}")

    def _check_file(self) -> None:
        """Check that nobody has removed or replaced the file.

        Raises:
            StoreDamagedError: somebody has.
        """
        try:
            same = self._file.stat().st_ino == self._inode
        except OSError:
            same = False
        if not same:
            raise StoreDamagedError(f"{self._file} was removed")

    @property
    def _database(self) -> sqlite3.Connection:
        assert self._connection is not None, "open first"
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _remove_files(self) -> None:
        self._disconnect()
        for suffix in ("", "-wal", "-shm"):
            self._file.with_name(f"{self._file.name}{suffix}").unlink(missing_ok=True)

    def _pragma(self, name: str) -> int:
        value: int = self._database.execute(f"pragma {name}").fetchone()[0]
        return value

    # -- rows ------------------------------------------------------------------------------------------------

    def _trim(self, now_ms: int) -> None:
        """Begin a new segment if the newest is full, and drop segments that are too old or too much."""
        if self._bounds.wants_new(self._segments, now_ms):
            self._begin_segment(now_ms)
        while (spare := self._bounds.spare(self._segments, now_ms)) is not None:
            self._run(schema.DROP_SEGMENT, spare.id)
            self._segments.remove(spare)

    def _begin_segment(self, now_ms: int) -> None:
        made = Segment(self._segments[-1].id + 1 if self._segments else 1, now_ms)
        self._run(schema.SEGMENT, made.id)
        self._database.execute(schema.ADD_SEGMENT, (made.id, made.begun_ms, made.first_ms, made.last_ms))
        self._segments.append(made)
        self._rows = SegmentRows()

    def _insert(self, events: Sequence[AcceptedEvent], entries: Sequence[LoggedEntry], now_ms: int) -> None:
        segment, before = self._segments[-1], self._used_bytes()
        oldest_ms = now_ms - self._bounds.retention_ms
        part = self._bounds.part(segment, schema.PARTS)
        event_rows = [self._rows.event(event, part) for event in events if event.accepted_ms >= oldest_ms]
        entry_rows = [self._rows.entry(each, part) for each in entries if each.entry.at_ms >= oldest_ms]
        self._database.executemany(schema.sql(schema.ADD_NAME, segment.id), self._rows.new_names())
        self._database.executemany(schema.sql(schema.ADD_EVENT, segment.id), event_rows)
        self._database.executemany(schema.sql(schema.ADD_ENTRY, segment.id), entry_rows)
        segment.cover([*(row[1] for row in event_rows), *(row[1] for row in entry_rows)])
        segment.bytes += self._used_bytes() - before
        self._database.execute(schema.GROW_SEGMENT, (segment.first_ms, segment.last_ms, segment.bytes, segment.id))

    def _used_bytes(self) -> int:
        return (self._pragma("page_count") - self._pragma("freelist_count")) * self._pragma("page_size")

    def _run(self, script: str, segment: int) -> None:
        # Not `executescript`: it would commit.
        for statement in schema.sql(script, segment).split(";"):
            self._database.execute(statement)
