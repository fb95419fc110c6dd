"""Whether the next attempt at an event is late, for the console and the command line."""

from datetime import datetime, timedelta
from typing import Final

from eventstreams.times import parse_rfc3339

WORDS: Final = "its sink is held back, or no worker is running"
_LATE: Final = timedelta(seconds=10)  # the retries of a sink that is only busy are checked every second


def is_overdue(next_try_at: str, now: datetime) -> bool:
    """Whether an attempt that was due at ``next_try_at`` should have been made; False if that is no time."""
    try:
        return now - parse_rfc3339(next_try_at) > _LATE
    except ValueError:
        return False
