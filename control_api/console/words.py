"""Things in the words of people. Pure."""

from datetime import datetime, timedelta
from typing import Final

_JUST: Final = timedelta(seconds=5)
_LONG: Final = timedelta(days=30)  # then the day says more
_UNITS: Final = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
    ("second", timedelta(seconds=1)),
)


def ago(at: datetime, now: datetime) -> str:
    """How long ``at`` is before ``now``, or after it: ``3 minutes ago``, ``in 2 hours``, ``2026-03-29``."""
    distance = abs(now - at)
    if distance < _JUST:
        return "just now"
    if distance > _LONG:
        return f"{at:%Y-%m-%d}"
    name, unit = next((each for each in _UNITS if distance >= each[1]), _UNITS[-1])
    words = counted(distance // unit, name)
    return f"{words} ago" if at < now else f"in {words}"


def counted(number: int, noun: str) -> str:
    """``1 event``, ``2 events``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
