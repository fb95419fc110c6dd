"""Formats figures, times and foreign texts for pages. Pure."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from eventstreams.cli.terminal import harmless, harmless_lines

_LONGEST: Final = 300  # characters of foreign text on one line
_UNITS: Final = ("B", "KiB", "MiB", "GiB")
_KIB: Final = 1024
_FEW: Final = 100


def shown(value: object, longest: int = _LONGEST) -> str:
    r"""Foreign text on one line: characters that reverse, hide or break text become ``\u202e`` and the like; cut."""
    return harmless(str(value), longest=longest)


def shown_text(text: str) -> str:
    """Like ``shown``, but with several lines and of any length."""
    return harmless_lines(text)


def instant(text: str) -> str:
    """A time to the millisecond, in UTC."""
    at = _moment(text)
    return text if at is None else f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"


def utc(text: str) -> str:
    """The value of a time field in the API's format. Browsers' fields have no zone, and their labels say UTC.

    A text that is not a time is unchanged: the API says what it expects.
    """
    at = _moment(text)
    return text if at is None else at.isoformat().replace("+00:00", "Z")


def field_time(text: str) -> str:
    """A time in the format of a browser's time field, in UTC; empty if it is not a time."""
    at = _moment(text)
    return "" if at is None else f"{at:%Y-%m-%dT%H:%M:%S}"


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # the latter if it is before the year 1 or after 9999 in UTC
        return None


def rate(per_s: float) -> str:
    """Events a second, with a decimal if there are fewer than 100."""
    if not per_s:
        return "0"
    return f"{per_s:,.0f}" if per_s >= _FEW else f"{per_s:.1f}"


def share(part: float, whole: float) -> str:
    """``part`` of ``whole`` in percent, rounded down, so that only all is 100 %; empty if ``whole`` is 0."""
    if not whole:
        return ""
    return f"{int(1000 * part / whole) / 10:g} %"


def size(number: float) -> str:
    """A number of bytes in binary units."""
    for unit in _UNITS[:-1]:
        if number < _KIB:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= _KIB
    return f"{number:.1f} {_UNITS[-1]}"


FIGURES: Final[Mapping[str, Callable[..., str]]] = {
    "shown": shown,
    "shown_text": shown_text,
    "instant": instant,
    "field_time": field_time,
    "rate": rate,
    "share": share,
    "bytes": size,
}
"""The filters of templates, by name."""
