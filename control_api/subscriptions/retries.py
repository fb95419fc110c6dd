"""Parses a subscription's own retry settings, ``RetryDelays`` and ``MaxAttempts``. Pure."""

from datetime import timedelta
from itertools import pairwise
from typing import Final

from eventstreams.durations import format_duration, parse_duration
from eventstreams.http import RefusedError

_MOST_DELAYS: Final = 10  # doubling from a second, ten cover a quarter of an hour
_MOST_ATTEMPTS: Final = 1000  # far more than fit before a deadline
_LEAST: Final = timedelta(seconds=1)
_MILLISECOND: Final = timedelta(milliseconds=1)


def delays_ms(text: str, longest: timedelta) -> tuple[int, ...] | None:
    """Parse ``RetryDelays``, such as ``10s,1m,10m``; None for an empty text: the installation's delays.

    Raises:
        RefusedError: it is invalid.
    """
    if not text:
        return None
    try:
        delays = [parse_duration(each) for each in text.split(",", _MOST_DELAYS)]
    except (ValueError, OverflowError):
        delays = []
    grow = all(first < second for first, second in pairwise(delays))
    if not 1 <= len(delays) <= _MOST_DELAYS or not grow or not all(_LEAST <= each <= longest for each in delays):
        raise RefusedError(
            f"RetryDelays must be 1 to {_MOST_DELAYS} increasing durations from 1s to {format_duration(longest)}, "
            "such as 10s,1m,10m: the longest delay after each attempt; or empty for the installation's delays"
        )
    return tuple(each // _MILLISECOND for each in delays)


def max_attempts(text: str) -> int | None:
    """Parse ``MaxAttempts``; None for an empty text: no limit.

    Raises:
        RefusedError: it is invalid.
    """
    if not text:
        return None
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(_MOST_ATTEMPTS)) else 0
    if not 1 <= number <= _MOST_ATTEMPTS:
        raise RefusedError(
            f"MaxAttempts must be an integer from 1, which means no second attempt, to {_MOST_ATTEMPTS}, or empty"
        )
    return number
