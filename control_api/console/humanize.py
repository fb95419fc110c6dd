"""Puts reasons, times and counts into everyday words. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from eventstreams.reasons import DeadReason

REASONS: Final[Mapping[DeadReason, str]] = {
    DeadReason.REFUSED: "the sink refused it permanently",
    DeadReason.TOO_LARGE: "it is larger than the sink accepts",
    DeadReason.NO_SUCH_STREAM: "the stream or topic it was meant for does not exist",
    DeadReason.EXPIRED: "its deadline passed before an attempt succeeded",
    DeadReason.ATTEMPTS_USED_UP: "it reached its subscription's maximum number of attempts",
    DeadReason.SUBSCRIPTION_DELETED: "its subscription was deleted while it was waiting",
    DeadReason.TYPE_REMOVED: "its type was removed from the subscription while it was waiting",
    DeadReason.MISSING_HEADER: "its record is missing a header",
    DeadReason.BAD_HEADER: "a header of its record cannot be read",
    DeadReason.UNKNOWN_EVENT_TYPE: "its type is not in the catalogue",
    DeadReason.UNKNOWN_SCHEMA: "its schema is not in the catalogue",
    DeadReason.UNDECODABLE: "its data cannot be decoded with its schema",
}
"""Why an event could not be delivered, for people who do not know the API's terms."""
_JUST: Final = timedelta(seconds=5)
_LONG: Final = timedelta(days=30)  # from then on, the date says more
_UNITS: Final = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
    ("second", timedelta(seconds=1)),
)


def ago(at: datetime, now: datetime) -> str:
    """``at`` relative to ``now``: ``3 minutes ago``, ``in 2 hours``, ``2026-03-29``."""
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
