"""Reads a dead letter from its record, for people. Pure; never raises, whatever is in the record."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from typing_extensions import override

from eventstreams import headers as names
from eventstreams.kafka.records import Record
from eventstreams.sids import SidKind


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a dead letter. ``str()`` gives its id."""

    sink_type: str
    partition: int
    offset: int

    @override
    def __str__(self) -> str:
        return f"{self.sink_type}.{self.partition}.{self.offset}"

    @classmethod
    def parse(cls, text: str) -> "Place | None":
        """The place that an id names; None if it is not an id."""
        sink_type, *numbers = text.rsplit(".", 2)
        if len(numbers) != 2 or not all(_is_number(each) for each in numbers):  # noqa: PLR2004 - partition, offset
            return None
        return cls(sink_type, int(numbers[0]), int(numbers[1]))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter. What its headers do not say, or what is invalid in them, is None.

    Attributes:
        place: Its place, which is its id.
        record: The record.
        died_ms: When it became a dead letter, by the broker's time.
        account_sid: The account that was to receive it.
        event_id: The event's id.
        event_type: The event's type.
        subscription_sid: The subscription; None also for a test of a sink.
        reason: Why it died.
        code: The service error code.
        detail: The explanation, in words.
        attempts: The number of attempts.
        accepted_ms: When the event was accepted.
        first_attempt_ms: When the first attempt began.
        last_attempt_ms: When the last attempt began.
        status: The destination's last status code.
        answer: The start of the destination's last answer.
        origin: ``topic/partition/offset`` of the record in the subscription's topic.
        job_sid: The redrive or replay that had put the event there; None if none had.
    """

    place: Place
    record: Record
    died_ms: int
    account_sid: str | None
    event_id: str | None
    event_type: str | None
    subscription_sid: str | None
    reason: str | None
    code: int | None
    detail: str | None
    attempts: int | None
    accepted_ms: int | None
    first_attempt_ms: int | None
    last_attempt_ms: int | None
    status: int | None
    answer: str | None
    origin: str | None
    job_sid: str | None

    @classmethod
    def read(cls, record: Record, sink_type: str) -> "DeadLetter":
        """Read ``record``, which is from the dead-letter topic of ``sink_type``."""
        headers = dict(record.headers)
        return cls(
            place=Place(sink_type, record.partition, record.offset),
            record=record,
            died_ms=record.timestamp_ms,
            account_sid=_decoded(names.subscriber_of(headers)),
            event_id=_text(headers, names.ID),
            event_type=_text(headers, names.TYPE),
            subscription_sid=_subscription(_text(headers, names.SUBSCRIPTION)),
            reason=_text(headers, names.REASON),
            code=_number(headers, names.CODE),
            detail=_text(headers, names.DETAIL),
            attempts=_number(headers, names.ATTEMPTS),
            accepted_ms=_number(headers, names.ACCEPTED_AT),
            first_attempt_ms=_number(headers, names.FIRST_ATTEMPT_AT),
            last_attempt_ms=_number(headers, names.LAST_ATTEMPT_AT),
            status=_number(headers, names.STATUS),
            answer=_text(headers, names.ANSWER),
            origin=_text(headers, names.ORIGIN),
            job_sid=_text(headers, names.REDRIVE),
        )

    def without_value(self) -> "DeadLetter":
        """This dead letter with an empty value, so that a list of them takes little memory."""
        return replace(self, record=self.record._replace(value=b""))


def _text(headers: Mapping[str, bytes], name: str) -> str | None:
    return _decoded(headers.get(name))


def _decoded(value: bytes | None) -> str | None:
    return value.decode(errors="replace") if value else None


def _subscription(sid: str | None) -> str | None:
    return None if sid is None or sid.startswith(SidKind.SINK) else sid


def _number(headers: Mapping[str, bytes], name: str) -> int | None:
    value = headers.get(name, b"")
    return int(value) if _is_number(value.decode(errors="replace")) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18  # noqa: PLR2004 - digits that fit into 64 bits
