"""Maps an answer to the outcome of the events of its request: the reference's retry matrix. Pure."""

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
# Errors about the body. In a batch, one event may be the cause; which one, only a request of its own shows.
_ABOUT_THE_BODY: Final = frozenset({400, 413, 422})


def judge(status: int, *, retry_after: str | None, answer: str, events: int, now: datetime) -> DeliveryOutcome:
    """The outcome of each event of a request that was answered with ``status``.

    Args:
        status: HTTP status code.
        retry_after: The header of that name; None if there is none.
        answer: The start of the answer's body, for people.
        events: The number of events in the request.
        now: The current time, timezone-aware, from which a ``Retry-After`` in seconds counts.
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
        alone = f"{detail} for {events} events: each is retried separately"
        return RetryLater(RetryReason.BAD_ANSWER, alone, None, status, answer)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Rejected(DeadReason.TOO_LARGE, detail, status, answer)
    if status in _REFUSED:
        return Rejected(DeadReason.REFUSED, detail, status, answer)
    if status in _REDIRECT:
        return RetryLater(RetryReason.REDIRECTED, f"{detail}: redirects are not followed", None, status, answer)
    return RetryLater(RetryReason.BAD_ANSWER, detail, None, status, answer)


def _not_before(retry_after: str, now: datetime) -> datetime | None:
    """The time that ``Retry-After`` names, in seconds or as a date; None if it is neither."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return now + min(timedelta(seconds=int(text[:9])), _MAX_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter for impossible numbers
        return None
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(aware, now), now + _MAX_RETRY_AFTER)
