"""Recognizes a record's encoded headers by their bytes, without parsing them. No I/O.

The headers of two events of one account and type differ only in a few values: an id, a time, a source. All their other
bytes are the same, among them the length of each value. So once one event's headers were parsed, the same bytes around
other values need no parsing: they have the same names, with values in the same positions.
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
"""Headers whose values are ignored here unless they are empty; the values of all others must be the same."""
_LAYOUTS: Final = 8  # tried for headers of one length; realistic events of 100 types need up to 4
_LENGTHS: Final = 4096  # distinct lengths that are kept, about 1 KiB each; realistic events have 80

_Found = TypeVar("_Found")
_Parts = tuple[bytes, ...]


class KnownHeaders(Generic[_Found]):
    """A cache keyed by a record's encoded headers, leaving out the values that vary from event to event."""

    def __init__(self, most: int) -> None:
        """Start empty.

        Args:
            most: Most entries kept; one more clears the cache. A bound, since producers may send any number.
        """
        self._most = most
        self._known: dict[_Parts, _Found] = {}
        self._layouts: dict[int, list[Callable[[bytes], _Parts]]] = {}
        """Total length of the headers → functions that each extract the bytes that must be the same."""

    def find(self, encoded: bytes) -> _Found | None:
        """Return what was added for headers that differ from ``encoded`` only in varying values; None if nothing."""
        for parts_of in self._layouts.get(len(encoded), ()):
            found = self._known.get(parts_of(encoded))
            if found is not None:
                return found
        return None

    def add(self, headers: Headers, found: _Found) -> None:
        """Keep ``found`` for all headers that equal ``headers`` except in varying values, of the same lengths."""
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
        """Remove all entries but keep the layouts, which stay valid."""
        self._known.clear()


def _layout(headers: Headers) -> str:
    """Return a ``struct`` format that skips the varying values.

    Each part ends with the length of the value skipped behind it. So headers with equal parts have the same values
    skipped, and one layout cannot be mistaken for another.
    """
    parts, kept = [], 0
    for name, value in headers:
        kept += len(header_fields([(name, value)]))
        if name in _VARYING and value:
            parts.append(f"{kept - len(value)}s{len(value)}x")
            kept = 0
    return "".join((*parts, f"{kept}s"))
