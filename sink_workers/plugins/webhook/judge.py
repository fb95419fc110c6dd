"""What an answer means for the events of its request: the reference's retry matrix. Pure."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from eventstreams.sinks import DeadReason, Delivered, DeliveryOutcome, Rejected, RetryLater, RetryReason

_MAX_RETRY_AFTER: Final = timedelta(days=1)  # far beyond any deadline; keeps date arithmetic in range
OK: Final = range(200, 300)
_REDIRECT: Final = range(300, 400)
_REFUSED: Final = range(400, 500)
_BROKEN: Final = range(500, 600)
# Said of the body. In a batch one event may be the cause; which one, only its own answer tells.
_ABOUT_THE_BODY: Final = frozenset({400, 413, 422})


def judge(status: int, *, retry_after: str | None, answer: str, events: int, now: datetime) -> DeliveryOutcome:
    """What an answer with ``status`` says of each event.

    Args:
        status: HTTP status code.
        retry_after: The header of that name; None where there is none.
        answer: Start of the answer's body, for people.
        events: How many there are in the request.
        now: Aware; a ``Retry-After`` in seconds counts from here.
    """
    if status in OK:
        return Delivered(status)
    detail = f"HTTP {status}"
    not_before = None if retry_after is None else _not_before(retry_after, now)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RetryLater(RetryReason.THROTTLED, detail, not_before, status, answer)
    if status in _BROKEN:
        return RetryLater(RetryReason.SERVER_ERROR, detail, not_before, status, answer)
    if status in _ABOUT_THE_BODY and events > 1:
        alone = f"{detail} for {events} events: each is tried again alone"
        return RetryLater(RetryReason.BAD_ANSWER, alone, None, status, answer)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Rejected(DeadReason.TOO_LARGE, detail, status, answer)
    if status in _REFUSED:
        return Rejected(DeadReason.REFUSED, detail, status, answer)
    if status in _REDIRECT:
        return RetryLater(RetryReason.REDIRECTED, f"{detail}: redirects are not followed", None, status, answer)
    return RetryLater(RetryReason.BAD_ANSWER, detail, None, status, answer)


def _not_before(retry_after: str, now: datetime) -> datetime | None:
    """The moment that ``Retry-After`` names, in seconds or as a date; None where it is neither."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return now + min(timedelta(seconds=int(text[:9])), _MAX_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter of numbers that no clock has
        return None
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(aware, now), now + _MAX_RETRY_AFTER)
