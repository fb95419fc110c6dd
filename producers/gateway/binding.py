"""The CloudEvents HTTP binding: reads the events of a request in structured, batch or binary mode. Pure."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from multidict import CIMultiDictProxy

from eventstreams.http import RefusedError
from producers.outcomes import Invalid
from producers.strict_json import parse_json

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
MAX_EVENTS: Final = 1000  # per batch: some tens of milliseconds of work, which block the event loop
_PREFIX: Final = "ce-"
_ESCAPED: Final = re.compile(r"\\(.)")


def read_events(
    body: bytes, headers: CIMultiDictProxy[str], *, content_type: str, charset: str | None
) -> Sequence[object]:
    """The events in a request, each a JSON value for ``CloudEventParser``, or ``Invalid``.

    Args:
        body: The request's body.
        headers: The request's headers; ``ce-*`` indicate binary mode.
        content_type: Content type of ``body``, without parameters, in lower case.
        charset: Charset of ``body``, if stated.

    Raises:
        RefusedError: 415 if it is in none of the modes, or not in UTF-8; 413 for a batch of more than ``MAX_EVENTS``;
            400 for a batch that is not a JSON array.
    """
    if charset is not None and charset.lower() not in {"utf-8", "utf8", "us-ascii"}:
        raise RefusedError("The body must be in UTF-8", status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    if content_type == STRUCTURED:
        return [parse_json(body)]
    if content_type == BATCH:
        return _batch(body)
    if f"{_PREFIX}specversion" in headers:
        return [_binary(body, headers, content_type)]
    raise RefusedError(
        f"Content-Type must be {STRUCTURED} for one event, {BATCH} for a list of them, or application/json for the "
        f"data of one event with its attributes in {_PREFIX}* headers",
        status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    )


def _batch(body: bytes) -> Sequence[object]:
    events = parse_json(body)
    if isinstance(events, Invalid):
        raise RefusedError(f"The batch {events.reason}")
    if not isinstance(events, list):
        raise RefusedError("The batch is not a JSON array")
    if len(events) > MAX_EVENTS:
        raise RefusedError(
            f"The batch has {len(events)} events: at most {MAX_EVENTS} are allowed",
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
    return events


def _binary(body: bytes, headers: CIMultiDictProxy[str], content_type: str) -> object:
    event: dict[str, object] = {}
    for header, raw in headers.items():
        name = header.lower().removeprefix(_PREFIX)
        if name == header.lower():
            continue
        if name in event:
            return Invalid(f"$.{name}", "is given twice")
        try:
            event[name] = _text(raw)
        except ValueError:
            return Invalid(f"$.{name}", "is not percent-encoded UTF-8")
    data = parse_json(body)
    if isinstance(data, Invalid):
        return Invalid("$.data", data.reason)
    return event | {"datacontenttype": content_type, "data": data}


def _text(raw: str) -> str:
    """A header's value, unquoted if it is quoted, and percent-decoded (HTTP binding, section 3.1.3.2)."""
    if len(raw) > 1 and raw[0] == raw[-1] == '"':
        raw = _ESCAPED.sub(r"\1", raw[1:-1])
    raw.encode()  # raises for bytes that were not UTF-8, which are lone surrogates here
    return unquote(raw, errors="strict")
