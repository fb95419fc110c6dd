"""The entries of the attempts topic: what happened to one event's copy for one subscription. Pure.

Many entries share one record, as JSON: ``{"v": 1, "fields": [names], "entries": [[values], …]}``. The names make
records self-describing, and let later releases add fields. Entries never contain any of the event's data.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, get_args, get_type_hints

import orjson

VERSION: Final = 1
_LARGEST: Final = 2**63 - 1  # the largest integer in SQL


class EntryKind(StrEnum):
    """What happened.

    The first three are an attempt's outcome. ``died``: it became a dead letter without another attempt.
    ``redriven``: its dead letter was put on the subscription's topic again.
    """

    DELIVERED = "delivered"
    RETRY_LATER = "retry_later"
    REJECTED = "rejected"
    DIED = "died"
    REDRIVEN = "redriven"


class Entry(NamedTuple):
    """One thing that happened. A tuple, since a worker makes one for every delivery.

    Attributes:
        kind: A value of ``EntryKind``.
        at_ms: When the attempt began, or when it died, by the worker's clock.
        attempt: The attempt's number, from 1; for ``died``, how many attempts there were.
        account_sid: The subscription's account; the event may be a subaccount's.
        duration_ms: How long the attempt took for its whole batch; None without an attempt.
        accepted_ms: When the broker accepted the event; None if the record did not say.
        deadline_ms: No attempt begins at or after this; None if the record did not say.
        origin: ``topic/partition/offset`` of the copy on the subscription's topic; for ``redriven`` only the topic.
        rests_at: The same for the copy that was put on a retry or dead-letter topic; None for ``delivered``.
        next_at_ms: The earliest time of the next attempt; equal to ``deadline_ms`` if there will be none.
        reason: A value of ``RetryReason`` or ``DeadReason``; None for ``delivered``.
        code: Service error code.
        status: The destination's status code.
        detail: An explanation, at most 1 KiB.
        answer: The start of the destination's answer, at most 1 KiB.
    """

    kind: str
    at_ms: int
    event_id: str
    event_type: str
    account_sid: str
    subscription_sid: str
    sink_sid: str | None
    sink_type: str
    attempt: int
    duration_ms: int | None
    accepted_ms: int | None
    deadline_ms: int | None
    origin: str
    rests_at: str | None = None
    next_at_ms: int | None = None
    reason: str | None = None
    code: int | None = None
    status: int | None = None
    detail: str | None = None
    answer: str | None = None


Row = tuple[
    str,
    int,
    str,
    str,
    str,
    str,
    str | None,
    str,
    int,
    int | None,
    int | None,
    int | None,
    str,
    str | None,
    int | None,
    str | None,
    int | None,
    int | None,
    str | None,
    str | None,
]
"""An entry's values, in its order. Making an ``Entry`` and converting it to a tuple for encoding takes three times as
long."""

_FIELDS: Final = list(Entry._fields)
_TYPES: Final = tuple(get_args(hint) or hint for hint in get_type_hints(Entry).values())
_NUMBERS: Final = tuple(index for index, types in enumerate(_TYPES) if types is int or types == (int, type(None)))
_KINDS: Final = frozenset(EntryKind)
_COLUMNS: Final = tuple(frozenset(types if isinstance(types, tuple) else (types,)) for types in _TYPES)


class UnreadableRecordError(ValueError):
    """A record of the attempts topic that this release cannot read."""


def encode(entries: Iterable[Row]) -> bytes:
    """The value of a record with ``entries``, each an ``Entry`` or a tuple of its values.

    Raises:
        TypeError: an entry holds what JSON cannot.
    """
    return orjson.dumps({"v": VERSION, "fields": _FIELDS, "entries": [tuple(entry) for entry in entries]})


def decode(value: bytes) -> Sequence[Entry | None]:
    """The entries of a record, in order; None stands for one that is invalid or comes from a later release.

    Raises:
        UnreadableRecordError: the whole record is invalid.
    """
    try:
        content = orjson.loads(value)
        version, fields, rows = content["v"], content["fields"], content["entries"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise UnreadableRecordError(f"not a valid attempts record: {error}") from None
    if version != VERSION or not isinstance(fields, list) or not isinstance(rows, list):
        raise UnreadableRecordError(f"attempts record of version {version!r}, but this release reads version {VERSION}")
    if fields == _FIELDS:
        return list(map(Entry._make, rows)) if _are_ours(rows) else [_entry(row) for row in rows]
    return [_entry(_in_order(fields, row)) for row in rows]


def _are_ours(rows: Sequence[object]) -> bool:
    """Whether all rows are as this release writes them. Checking by column takes a third of the time of by row."""
    if any(not isinstance(row, list) or len(row) != len(_FIELDS) for row in rows):
        return False
    columns = list(zip(*rows, strict=True))
    return not columns or (
        all(map(frozenset.issuperset, _COLUMNS, (map(type, column) for column in columns)))
        and _KINDS.issuperset(columns[0])
        and all(max(filter(None, columns[index]), default=0) <= _LARGEST for index in _NUMBERS)
    )


def _in_order(fields: Sequence[object], row: object) -> object:
    """The values of ``row``, whose field names are ``fields``, in our order, with None for missing ones."""
    if not isinstance(row, list):
        return None
    values = dict(zip(map(str, fields), row, strict=False))
    return [values.get(name) for name in _FIELDS]


def _entry(row: object) -> Entry | None:
    if not isinstance(row, list) or len(row) != len(_FIELDS) or not all(map(isinstance, row, _TYPES)):
        return None
    if row[0] not in _KINDS or any((row[index] or 0) > _LARGEST for index in _NUMBERS):
        return None
    return Entry(*row)
