"""Decides when a store begins a new segment, and which ones it drops. The same rule for every store. Pure.

Rows go to the newest segment; the others are only kept until they are dropped as a whole. Segments follow the order of
writing, not the rows' times, so that a worker's wrong clock, or a week that is read in an hour, cannot make too many or
too large ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

_SEGMENTS: Final = 32  # in a full log, which shrinks by one at a time; a search asks each
_BEYOND: Final = 1 << 62  # later than any time


@dataclass(slots=True)
class Segment:
    """One segment; ``first_ms`` and ``last_ms`` are the times of its earliest and latest rows."""

    id: int
    begun_ms: int
    first_ms: int = _BEYOND
    last_ms: int = 0
    bytes: int = 0

    def cover(self, times: Sequence[int]) -> None:
        """Note that it has rows with these times."""
        if times:
            self.first_ms, self.last_ms = min(self.first_ms, *times), max(self.last_ms, *times)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of a store in time and size."""

    retention_ms: int
    max_bytes: int

    @classmethod
    def of(cls, retention: timedelta, max_bytes: int) -> Self:
        return cls(retention // timedelta(milliseconds=1), max_bytes)

    def wants_new(self, segments: Sequence[Segment], now_ms: int) -> bool:
        """Whether the next rows go to a new segment, because the last one is full or old enough."""
        if not segments:
            return True
        newest = segments[-1]
        is_old = newest.last_ms > 0 and now_ms - newest.begun_ms >= self.retention_ms // _SEGMENTS
        return is_old or newest.bytes >= self.max_bytes // _SEGMENTS

    def part(self, segment: Segment, parts: int) -> int:
        """Which of ``parts`` equal parts of ``segment``, counted from 0, the next rows go to, by its present size."""
        return min(segment.bytes * parts * _SEGMENTS // max(self.max_bytes, 1), parts - 1)

    def spare(self, segments: Sequence[Segment], now_ms: int) -> Segment | None:
        """The segment to drop because it is too old or there is too much; never the newest. None if all may stay."""
        if len(segments) < 2:  # noqa: PLR2004 - the newest and another
            return None
        oldest = min(segments[:-1], key=lambda segment: segment.last_ms)
        held = sum(segment.bytes for segment in segments)
        return oldest if oldest.last_ms < now_ms - self.retention_ms or held >= self.max_bytes else None
