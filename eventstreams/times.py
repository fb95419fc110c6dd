"""Times in the wire formats. Internally, times are aware UTC ``datetime`` or ``*_ms`` since the epoch."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

# Linux's monotonic clock stands still while the machine is suspended; those of others do not.
_ELAPSED: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

Clock = Callable[[], int]
"""Returns milliseconds since the epoch. Injected, so that tests can control it."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def elapsed_s() -> float:
    """Seconds since some moment, to measure what other machines measure too: also while this one was suspended."""
    return time.clock_gettime(_ELAPSED)


def from_ms(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def to_ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def rfc3339_ms(at: datetime) -> str:
    """``2026-03-29T04:01:02.345Z``: the format in delivered events."""
    in_utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return f"{in_utc.isoformat(timespec='milliseconds')[:-6]}Z"  # without +00:00


def rfc3339_s(at: datetime) -> str:
    """``2026-03-29T04:01:02Z``: the format in the API's resources; the official client reads only this."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_rfc3339(text: str) -> datetime:
    """The aware time that ``text`` states, in UTC.

    Raises:
        ValueError: not RFC 3339, or without an offset.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no UTC offset: end it with Z")
    return at.astimezone(UTC)
