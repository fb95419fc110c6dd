"""``POST /v1/Events``: accepts all of a request's events, or none of them if one is invalid."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import hdrs, web

from eventstreams.control.records import Account
from eventstreams.errors import FatalProducerError
from eventstreams.http import ACCOUNT, RefusedError, read_body, unavailable
from eventstreams.telemetry.metrics import Metrics
from eventstreams.telemetry.tracing import Tracing
from producers.cloudevents import CloudEventParser
from producers.encoder import EncodedEvent
from producers.gateway.admission import Admission, too_many
from producers.gateway.binding import read_events
from producers.gateway.idempotency import id_from_key, idempotency_key
from producers.gateway.traces import accepting, contexts_of
from producers.outcomes import Accepted, BufferFull, Invalid, NotAcknowledged, SendOutcome
from producers.publisher import EventPublisher

MAX_BODY_BYTES: Final = 2 << 20  # an event of the maximum size, which is larger as JSON than as Avro
_MAX_PROBLEMS: Final = 50  # listed in an answer; clients with more should fix these first


class Intake:
    """Accepts events.

    One invalid event makes the whole batch be refused, before anything is published: the client can correct the batch
    and resend it, without having to track which part was accepted. Only if Kafka fails half-way can a part have been
    accepted; the answer then says which, and the same batch, with the ids of the answer, can be resent.
    """

    def __init__(
        self,
        publisher: EventPublisher,
        parser: CloudEventParser,
        admission: Admission,
        *,
        metrics: Metrics,
        customer_of: Callable[[str], str],
        on_crash: Callable[[BaseException], None],
        tracing: Tracing | None = None,
    ) -> None:
        """``customer_of`` maps an account's SID to its owner's, or to itself if it has none."""
        self._publisher = publisher
        self._parser = parser
        self._admission = admission
        self._metrics = metrics
        self._customer_of = customer_of
        self._on_crash = on_crash
        self._tracing = tracing

    async def post(self, request: web.Request) -> web.Response:
        """Answer 202 with the events' ids, in order, once the broker has acknowledged all of them."""
        with self._admission.admit(self._customer_of(request[ACCOUNT].sid), _size(request)):
            key = idempotency_key(request.headers)
            body = await read_body(request)
            events = read_events(body, request.headers, content_type=request.content_type, charset=request.charset)
            records = self._encode(events, request[ACCOUNT], key)
            try:
                async with accepting(self._tracing, records, contexts_of(events, request.headers)) as traced:
                    outcomes = await self._publisher.send(traced)
            except FatalProducerError as error:
                self._on_crash(error)  # only a new process can publish again
                raise
        if not all(isinstance(each, Accepted) for each in outcomes):
            raise _not_accepted(outcomes)
        answer = orjson.dumps({"ids": [each.id for each in outcomes]})
        return web.Response(status=HTTPStatus.ACCEPTED, body=answer, content_type="application/json")

    def _encode(self, events: Sequence[object], account: Account, key: str | None) -> list[EncodedEvent]:
        records: list[EncodedEvent] = []
        problems: list[tuple[int, Invalid]] = []
        for position, value in enumerate(events):
            match self._encode_one(value, account, key, position):
                case EncodedEvent() as record:
                    records.append(record)
                case Invalid() as problem:
                    problems.append((position, problem))
                    if len(problems) == _MAX_PROBLEMS:
                        break
        if problems:
            self._metrics.refused.labels("invalid").inc(len(problems))
            raise _invalid(problems)
        return records

    def _encode_one(self, value: object, account: Account, key: str | None, position: int) -> EncodedEvent | Invalid:
        event = value if isinstance(value, Invalid) else self._parser.parse(value, account_sid=account.sid)
        if isinstance(event, Invalid):
            return event
        if event.account_sid != account.sid:
            return Invalid("$.accountsid", "is not the account that the request authenticates as")
        if key is not None and isinstance(value, dict) and value.get("id") is None:
            event = replace(event, id=id_from_key(key, event, position=position))
        return self._publisher.encoder.encode(event)


def _size(request: web.Request) -> int:
    """The largest size that the body can have, according to the request's headers."""
    known = request.content_length is not None and hdrs.CONTENT_ENCODING not in request.headers
    return min(request.content_length or 0, MAX_BODY_BYTES) if known else MAX_BODY_BYTES


def _invalid(problems: Sequence[tuple[int, Invalid]]) -> RefusedError:
    position, first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return RefusedError(
        f"Nothing was published: event {position}: {first}{more}",
        details={
            "errors": [
                {"position": position, "path": problem.path, "reason": problem.reason} for position, problem in problems
            ]
        },
    )


def _not_accepted(outcomes: Sequence[SendOutcome]) -> RefusedError:
    """413 if the topic will never accept one of the events, or else 429 if there was no room for some, or else 503."""
    missed = [each for each in outcomes if not isinstance(each, Accepted)]
    details = {"events": [{"id": each.id, "accepted": isinstance(each, Accepted)} for each in outcomes]}
    if any(isinstance(each, NotAcknowledged) and not each.retry_is_safe for each in missed):
        message = f"Kafka will never accept {len(missed)} of {len(outcomes)} events: sending them again will not help"
        return RefusedError(message, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, details=details)
    again = f"{len(missed)} of {len(outcomes)} events: it is safe to send them again with the same ids"
    if any(isinstance(each, BufferFull) for each in missed):
        return too_many(f"There was no buffer space for {again}", details=details)
    return unavailable(f"Kafka did not acknowledge in time {again}", details=details)
