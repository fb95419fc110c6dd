"""Durations as people write them: ``500ms``, ``5s``, ``2m``, ``4h``, ``1d``."""

import re
from datetime import timedelta
from typing import Final

_UNITS: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_MAX_SHOWN: Final = 40
_FORM: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")


def parse_duration(text: str) -> timedelta:
    """The duration that ``text`` states.

    Raises:
        ValueError: not a number with a unit (the message lists the units), or too long.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write a number followed by ms, s, m, h or d, such as 30s or 4h")
    try:
        return float(match[1]) * _UNITS[match[2]]
    except OverflowError:
        raise ValueError(f"{text[:_MAX_SHOWN]!r} is too long") from None


def format_duration(span: timedelta) -> str:
    """The shortest exact spelling, such as ``2m`` for 120 seconds; fractions of a millisecond are dropped."""
    for unit in ("d", "h", "m", "s"):
        if span and span % _UNITS[unit] == timedelta():
            return f"{span // _UNITS[unit]}{unit}"
    return f"{span // _UNITS['ms']}ms"
