"""Searches one segment of the SQLite file."""

import sqlite3
from collections.abc import Sequence

from control_api.delivery_log import sqlite_schema as schema
from control_api.delivery_log.places import unplace
from control_api.delivery_log.search import Term, event_terms, order, terms
from control_api.delivery_log.sqlite_rows import read_entry
from control_api.delivery_log.store import (
    AcceptedEvent,
    EntryQuery,
    EventQuery,
    EventTally,
    LastKind,
    LoggedEntry,
    Span,
    StoreDamagedError,
    Tally,
)

Values = list[int | str]


class SegmentSearch:
    """The searches of one segment, in one state of the file. Nothing older than ``oldest_ms`` is returned."""

    def __init__(self, database: sqlite3.Connection, segment: int, oldest_ms: int) -> None:
        self._database = database
        self._segment = segment
        self._oldest_ms = oldest_ms
        self._texts: dict[int, str] = {}

    def entries(self, query: EntryQuery, limit: int) -> Sequence[LoggedEntry]:
        """The first ``limit`` matching entries, in the order of ``query``."""
        wanted = terms(query, oldest_ms=self._oldest_ms)
        where = self._where(wanted if query.event_id is None else [*wanted, Term(schema.IN_ANY_PART)])
        if where is None:
            return ()
        conditions, values = where
        rows = self._rows(
            f"{schema.ENTRY_ROWS.format(_index(query))} where {conditions} order by {order(query)} limit ?",
            *values,
            limit,
        )
        return [self._logged(row) for row in rows]

    def events(self, query: EventQuery, limit: int) -> Sequence[AcceptedEvent]:
        """The first ``limit`` matching events, in the order of ``query``."""
        where = self._where(event_terms(query, oldest_ms=self._oldest_ms))
        if where is None:
            return ()
        conditions, values = where
        rows = self._rows(
            f"{schema.EVENT_ROWS} where {conditions} order by {order(query)} limit ?",
            *values,
            limit,
        )
        return [self._event(row) for row in rows]

    def event(self, accounts: str, event_id: str) -> Sequence[AcceptedEvent]:
        """The event with this id, in a list that is empty if there is none; ``accounts``: a list as JSON."""
        return [self._event(row) for row in self._rows(schema.EVENT, event_id, self._oldest_ms, accounts)]

    def tally(self, span: Span, most: int) -> Sequence[Tally]:
        """Counts of the newest ``most`` entries in ``span``."""
        return [
            Tally(
                self._text(subscription),
                None if sink is None else self._text(sink),
                self._text(type_),
                self._text(kind),
                number,
                at_ms,
            )
            for subscription, sink, type_, kind, number, at_ms in self._within(schema.TALLY, span, most)
        ]

    def tally_events(self, span: Span, most: int) -> Sequence[EventTally]:
        """Counts of the newest ``most`` events in ``span``."""
        rows = self._within(schema.TALLY_EVENTS, span, most)
        return [EventTally(self._text(type_), number, at_ms) for type_, number, at_ms in rows]

    def last_kinds(self, account_sid: str, event_ids: Sequence[str], from_ms: int) -> Sequence[LastKind]:
        """The last entry's kind for each event and subscription with entries in this segment."""
        account = self._number(account_sid)
        if account is None:
            return ()
        template = schema.LAST_KINDS.format(", ".join("?" * len(event_ids)))
        rows = self._rows(template, account, max(from_ms, self._oldest_ms), *event_ids).fetchall()
        return [LastKind(event, self._text(sid), self._text(kind), at_ms) for event, sid, kind, at_ms in rows]

    def _within(self, template: str, span: Span, most: int) -> Sequence[sqlite3.Row]:
        account = self._number(span.account_sid)
        if account is None:
            return ()
        return self._rows(template, account, max(span.from_ms, self._oldest_ms), span.before_ms, most).fetchall()

    def _rows(self, template: str, *values: int | str) -> sqlite3.Cursor:
        return self._database.execute(schema.sql(template, self._segment), values)

    def _where(self, wanted: Sequence[Term]) -> tuple[str, Values] | None:
        """The conditions on rows, and their values; None if no row of this segment can meet them."""
        values: Values = []
        for term in wanted:
            if not term.is_name:
                values += term.values
                continue
            number = self._number(str(term.values[0]))
            if number is None:
                return None
            values.append(number)
        return " and ".join(term.text for term in wanted), values

    def _number(self, text: str) -> int | None:
        row = self._rows(schema.NAME_ID, text).fetchone()
        return None if row is None else row[0]

    def _text(self, number: int) -> str:
        if number not in self._texts:
            row = self._rows(schema.NAME, number).fetchone()
            if row is None:
                raise StoreDamagedError(f"name {number} of segment {self._segment} is missing")
            self._texts[number] = row[0]
        return self._texts[number]

    def _event(self, row: sqlite3.Row) -> AcceptedEvent:
        at_ms, place, id_, account, type_, time = row
        partition, offset, _ = unplace(place)
        return AcceptedEvent(at_ms, partition, offset, id_, self._text(account), self._text(type_), time)

    def _logged(self, row: sqlite3.Row) -> LoggedEntry:
        try:
            return read_entry(tuple(row), self._text)
        except (ValueError, TypeError) as error:
            raise StoreDamagedError(f"an entry of segment {self._segment} makes no sense: {error}") from None


def _index(query: EntryQuery) -> str:
    if query.event_id is not None:
        return "entry_event_$"
    if query.subscription_sid is not None:
        return "entry_failed_subscription_$" if query.failed else "entry_subscription_$"
    if query.failed:
        return "entry_failed_$" if query.sink_sid is None else "entry_failed_sink_$"
    return schema.BY_ACCOUNT if query.sink_sid is None else "entry_sink_$"
