"""Recognizes the headers of a record by their bytes, without parsing them. Pure.

The headers of two events of one account and type differ in a few values alone: an id, a time, a source. All their other
bytes are the same, and these say how long each value is. So once the headers of one event were parsed, the same bytes
around other values need no parsing: they are the same names with values in the same places.
"""

import struct
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from eventstreams import headers as names
from eventstreams.headers import Headers
from router.record_format import header_fields

_VARYING: Final = frozenset(
    {names.ID, names.SOURCE, names.TIME, names.SUBJECT, names.PARTITION_KEY, names.TRACEPARENT, names.TRACESTATE}
)
"""Headers whose values do not matter here, unless they are empty; those of all others must be the same."""
_LAYOUTS: Final = 8  # of one length that are tried; lifelike events of 100 types have up to 4
_LENGTHS: Final = 4096  # that have layouts, of about 1 KiB each; lifelike events have 80

_Found = TypeVar("_Found")
_Parts = tuple[bytes, ...]


class KnownHeaders(Generic[_Found]):
    """What was found for headers, by all of their bytes but those of values that vary from event to event."""

    def __init__(self, most: int) -> None:
        """Nothing is known yet.

        Args:
            most: How many are kept; one more, and all are forgotten. Producers may send any number.
        """
        self._most = most
        self._known: dict[_Parts, _Found] = {}
        self._layouts: dict[int, list[Callable[[bytes], _Parts]]] = {}
        """By the length of all headers: each takes out of them what must be the same."""

    def find(self, encoded: bytes) -> _Found | None:
        """What was added for headers that differ from ``encoded`` in values that vary alone; None: nothing."""
        for parts_of in self._layouts.get(len(encoded), ()):
            found = self._known.get(parts_of(encoded))
            if found is not None:
                return found
        return None

    def add(self, headers: Headers, found: _Found) -> None:
        """Keep ``found`` for all that have ``headers``, whatever their values that vary are."""
        encoded = header_fields(headers)
        parts_of = struct.Struct(_layout(headers)).unpack
        parts = parts_of(encoded)
        if len(self._known) >= self._most or len(self._layouts) >= _LENGTHS:
            self._known.clear()
            self._layouts.clear()
        layouts = self._layouts.setdefault(len(encoded), [])
        if not any(parts == other(encoded) for other in layouts):
            layouts.insert(0, parts_of)
            del layouts[_LAYOUTS:]
        self._known[parts] = found

    def forget(self) -> None:
        """Forget what was found, not what headers look like."""
        self._known.clear()


def _layout(headers: Headers) -> str:
    """A format of ``struct`` that skips the values that vary.

    Each part ends with the length of the value that is skipped behind it. So equal parts are of headers in which the
    same values are skipped, and one layout cannot be taken for another.
    """
    parts, kept = [], 0
    for name, value in headers:
        kept += len(header_fields([(name, value)]))
        if name in _VARYING and value:
            parts.append(f"{kept - len(value)}s{len(value)}x")
            kept = 0
    return "".join((*parts, f"{kept}s"))
