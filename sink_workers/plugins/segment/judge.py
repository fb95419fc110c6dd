"""What an answer of Segment means for the events of its request: the retry matrix of docs/sinks/segment.md. Pure."""

from datetime import datetime
from http import HTTPStatus
from typing import Final

import orjson

from eventstreams.sinks import DeliveryOutcome, RetryLater, RetryReason
from sink_workers.plugins.webhook import judge as http

_ABOUT_THE_KEY: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


def judge(
    status: int, body: bytes, *, is_whole: bool, retry_after: str | None, answer: str, events: int, now: datetime
) -> DeliveryOutcome:
    """What an answer says of each event of its request: as of webhooks, but for what is about the write key.

    Args:
        status: HTTP status code.
        body: Start of the answer's body, as far as it can be read.
        is_whole: It is all of it.
        retry_after: The header of that name; None where there is none.
        answer: ``body`` for people, without secrets.
        events: How many there are in the request.
        now: Aware; a ``Retry-After`` in seconds counts from here.
    """
    if status in _ABOUT_THE_KEY:  # without the status: the worker would take the sink for one that works
        return RetryLater(RetryReason.SINK_UNUSABLE, f"HTTP {status}: the write key is not let in", answer=answer)
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES and (doubt := _doubt(body, is_whole=is_whole)):
        return RetryLater(RetryReason.BAD_ANSWER, f"HTTP {status}, but {doubt}", None, status, answer)
    return http.judge(status, retry_after=retry_after, answer=answer, events=events, now=now)


def _doubt(body: bytes, *, is_whole: bool) -> str:
    """Why it does not say that the events were taken; empty where it does.

    Other servers of this API say nothing at all, or just OK, or show a page. What is JSON as far as it can be read, or
    cannot be read at all, may say that they were not.
    """
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        is_no_json = body and not body.lstrip().startswith(b"{")
        return "" if is_whole or is_no_json else "what it says broke off, is too long, or compressed"
    return "without success" if isinstance(parsed, dict) and parsed.get("success") is False else ""
