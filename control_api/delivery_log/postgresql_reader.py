"""Searches the PostgreSQL database of the delivery log. Works with or without a writer in this process."""

import queue
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import psycopg
from psycopg.rows import TupleRow

from control_api.delivery_log import postgresql_schema as schema
from control_api.delivery_log.places import unplace
from control_api.delivery_log.postgresql_address import Address, Connection
from control_api.delivery_log.postgresql_rows import plain
from control_api.delivery_log.search import Term, event_terms, order, terms
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
from eventstreams.attempts import Entry
from eventstreams.times import Clock

_SEARCH_S: Final = 5.0
# JIT compilation takes longer than a search. Without bitmap scans, a search follows an index in the order of its answer
# and stops after a page; the planner, misjudging its size, would rather fetch and sort all of a subscription.
_MANNER: Final = "set default_transaction_read_only = on; set jit = off; set enable_bitmapscan = off"


class PostgresqlReader:
    """A ``LogReader``. Keeps idle connections for later searches."""

    def __init__(self, address: Address, *, retention_ms: int, clock: Clock, search_s: float = _SEARCH_S) -> None:
        self._address = address
        self._retention_ms = retention_ms
        self._clock = clock
        self._search_ms = max(int(search_s * 1000), 1)  # 0 would mean no limit
        self._statements = schema.Statements(address.schema)
        self._idle: queue.SimpleQueue[Connection] = queue.SimpleQueue()

    def entries(self, query: EntryQuery) -> Sequence[LoggedEntry]:
        rows = self._page(schema.ENTRIES, terms(query, oldest_ms=self._oldest_ms()), query)
        found = [LoggedEntry(*unplace(place), Entry(*rest)) for place, _, *rest in rows]
        return found[::-1] if query.newer else found

    def events(self, query: EventQuery) -> Sequence[AcceptedEvent]:
        rows = self._page(schema.EVENTS, event_terms(query, oldest_ms=self._oldest_ms()), query)
        found = [AcceptedEvent(at, *unplace(place)[:2], *rest) for at, place, *rest in rows]
        return found[::-1] if query.newer else found

    def tally(self, span: Span) -> Sequence[Tally]:
        return [Tally(*row) for row in self._ask(schema.TALLY, *self._within(span))]

    def tally_events(self, span: Span) -> Sequence[EventTally]:
        return [EventTally(*row) for row in self._ask(schema.TALLY_EVENTS, *self._within(span))]

    def last_kinds(self, account_sid: str, event_ids: Sequence[str], from_ms: int) -> Sequence[LastKind]:
        ids = [str(plain(each)) for each in event_ids]
        rows = self._ask(schema.LAST_KINDS, ids, account_sid, max(from_ms, self._oldest_ms()))
        return [LastKind(*row) for row in rows]

    def event(self, accounts: Sequence[str], event_id: str) -> AcceptedEvent | None:
        rows = self._ask(schema.EVENT, event_id, list(accounts), self._oldest_ms())
        for at, place, *rest in rows:
            partition, offset, _ = unplace(place)
            return AcceptedEvent(at, partition, offset, *rest)
        return None

    def close(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def _oldest_ms(self) -> int:
        return self._clock() - self._retention_ms

    def _within(self, span: Span) -> tuple[str, int, int, int]:
        return span.account_sid, max(span.from_ms, self._oldest_ms()), span.before_ms, span.most

    def _page(self, table: str, wanted: Sequence[Term], query: EntryQuery | EventQuery) -> Sequence[TupleRow]:
        conditions = " and ".join(term.text for term in wanted).replace("?", "%s")
        return self._ask(
            f"{table} where {conditions} order by {order(query)} limit %s offset %s",
            *(value for term in wanted for value in term.values),
            query.limit,
            query.skip,
        )

    def _ask(self, template: str, *values: int | str | list[str]) -> Sequence[TupleRow]:
        statement = self._statements.sql(template)
        with self._address.telling(reading=True):
            while True:
                kept = self._kept()
                connection = self._connect() if kept is None else kept
                try:
                    rows = connection.execute(
                        statement, [value if isinstance(value, list) else plain(value) for value in values]
                    ).fetchall()
                except psycopg.Error:
                    if kept is not None and connection.closed:
                        continue  # the server was restarted meanwhile: try another connection
                    connection.close()
                    raise
                self._idle.put(connection)
                return rows

    def _kept(self) -> Connection | None:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return None

    def _connect(self) -> Connection:
        connection = self._address.connect()
        try:
            connection.execute(f"set statement_timeout = {self._search_ms}; {_MANNER}")
            self._check(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: Connection) -> None:
        """Refuse to read what another release has written."""
        about = connection.execute(self._statements.sql(schema.ABOUT)).fetchall()
        if [version for version, _ in about] != [schema.VERSION]:
            raise StoreUnavailableError(
                f"the delivery log in {self._address} belongs to another release, or is being created"
            )
