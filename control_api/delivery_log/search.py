"""Builds the conditions of a search, in SQL that every store understands. Pure.

It uses the columns at, place, account, subscription, sink, kind, reason, event, failed, and type for events.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from control_api.delivery_log.places import place
from control_api.delivery_log.store import EntryQuery, EventQuery, Mark


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. ``text`` has a ``?`` for each of ``values``; ``is_name``: its value is an often repeated text."""

    text: str
    values: tuple[int | str, ...] = ()
    is_name: bool = False


def terms(query: EntryQuery, *, oldest_ms: int) -> Sequence[Term]:
    """All conditions that a row must meet; nothing older than ``oldest_ms`` does."""
    found = [Term("at >= ?", (max(query.from_ms, oldest_ms),)), Term("account = ?", (query.account_sid,), is_name=True)]
    for column, text in (
        ("subscription", query.subscription_sid),
        ("sink", query.sink_sid),
        ("kind", query.kind),
        ("reason", query.reason),
    ):
        if text is not None:
            found.append(Term(f"{column} = ?", (text,), is_name=True))
    if query.event_id is not None:
        found.append(Term("event = ?", (query.event_id,)))
    if query.failed:
        found.append(Term("failed = 1"))
    return [*found, *_bounds(query.before_ms, query.mark, newer=query.newer)]


def event_terms(query: EventQuery, *, oldest_ms: int) -> Sequence[Term]:
    """Like ``terms``, for rows of events."""
    found = [Term("at >= ?", (max(query.from_ms, oldest_ms),)), Term("account = ?", (query.account_sid,), is_name=True)]
    if query.type is not None:
        found.append(Term("type = ?", (query.type,), is_name=True))
    return [*found, *_bounds(query.before_ms, query.mark, newer=query.newer)]


def _bounds(before_ms: int | None, mark: Mark | None, *, newer: bool) -> Sequence[Term]:
    found = []
    if before_ms is not None:
        found.append(Term("at < ?", (before_ms,)))
    if mark is not None:
        at_ms, *rest = mark
        found.append(Term(f"(at, place) {'>' if newer else '<'} (?, ?)", (at_ms, place(*rest))))
    return found


def order(query: EntryQuery | EventQuery) -> str:
    """The sort order in which a search reads rows."""
    direction = "asc" if query.newer else "desc"
    return f"at {direction}, place {direction}"
