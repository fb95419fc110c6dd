"""Rows of one segment: texts that repeat become numbers. Pure."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from control_api.delivery_log.places import place
from control_api.delivery_log.store import AcceptedEvent, LoggedEntry

_NONE: Final[Mapping[str, int]] = MappingProxyType({})

EventRow = tuple[int, int, str, int, int, str]
EntryRow = tuple[int, *tuple[int | str | None, ...]]


class SegmentRows:
    """Makes the rows of the newest segment, and knows the names that they lean on."""

    def __init__(self, names: Mapping[str, int] = _NONE) -> None:
        """``names``: those that are in the segment, with numbers from 1 on."""
        self._names = dict(names)
        self._told = len(self._names)

    def new_names(self) -> Sequence[tuple[int, str]]:
        """Those that rows were made with since this was asked last; to be written with them."""
        fresh = [(number, text) for text, number in list(self._names.items())[self._told :]]
        self._told = len(self._names)
        return fresh

    def event(self, event: AcceptedEvent) -> EventRow:
        """In the order of the table's columns."""
        account, type_ = self._name(event.account_sid), self._name(event.type)
        return event.accepted_ms, place(event.partition, event.offset), event.id, account, type_, event.time

    def entry(self, logged: LoggedEntry) -> EntryRow:
        """In the order of the table's columns."""
        entry = logged.entry
        origin_topic, _, origin = entry.origin.partition("/")
        rest_topic, _, rest = (entry.rests_at or "").partition("/")
        return (
            entry.at_ms,
            place(logged.partition, logged.offset, logged.position),
            self._name(entry.kind),
            int(logged.failed),
            entry.event_id,
            self._name(entry.event_type),
            self._name(entry.account_sid),
            self._name(entry.subscription_sid),
            self._optional(entry.sink_sid),
            self._name(entry.sink_type),
            entry.attempt,
            entry.duration_ms,
            entry.accepted_ms,
            entry.deadline_ms,
            self._name(origin_topic),
            origin,
            self._optional(rest_topic or None),
            rest if rest_topic else None,
            entry.next_at_ms,
            self._optional(entry.reason),
            entry.code,
            entry.status,
            entry.detail,
            entry.answer,
        )

    def _name(self, text: str) -> int:
        return self._names.setdefault(text, len(self._names) + 1)

    def _optional(self, text: str | None) -> int | None:
        return None if text is None else self._name(text)
