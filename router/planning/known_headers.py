"""Recognizes a record's encoded headers by their bytes, without parsing them. No I/O.

The headers of two events of one account and type differ only in a few values: an id, a time, a source. All their other
bytes are the same, among them the length of each value. So once one event's headers were parsed, the same bytes around
other values need no parsing: they have the same names, with values in the same positions.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from eventstreams import headers as names
from eventstreams.headers import Headers
from router.record_format import header_fields

_VARYING: Final = frozenset(
    {names.ID, names.SOURCE, names.TIME, names.SUBJECT, names.PARTITION_KEY, names.TRACEPARENT, names.TRACESTATE}
)
"""Headers whose values are ignored here unless they are empty; the values of all others must be the same."""
_LAYOUTS: Final = 8  # kept for headers of one length; realistic events of 100 types need up to 4
_SELDOM: Final = 16  # where there are as many, one of so many unknown headers is taken: others may be in use
_LENGTHS: Final = 4096  # distinct lengths that are kept, about 1 KiB each; realistic events have 80
_LONGEST_BYTES: Final = 4096  # longer headers are not kept, nor more of them: these two bound the memory of an entry
_MOST_HEADERS: Final = 32

_EMPTY: Final[Mapping[str, Any]] = {}

_Found = TypeVar("_Found")
_Parts = tuple[bytes, ...]
_Layout = tuple[Callable[[bytes], _Parts], dict[_Parts, _Found]]
"""Extracts the bytes that must be the same, and what was added for headers that have these."""


class KnownHeaders(Generic[_Found]):
    """A cache keyed by a record's encoded headers, leaving out the values that vary from event to event."""

    def __init__(self, most: int) -> None:
        """Start empty.

        Args:
            most: Most entries kept; one more clears the cache. A bound, since producers may send any number.
        """
        self._most = most
        self._entries = 0
        self._missed = 0
        self._layouts: dict[int, dict[str, _Layout[_Found]]] = {}
        """Total length of the headers → format → layout. Each has entries of its own: cut as another layout says, the
        bytes of headers may be anything."""

    def find(self, encoded: bytes) -> _Found | None:
        """Return what was added for headers that differ from ``encoded`` only in varying values; None if nothing."""
        for parts_of, known in self._layouts.get(len(encoded), _EMPTY).values():
            found = known.get(parts_of(encoded))
            if found is not None:
                return found
        return None

    def wants(self, length: int) -> bool:
        """Whether headers of this total length that are not known are to be added. They need not be."""
        if length > _LONGEST_BYTES:
            return False
        if len(self._layouts.get(length, _EMPTY)) < _LAYOUTS:
            return True
        self._missed += 1
        return self._missed % _SELDOM == 0

    def add(self, headers: Headers, found: _Found) -> None:
        """Keep ``found`` for all headers that equal ``headers`` except in varying values, of the same lengths."""
        if len(headers) > _MOST_HEADERS:
            return
        encoded = header_fields(headers)
        if len(encoded) > _LONGEST_BYTES:
            return
        if self._entries >= self._most or len(self._layouts) >= _LENGTHS:
            self._layouts.clear()
            self._entries = 0
        layouts = self._layouts.setdefault(len(encoded), {})
        form = _layout(headers)
        if form not in layouts:
            if len(layouts) >= _LAYOUTS:
                _, gone = layouts.pop(next(iter(layouts)))
                self._entries -= len(gone)
            layouts[form] = struct.Struct(form).unpack, {}
        parts_of, known = layouts[form]
        self._entries -= len(known)
        known[parts_of(encoded)] = found
        self._entries += len(known)

    def forget(self) -> None:
        """Remove all entries but keep the layouts, which stay valid."""
        for layouts in self._layouts.values():
            for _, known in layouts.values():
                known.clear()
        self._entries = 0


def _layout(headers: Headers) -> str:
    """Return a ``struct`` format that skips the varying values.

    Headers with equal parts by one format have the same names, and values of the same lengths, in the same positions:
    each part ends with the length of the value that the format skips behind it.
    """
    parts, kept = [], 0
    for name, value in headers:
        kept += len(header_fields([(name, value)]))
        if name in _VARYING and value:
            parts.append(f"{kept - len(value)}s{len(value)}x")
            kept = 0
    return "".join((*parts, f"{kept}s"))
