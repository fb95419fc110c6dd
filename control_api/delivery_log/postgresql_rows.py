"""Converts events and entries to rows for PostgreSQL, as JSON. Pure."""

from collections.abc import Sequence
from typing import Final

import orjson

from control_api.delivery_log.places import place
from control_api.delivery_log.postgresql_schema import ENTRY_COLUMNS, EVENT_COLUMNS
from control_api.delivery_log.store import AcceptedEvent, LoggedEntry

_LONGEST_NAME: Final = 500  # characters; an index takes 2,700 bytes
_NUL: Final = "\0"  # PostgreSQL's texts can contain every character but this one
_FOR_NUL: Final = "\N{REPLACEMENT CHARACTER}"

Row = dict[str, int | str | None]


def event_row(event: AcceptedEvent) -> Row:
    at, partition, offset, id_, account, type_, time = event
    return dict(zip(EVENT_COLUMNS, (at, place(partition, offset), id_, account, type_, time), strict=True))


def entry_row(logged: LoggedEntry) -> Row:
    where = place(logged.partition, logged.offset, logged.position)
    return dict(zip(ENTRY_COLUMNS, (where, int(logged.failed), *logged.entry), strict=True))


def is_askable(logged: LoggedEntry) -> bool:
    """Whether its SIDs are short enough for an index; ours always are."""
    entry = logged.entry
    return max(len(entry.account_sid), len(entry.subscription_sid), len(entry.sink_sid or "")) <= _LONGEST_NAME


def to_json(rows: Sequence[Row]) -> bytes:
    """All ``rows`` as one parameter.

    Raises:
        TypeError: an integer has more than 64 bits.
    """
    text = orjson.dumps(rows)
    if rb"\u0000" not in text:
        return text
    return orjson.dumps([{name: plain(value) for name, value in row.items()} for row in rows])


def plain(value: int | str | None) -> int | str | None:
    """``value`` as PostgreSQL can store it."""
    return value.replace(_NUL, _FOR_NUL) if isinstance(value, str) else value
