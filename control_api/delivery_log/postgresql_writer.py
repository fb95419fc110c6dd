"""Writes the delivery log to a PostgreSQL database that several processes share: only the one with the lock writes.

The lock belongs to the same connection that writes. So if the connection is lost, so is the lock, and nothing more can
be written through it; the next process takes over from the offsets in the database.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

import psycopg
from psycopg.rows import TupleRow

from control_api.delivery_log import postgresql_schema as schema
from control_api.delivery_log.postgresql_address import Address, Connection
from control_api.delivery_log.postgresql_rows import entry_row, event_row, is_askable, to_json
from control_api.delivery_log.segments import Bounds, Segment
from control_api.delivery_log.store import (
    AcceptedEvent,
    Lag,
    LoggedEntry,
    StoreDamagedError,
    StoreTakenError,
    StoreUnavailableError,
)
from eventstreams.kafka.records import Partition

_ROWS: Final = 1_000  # in one statement: a MiB of JSON, or ten if each row has the longest answer
_HEARD_S: Final = 15  # the writing process states its lag every second, unless a transaction takes longer
_LIMITS: Final = "set statement_timeout = '20s'; set lock_timeout = '10s'"
# Dropping waits for current readers, and blocks new ones meanwhile: so give up soon, and try again later.
_DROP_LIMIT: Final = "set local lock_timeout = '500ms'"


class PostgresqlWriter:
    """A ``LogWriter``."""

    def __init__(self, address: Address, *, retention: timedelta, max_bytes: int) -> None:
        self._address = address
        self._bounds = Bounds.of(retention, max_bytes)
        self._statements = schema.Statements(address.schema)
        self._connection: Connection | None = None
        self._is_ours = False
        self._discarded = False
        self._segments: list[Segment] = []

    @property
    def held_bytes(self) -> int:
        return sum(segment.bytes for segment in self._segments)

    def open(self, identity: str) -> Mapping[Partition, int]:
        with self._address.telling():
            self._connect()
            self._lock()
            if self._discarded or not self._fits(identity):
                self._rebuild(identity)
            self._segments = [Segment(*row) for row in self._rows(schema.SEGMENTS)]
            return {Partition(topic, number): following for topic, number, following in self._rows(schema.POSITIONS)}

    def write(
        self,
        events: Sequence[AcceptedEvent],
        entries: Sequence[LoggedEntry],
        offsets: Mapping[Partition, int],
        *,
        now_ms: int,
    ) -> None:
        with self._address.telling():
            self._trim(now_ms)
            with self._database.transaction():
                self._insert(events, entries, now_ms)
                with self._database.cursor() as cursor:
                    rows = [(*partition, following) for partition, following in offsets.items()]
                    cursor.executemany(self._statements.sql(schema.ADD_POSITION), rows)

    def tell(self, lag: Lag) -> None:
        with self._address.telling():
            self._database.execute(self._statements.sql(schema.TELL), (lag.records, lag.read_until_ms))

    def heard(self, *, now_ms: int) -> Lag | None:
        try:
            with self._address.telling(reading=True):
                told = self._rows(schema.HEARD, _HEARD_S)
        except StoreUnavailableError:
            return None
        return Lag.at(now_ms, *told[0]) if told else None

    def discard(self) -> None:
        self._discarded = True

    def close(self) -> None:
        if self._connection is None:
            return
        if self._is_ours:
            with suppress(psycopg.Error):  # closing releases the lock anyway, but a little later
                self._connection.execute("select pg_advisory_unlock_all()")
        self._connection.close()
        self._connection = None

    # -- the database ----------------------------------------------------------------------------------------

    def _connect(self) -> None:
        if self._connection is not None and not self._connection.closed:
            return
        self._is_ours = False
        self._connection = self._address.connect()
        self._connection.execute(_LIMITS)
        [(encoding,)] = self._connection.execute("show server_encoding").fetchall()
        if encoding != "UTF8":
            self.close()
            raise StoreUnavailableError(f"the database of {self._address} is in {encoding}: it must be UTF8")

    def _lock(self) -> None:
        """Keep other processes from writing as long as the connection lasts."""
        if self._is_ours:
            return
        key = int.from_bytes(hashlib.sha256(self._address.schema.encode()).digest()[:8], signed=True)
        [(locked,)] = self._database.execute("select pg_try_advisory_lock(%s)", (key,)).fetchall()
        if not locked:
            raise StoreTakenError(f"another process writes the delivery log in {self._address}")
        self._is_ours = True

    def _fits(self, identity: str) -> bool:
        """Whether the tables are of this release and contain the topics of ``identity``."""
        try:
            with self._address.telling():
                return self._rows(schema.ABOUT) == [(schema.VERSION, identity)]
        except StoreDamagedError:
            return False

    def _rebuild(self, identity: str) -> None:
        """Start with empty tables. Only our own are dropped; if somebody's view depends on one, this fails."""
        name, statements = self._address.schema, self._statements
        with self._database.transaction():
            # Check first: `create schema` needs a privilege, even if the schema exists.
            if self._database.execute("select to_regnamespace(%s)", (name,)).fetchall() == [(None,)]:
                self._database.execute(statements.sql("create schema @"))
            ours = ", ".join(f"@.{table}" for table in schema.TABLES)
            self._database.execute(statements.sql(f"drop table if exists {ours}"))
            self._database.execute(statements.sql(schema.BASE))
            self._database.execute(statements.sql(schema.ADD_ABOUT), (schema.VERSION, identity))
        self._discarded = False

    @property
    def _database(self) -> Connection:
        if self._connection is None:
            raise StoreUnavailableError(f"{self._address} is not connected")
        return self._connection

    def _rows(self, template: str, *values: object) -> list[TupleRow]:
        return self._database.execute(self._statements.sql(template), values).fetchall()

    # -- rows ------------------------------------------------------------------------------------------------

    def _trim(self, now_ms: int) -> None:
        """Begin a new segment if the newest is full, and drop segments that are too old or too much."""
        if self._bounds.wants_new(self._segments, now_ms):
            self._begin_segment(now_ms)
        while (spare := self._bounds.spare(self._segments, now_ms)) is not None:
            try:
                with self._database.transaction():
                    self._database.execute(_DROP_LIMIT)
                    self._database.execute(self._statements.sql(schema.DROP_SEGMENT, spare.id))
            except psycopg.errors.LockNotAvailable:
                return  # somebody reads for long, for example a backup: the next write tries again
            self._segments.remove(spare)

    def _begin_segment(self, now_ms: int) -> None:
        made = Segment(self._segments[-1].id + 1 if self._segments else 1, now_ms)
        with self._database.transaction():
            self._database.execute(self._statements.sql(schema.SEGMENT, made.id))
            values = (made.id, made.begun_ms, made.first_ms, made.last_ms)
            self._database.execute(self._statements.sql(schema.ADD_SEGMENT), values)
        self._segments.append(made)

    def _insert(self, events: Sequence[AcceptedEvent], entries: Sequence[LoggedEntry], now_ms: int) -> None:
        segment, oldest_ms = self._segments[-1], now_ms - self._bounds.retention_ms
        events = [event for event in events if event.accepted_ms >= oldest_ms]
        entries = [each for each in entries if each.entry.at_ms >= oldest_ms and is_askable(each)]
        for template, rows in (
            (schema.ADD_EVENTS, [event_row(event) for event in events]),
            (schema.ADD_ENTRIES, [entry_row(each) for each in entries]),
        ):
            statement = self._statements.sql(template, segment.id)
            for first in range(0, len(rows), _ROWS):
                self._database.execute(statement, (to_json(rows[first : first + _ROWS]).decode(),))
        segment.cover([*(event.accepted_ms for event in events), *(each.entry.at_ms for each in entries)])
        grown = self._statements.sql(schema.GROW_SEGMENT, segment.id)
        [(segment.bytes,)] = self._database.execute(grown, (segment.first_ms, segment.last_ms)).fetchall()
