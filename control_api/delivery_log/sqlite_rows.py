"""Builds and reads the rows of a segment: repeated texts are numbers, unsearched values are one JSON list. Pure."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import orjson

from control_api.delivery_log.places import place, unplace
from control_api.delivery_log.store import AcceptedEvent, LoggedEntry
from eventstreams.attempts import Entry

_NONE: Final[Mapping[str, int]] = MappingProxyType({})
_SHORT: Final = 8  # values of a delivery; all other entries have those of a failure as well
_NOTHING: Final = (None,) * 6

EventRow = tuple[int, int, int, str, int, int, str]
EntryRow = tuple[int, int, int, int, int, int, str, int, int, int | None, int | None, bytes]
StoredEntry = tuple[int, int, int, int, str, int, int, int | None, int | None, bytes]


class _Names(dict[str, int]):
    """The number of each name; a new one gets the next. A fast dict: a dozen names are looked up for an event."""

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self) + 1
        return number


class SegmentRows:
    """Makes the rows of the newest segment, and keeps the names that they refer to."""

    def __init__(self, names: Mapping[str, int] = _NONE) -> None:
        """``names``: those already in the segment, numbered from 1."""
        self._names = _Names(names)
        self._told = len(self._names)

    def new_names(self) -> Sequence[tuple[int, str]]:
        """The names that are new since the last call, which must be written together with the rows."""
        fresh = [(number, text) for text, number in list(self._names.items())[self._told :]]
        self._told = len(self._names)
        return fresh

    def event(self, event: AcceptedEvent, part: int) -> EventRow:
        """The row, in the order of the table's columns."""
        at_ms, partition, offset, id_, account, type_, time = event
        return part, at_ms, place(partition, offset), id_, self._names[account], self._names[type_], time

    def entry(self, logged: LoggedEntry, part: int) -> EntryRow:
        """The row, in the order of the table's columns."""
        entry, names = logged.entry, self._names
        return (
            part,
            entry.at_ms,
            place(logged.partition, logged.offset, logged.position),
            names[entry.account_sid],
            names[entry.kind],
            int(logged.failed),
            entry.event_id,
            names[entry.event_type],
            names[entry.subscription_sid],
            None if entry.sink_sid is None else names[entry.sink_sid],
            None if entry.reason is None else names[entry.reason],
            self._more(entry),
        )

    def _more(self, entry: Entry) -> bytes:
        names = self._names
        topic, _, origin = entry.origin.partition("/")
        more: list[int | str | None] = [
            names[entry.sink_type],
            entry.attempt,
            entry.duration_ms,
            entry.accepted_ms,
            entry.deadline_ms,
            names[topic],
            origin,
            entry.status,
        ]
        last = entry.next_at_ms, entry.code, entry.detail, entry.answer
        if entry.rests_at or last != (None, None, None, None):
            rest_topic, _, rest = (entry.rests_at or "").partition("/")
            more += (names[rest_topic] if rest_topic else None, rest, *last)
        return orjson.dumps(more)


def read_entry(row: StoredEntry, text: Callable[[int], str]) -> LoggedEntry:
    """Read a row with the columns of ``ENTRY_ROWS``; ``text`` returns a name by its number.

    Raises:
        ValueError, TypeError: the row is not one of ours.
    """
    at_ms, where, account, kind, event, type_, subscription, sink, reason, more = row
    values = orjson.loads(more)
    if len(values) == _SHORT:
        values += _NOTHING
    sink_type, attempt, duration, accepted, deadline, topic, origin, status, rest_topic, rest, *last = values
    next_at_ms, code, detail, answer = last
    entry = Entry(
        kind=text(kind),
        at_ms=at_ms,
        event_id=event,
        event_type=text(type_),
        account_sid=text(account),
        subscription_sid=text(subscription),
        sink_sid=None if sink is None else text(sink),
        sink_type=text(sink_type),
        attempt=attempt,
        duration_ms=duration,
        accepted_ms=accepted,
        deadline_ms=deadline,
        origin=_place(text(topic), origin),
        rests_at=None if rest_topic is None else _place(text(rest_topic), rest),
        next_at_ms=next_at_ms,
        reason=None if reason is None else text(reason),
        code=code,
        status=status,
        detail=detail,
        answer=answer,
    )
    return LoggedEntry(*unplace(where), entry)


def _place(topic: str, rest: str) -> str:
    """``topic/partition/offset``, or just the topic if no more is known."""
    return f"{topic}/{rest}" if rest else topic
