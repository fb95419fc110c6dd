"""Builds the entries of the attempts topic, which say what happened to an event. Pure."""

from dataclasses import dataclass
from typing import Final, assert_never

from eventstreams.attempts import Entry, EntryKind, Row
from eventstreams.headers import ID, TYPE, DeliveryProgress, clip, subscriber_of
from eventstreams.kafka.records import Record
from eventstreams.reasons import DeadReason
from eventstreams.sids import SidKind, is_sid
from eventstreams.sinks import Delivered, DeliveryOutcome, OutboundEvent, Rejected, RetryLater
from eventstreams.topics import Topics

_DELIVERED: Final = EntryKind.DELIVERED.value  # looked up once: an enum member's ``value`` is slow
_RETRY_LATER: Final = EntryKind.RETRY_LATER.value
_REJECTED: Final = EntryKind.REJECTED.value


@dataclass(frozen=True, slots=True)
class Rest:
    """Where the record of an event that was not delivered is now.

    Attributes:
        place: ``topic/partition/offset``: on a retry or dead-letter topic, or still on its own, where it waits.
        next_at_ms: When it is tried again, or its deadline if that comes first; None for a dead letter.
    """

    place: str
    next_at_ms: int | None = None


def attempted(
    record: Record,
    progress: DeliveryProgress,
    event: OutboundEvent,
    outcome: DeliveryOutcome,
    *,
    account_sid: str,
    sink_type: str,
    sink_sid: str,
    began_ms: int,
    duration_ms: int,
    rest: Rest | None,
) -> Row:
    """See ``AttemptLog.attempted``. A plain tuple, not an ``Entry``, as one is made for every delivery."""
    reason = code = detail = answer = None
    status = outcome.status
    if not isinstance(outcome, Delivered):
        reason, code = outcome.reason.value, outcome.reason.code
        detail, answer = _clipped(outcome.detail), _clipped(outcome.answer)
    return (
        _kind(outcome),
        began_ms,
        event.id,
        event.type,
        account_sid,
        progress.subscription_sid if progress.subscription_sid != sink_sid else "",  # a sink test has none
        sink_sid,
        sink_type,
        progress.attempt,
        duration_ms,
        progress.accepted_at_ms,
        progress.deadline_ms,
        progress.origin or record.origin,
        None if rest is None else rest.place,
        None if rest is None else rest.next_at_ms,
        reason,
        code,
        status,
        detail,
        answer,
    )


def died(
    record: Record,
    progress: DeliveryProgress | None,
    reason: DeadReason,
    *,
    code: int,
    detail: str,
    rest: Rest,
    sink_type: str,
    sink_sid: str | None,
    at_ms: int,
) -> Entry:
    """See ``AttemptLog.died``."""
    headers = dict(record.headers)
    entry = Entry(
        kind=EntryKind.DIED.value,
        at_ms=at_ms,
        event_id=_text(headers.get(ID)),
        event_type=_text(headers.get(TYPE)),
        account_sid=_text(subscriber_of(headers)),
        subscription_sid=subscription_of(record, progress),
        sink_sid=sink_sid,
        sink_type=sink_type,
        attempt=0,
        duration_ms=None,
        accepted_ms=None,
        deadline_ms=None,
        origin=record.origin,
        rests_at=rest.place,
        reason=reason.value,
        code=code,
        detail=_clipped(detail),
    )
    if progress is None:
        return entry
    return entry._replace(
        attempt=progress.attempt - 1,
        accepted_ms=progress.accepted_at_ms,
        deadline_ms=progress.deadline_ms,
        origin=progress.origin or record.origin,
        status=progress.last_status,
        answer=progress.last_answer,
    )


def subscription_of(record: Record, progress: DeliveryProgress | None) -> str:
    """The SID of the record's subscription: from its headers, else from its topic. Empty for a test of a sink."""
    named = Topics.subscription_of(record.topic) if progress is None else progress.subscription_sid
    return named if is_sid(named, SidKind.SUBSCRIPTION) else ""


def _kind(outcome: DeliveryOutcome) -> str:
    match outcome:
        case Delivered():
            return _DELIVERED
        case RetryLater():
            return _RETRY_LATER
        case Rejected():
            return _REJECTED
        case _:
            assert_never(outcome)


def _clipped(text: str) -> str | None:
    return clip(text).decode() if text else None


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")
