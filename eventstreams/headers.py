"""Event attributes and delivery state as Kafka headers: the CloudEvents Kafka binding (binary mode), and our ``es_*``.

The value of a record is never rewritten on its way; what changes is in headers. Parsing never raises: a missing or
invalid header is a ``HeaderProblem``, which makes a dead letter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from eventstreams.events import Event
from eventstreams.reasons import DeadReason
from eventstreams.sids import SidKind, is_sid
from eventstreams.times import rfc3339_ms

Headers = Sequence[tuple[str, bytes]]
"""Kafka headers in wire order. Of a repeated name, the last value counts."""

CONTENT_TYPE: Final = "content-type"
AVRO: Final = b"application/avro"
SPECVERSION: Final = "ce_specversion"
ID: Final = "ce_id"
TYPE: Final = "ce_type"
SOURCE: Final = "ce_source"
TIME: Final = "ce_time"
SUBJECT: Final = "ce_subject"
DATASCHEMA: Final = "ce_dataschema"
ACCOUNT: Final = "ce_accountsid"
PARTITION_KEY: Final = "ce_partitionkey"
TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"

ACCEPTED_AT: Final = "es_accepted_at"
DEADLINE: Final = "es_deadline"
SUBSCRIPTION: Final = "es_subscription"
SUBSCRIBER: Final = "es_subscriber"
ATTEMPT: Final = "es_attempt"
ATTEMPTS: Final = "es_attempts"
FIRST_ATTEMPT_AT: Final = "es_first_attempt_at"
LAST_ATTEMPT_AT: Final = "es_last_attempt_at"
NOT_BEFORE: Final = "es_not_before"
ORIGIN: Final = "es_origin"
REASON: Final = "es_reason"
CODE: Final = "es_code"
DETAIL: Final = "es_detail"
STATUS: Final = "es_status"
ANSWER: Final = "es_answer"
REDRIVE: Final = "es_redrive"

UNREADABLE: Final = "es_unreadable"
"""Replaces the headers of a record if not even their names can be read."""

MAX_DETAIL_BYTES: Final = 1024  # of a detail or an answer: enough for a sentence or a page's start; DESIGN's bound

MOST_DIGITS: Final = 16
"""The most digits of a time in ms: that is 300,000 years. Longer ones would overflow in calculations."""

_REQUIRED: Final = (ID, TYPE, SOURCE, TIME, DATASCHEMA, ACCOUNT)
_ROUTED: Final = (ACCEPTED_AT, DEADLINE, SUBSCRIPTION)
_REPLACED_ON_RETRY: Final = frozenset(
    {ATTEMPT, FIRST_ATTEMPT_AT, LAST_ATTEMPT_AT, NOT_BEFORE, ORIGIN, REASON, CODE, DETAIL, STATUS, ANSWER}
)
KNOWN: Final = frozenset(
    {*_REQUIRED, *_REPLACED_ON_RETRY, CONTENT_TYPE, SPECVERSION, SUBJECT, PARTITION_KEY, TRACEPARENT, TRACESTATE}
    | {ACCEPTED_AT, DEADLINE, SUBSCRIPTION, SUBSCRIBER, ATTEMPTS, REDRIVE}
)
"""Every header that has a meaning here."""


@dataclass(frozen=True, slots=True)
class HeaderProblem:
    """A header that is missing or invalid; ``detail`` names it and says what would be right."""

    reason: DeadReason
    detail: str


def missing(headers: Mapping[str, bytes], required: Sequence[str] = _REQUIRED) -> HeaderProblem | None:
    """The problem with the first of ``required`` that is missing or empty; None if all are there."""
    if UNREADABLE not in headers and all(map(headers.get, required)):  # the usual case, without a loop in Python
        return None
    if UNREADABLE in headers:
        return HeaderProblem(DeadReason.BAD_HEADER, "a header name is not UTF-8, so no header can be read")
    for name in required:
        if not headers.get(name):
            return HeaderProblem(DeadReason.MISSING_HEADER, f"header {name} is missing or empty")
    return None


class Envelope(NamedTuple):
    """The CloudEvents attributes of a record, as text. ``time`` is as the producer wrote it.

    A tuple because one is created for every event: a frozen dataclass of eight fields takes three times as long.
    """

    id: str
    type: str
    source: str
    time: str
    dataschema: str
    account_sid: str
    subject: str | None
    partition_key: str | None

    @classmethod
    def parse(cls, headers: Mapping[str, bytes]) -> "Envelope | HeaderProblem":
        """The attributes, or the problem with the first invalid one."""
        if problem := missing(headers):
            return problem
        try:
            account_sid = headers[ACCOUNT].decode()
            subject, partition_key = headers.get(SUBJECT), headers.get(PARTITION_KEY)
            envelope = cls(  # by position: keyword arguments would take half as long again
                headers[ID].decode(),
                headers[TYPE].decode(),
                headers[SOURCE].decode(),
                headers[TIME].decode(),
                headers[DATASCHEMA].decode(),
                account_sid,
                subject.decode() if subject else None,
                partition_key.decode() if partition_key else None,
            )
        except UnicodeDecodeError as error:
            return HeaderProblem(DeadReason.BAD_HEADER, f"a ce_ header is not UTF-8: {error.reason}")
        if not is_sid(account_sid, SidKind.ACCOUNT):
            return HeaderProblem(DeadReason.BAD_HEADER, f"header {ACCOUNT} is not AC and 32 hexadecimal digits")
        return envelope


def event_headers(event: Event, *, dataschema: str) -> list[tuple[str, bytes]]:
    """The headers under which ``event`` is published; ``dataschema`` names the writer's schema."""
    source = event.source.encode()
    headers = [
        (SPECVERSION, b"1.0"),
        (ID, event.id.encode()),
        (TYPE, event.type.encode()),
        (SOURCE, source),
        (TIME, rfc3339_ms(event.time).encode()),
        (DATASCHEMA, dataschema.encode()),
        (ACCOUNT, event.account_sid.encode()),
        (PARTITION_KEY, event.partition_key.encode() if event.partition_key else source),
        (CONTENT_TYPE, AVRO),
    ]
    if event.subject is not None:
        headers.append((SUBJECT, event.subject.encode()))
    return headers


def routed_headers(
    headers: Headers,
    *,
    accepted_at_ms: int,
    deadline_ms: int,
    subscription_sid: str,
    subscriber_sid: str | None = None,
) -> list[tuple[str, bytes]]:
    """The headers of a subscription's copy: the event's own, then its acceptance time, its deadline and its owner.

    ``subscriber_sid``: the subscription's account, if it differs from the event's.
    """
    return [
        *(header for header in headers if not header[0].startswith("es_")),
        *time_headers(accepted_at_ms, deadline_ms),
        *owner_headers(subscription_sid, subscriber_sid),
    ]


def time_headers(accepted_at_ms: int, deadline_ms: int) -> list[tuple[str, bytes]]:
    """Those of ``routed_headers`` with the acceptance time and the deadline."""
    return [(ACCEPTED_AT, b"%d" % accepted_at_ms), (DEADLINE, b"%d" % deadline_ms)]


def owner_headers(subscription_sid: str, subscriber_sid: str | None) -> list[tuple[str, bytes]]:
    """Those of ``routed_headers`` that say whose copy it is."""
    owner = [(SUBSCRIPTION, subscription_sid.encode())]
    return owner if subscriber_sid is None else [*owner, (SUBSCRIBER, subscriber_sid.encode())]


def again_headers(
    headers: Headers,
    *,
    accepted_at_ms: int,
    deadline_ms: int,
    subscription_sid: str,
    subscriber_sid: str | None,
    job_sid: str,
) -> list[tuple[str, bytes]]:
    """Like ``routed_headers``, for a copy by the redrive or replay ``job_sid``: starts afresh, and names the job."""
    routed = routed_headers(
        headers,
        accepted_at_ms=accepted_at_ms,
        deadline_ms=deadline_ms,
        subscription_sid=subscription_sid,
        subscriber_sid=subscriber_sid,
    )
    return [*routed, (REDRIVE, job_sid.encode())]


def subscriber_of(headers: Mapping[str, bytes]) -> bytes | None:
    """The account of a copy's subscription; not always the event's, which may be of a subaccount."""
    return headers.get(SUBSCRIBER) or headers.get(ACCOUNT)


class DeliveryProgress(NamedTuple):
    """The delivery state of a subscription's copy of an event: the ``es_*`` headers on subscription and retry topics.

    A tuple because one is created for every event: a frozen dataclass of thirteen fields takes 4.9 µs, this takes 0.3.

    Attributes:
        attempt: Number of the next attempt, from 1.
        first_attempt_at_ms: When the first attempt began; None before it.
        not_before_ms: The earliest time of the next attempt. 0 on a subscription topic.
        origin: ``topic/partition/offset`` of the subscription record; None on that record itself.
        last_reason: Why the previous attempt failed; None before the first.
        last_code: Its service error code.
        last_detail: Its detail, at most ``MAX_DETAIL_BYTES``.
        last_attempt_at_ms: When it began.
        last_status: The destination's status code, if its protocol has one.
        last_answer: The start of the destination's answer, at most ``MAX_DETAIL_BYTES``.
    """

    accepted_at_ms: int
    deadline_ms: int
    subscription_sid: str
    attempt: int = 1
    first_attempt_at_ms: int | None = None
    not_before_ms: int = 0
    origin: str | None = None
    last_reason: str | None = None
    last_code: int | None = None
    last_detail: str | None = None
    last_attempt_at_ms: int | None = None
    last_status: int | None = None
    last_answer: str | None = None

    @classmethod
    def parse(cls, headers: Mapping[str, bytes]) -> "DeliveryProgress | HeaderProblem":
        """The state, or the problem with the first invalid header."""
        if problem := missing(headers, _ROUTED):
            return problem
        if max(len(headers[ACCEPTED_AT]), len(headers[DEADLINE]), len(headers.get(NOT_BEFORE, b""))) > MOST_DIGITS:
            return HeaderProblem(DeadReason.BAD_HEADER, f"an es_ header has a time of more than {MOST_DIGITS} digits")
        try:
            if ATTEMPT not in headers:  # no attempt yet, so there is no further state
                return cls(int(headers[ACCEPTED_AT]), int(headers[DEADLINE]), headers[SUBSCRIPTION].decode())
            progress = cls(
                accepted_at_ms=int(headers[ACCEPTED_AT]),
                deadline_ms=int(headers[DEADLINE]),
                subscription_sid=headers[SUBSCRIPTION].decode(),
                attempt=int(headers[ATTEMPT]),
                first_attempt_at_ms=_number(headers.get(FIRST_ATTEMPT_AT)),
                not_before_ms=int(headers.get(NOT_BEFORE, b"0")),
                origin=_text(headers.get(ORIGIN)),
                last_reason=_text(headers.get(REASON)),
                last_code=_number(headers.get(CODE)),
                last_detail=_text(headers.get(DETAIL)),
                last_attempt_at_ms=_number(headers.get(LAST_ATTEMPT_AT)),
                last_status=_number(headers.get(STATUS)),
                last_answer=_text(headers.get(ANSWER)),
            )
        except ValueError as error:
            return HeaderProblem(DeadReason.BAD_HEADER, f"an es_ header cannot be read: {error}")
        if progress.attempt < 1:
            return HeaderProblem(
                DeadReason.BAD_HEADER, f"header {ATTEMPT} is less than 1, the number of the first attempt"
            )
        return progress


def retry_headers(headers: Headers, progress: DeliveryProgress) -> list[tuple[str, bytes]]:
    """The headers of a copy for a retry topic: the record's own, with the state in ``progress``."""
    return [
        *_without_state(headers),
        (ATTEMPT, b"%d" % progress.attempt),
        *_state(progress),
        (NOT_BEFORE, b"%d" % progress.not_before_ms),
    ]


def dead_headers(
    headers: Headers, progress: DeliveryProgress | None, *, origin: str, reason: DeadReason, code: int, detail: str
) -> list[tuple[str, bytes]]:
    """The headers of a dead letter: the record's own, the number of attempts, and why it died.

    Args:
        headers: The record's own headers, whatever they are; they are kept.
        progress: Its delivery state; None if its ``es_*`` headers could not be read.
        origin: Used if ``progress`` has none.
        reason: Why it died.
        code: Service error code.
        detail: An explanation; truncated to ``MAX_DETAIL_BYTES``.
    """
    state = [] if progress is None else _state(progress)
    return [
        *_without_state(headers),
        (ATTEMPTS, b"%d" % (0 if progress is None else progress.attempt - 1)),
        *(header for header in state if header[0] not in {REASON, CODE, DETAIL, ORIGIN}),
        (ORIGIN, ((progress.origin if progress else None) or origin).encode()),
        (REASON, reason.encode()),
        (CODE, b"%d" % code),
        (DETAIL, clip(detail)),
    ]


def clip(detail: str) -> bytes:
    """``detail`` as UTF-8, truncated between characters to at most ``MAX_DETAIL_BYTES``."""
    return detail.encode(errors="replace")[:MAX_DETAIL_BYTES].decode(errors="ignore").encode()


def _without_state(headers: Headers) -> list[tuple[str, bytes]]:
    return [header for header in headers if header[0] not in _REPLACED_ON_RETRY]


def _state(progress: DeliveryProgress) -> list[tuple[str, bytes]]:
    numbers = (
        (FIRST_ATTEMPT_AT, progress.first_attempt_at_ms),
        (LAST_ATTEMPT_AT, progress.last_attempt_at_ms),
        (CODE, progress.last_code),
        (STATUS, progress.last_status),
    )
    texts = (
        (ORIGIN, progress.origin),
        (REASON, progress.last_reason),
        (DETAIL, progress.last_detail),
        (ANSWER, progress.last_answer),
    )
    return [
        *((name, b"%d" % number) for name, number in numbers if number is not None),
        *((name, clip(text)) for name, text in texts if text),
    ]


def _text(value: bytes | None) -> str | None:
    return value.decode(errors="replace") if value else None


def _number(value: bytes | None) -> int | None:
    return int(value) if value else None
