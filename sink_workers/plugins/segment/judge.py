"""Maps Segment's answers to outcomes for the events of a request: the retry matrix of docs/sinks/segment.md. Pure."""

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
    """The outcome of each event of a request: as for webhooks, except for a refused write key and a doubtful success.

    Args:
        status: HTTP status code.
        body: The start of the answer's body; empty if it is compressed.
        is_whole: Whether ``body`` is all of it.
        retry_after: The header of that name; None if there is none.
        answer: ``body`` for people, without secrets.
        events: The number of events in the request.
        now: The current time, timezone-aware, from which a ``Retry-After`` in seconds counts.
    """
    if status in _ABOUT_THE_KEY:  # without the status: it would tell the worker that the sink works
        return RetryLater(RetryReason.SINK_UNUSABLE, f"HTTP {status}: the write key is not accepted", answer=answer)
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES and (doubt := _doubt(body, is_whole=is_whole)):
        return RetryLater(RetryReason.BAD_ANSWER, f"HTTP {status}, but {doubt}", None, status, answer)
    return http.judge(status, retry_after=retry_after, answer=answer, events=events, now=now)


def _doubt(body: bytes, *, is_whole: bool) -> str:
    """Why the answer of a 2xx does not confirm the events; empty if it does.

    Other servers of this API answer with nothing at all, just OK, or an HTML page: that is fine. But an answer that is
    incomplete and either starts like JSON or could not be read at all might say that the events were not taken.
    """
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        is_no_json = body and not body.lstrip().startswith(b"{")
        return "" if is_whole or is_no_json else "the response is cut off, too long, or compressed"
    return "without success" if isinstance(parsed, dict) and parsed.get("success") is False else ""
