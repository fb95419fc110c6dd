"""What an answer of Segment means for the events of its request: the retry matrix of docs/sinks/segment.md. Pure."""

from datetime import datetime
from http import HTTPStatus
from typing import Final

import orjson

from eventstreams.sinks import DeliveryOutcome, RetryLater, RetryReason
from sink_workers.plugins.webhook import judge as http

_ABOUT_THE_KEY: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


def judge(
    status: int, body: bytes, *, retry_after: str | None, answer: str, events: int, now: datetime
) -> DeliveryOutcome:
    """What an answer says of each event of its request: as of webhooks, but for what is about the write key.

    Args:
        status: HTTP status code.
        body: Start of the answer's body.
        retry_after: The header of that name; None where there is none.
        answer: ``body`` for people, without secrets.
        events: How many there are in the request.
        now: Aware; a ``Retry-After`` in seconds counts from here.
    """
    if status in _ABOUT_THE_KEY:  # without the status: the worker would take the sink for one that works
        return RetryLater(RetryReason.SINK_UNUSABLE, f"HTTP {status}: the write key is not let in", answer=answer)
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES and _is_no(body):
        return RetryLater(RetryReason.BAD_ANSWER, f"HTTP {status}, but without success", None, status, answer)
    return http.judge(status, retry_after=retry_after, answer=answer, events=events, now=now)


def _is_no(body: bytes) -> bool:
    """Whether it says that it has not taken the events. Other servers of this API say nothing at all, or just OK."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(parsed, dict) and parsed.get("success") is False
