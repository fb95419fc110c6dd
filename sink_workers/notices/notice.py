"""Builds a notice as an event of type ``com.twilio.error-logs.error.logged``, schema ``ErrorLogs.Error``. Pure.

It contains codes, numbers and sentences of our own, but never the event that failed or the destination's answer, which
may hold anything.
"""

from collections.abc import Mapping
from typing import Final

import orjson

from eventstreams.control.records import SinkRecord
from eventstreams.events import Event
from eventstreams.reasons import DeadReason, RetryReason
from eventstreams.sids import SidKind, new_sid
from eventstreams.times import from_ms, rfc3339_ms
from sink_workers.notices.cadence import Trouble

ERROR_LOGGED: Final = "com.twilio.error-logs.error.logged"

_PRODUCT: Final = "Event Streams"
_WARNINGS: Final = frozenset({91302, 91304})  # the reference's error pages; all others are errors
WHAT_A_SINK_DID: Final[Mapping[RetryReason | DeadReason, str]] = {
    RetryReason.THROTTLED: "asked for fewer events",
    RetryReason.SERVER_ERROR: "answered with an error",
    RetryReason.CONNECT_FAILED: "could not be reached",
    RetryReason.DESTINATION_FORBIDDEN: "has an address to which deliveries are not allowed",
    RetryReason.TIMED_OUT: "did not answer in time",
    RetryReason.REDIRECTED: "answered with a redirect, which is not followed",
    RetryReason.BAD_ANSWER: "gave an answer that is neither acceptance nor refusal",
    RetryReason.SINK_UNUSABLE: "could not be opened with its configuration",
    RetryReason.WRITE_FAILED: "could not be written to",
    RetryReason.ROLE_REFUSED: "could not be reached, because its role could not be assumed",
    RetryReason.STREAM_ERROR: "reported a fault in its stream",
    RetryReason.PLUGIN_RAISED: "could not be served because of a fault on our side",
    RetryReason.PLUGIN_HUNG: "could not be served in time because of a fault on our side",
    RetryReason.PLUGIN_MISCOUNTED: "could not be served because of a fault on our side",
    DeadReason.REFUSED: "refused an event",
    DeadReason.TOO_LARGE: "cannot accept an event because of its size",
    DeadReason.NO_SUCH_STREAM: "has no stream of that name",
    DeadReason.EXPIRED: "did not accept an event before its deadline",
}


def notice(
    sink: SinkRecord,
    *,
    subscription_sid: str,
    reason: RetryReason | DeadReason,
    code: int,
    status: int | None,
    trouble: Trouble,
) -> Event:
    """Build the notice for the owner of ``sink``.

    Args:
        sink: The sink that failed.
        subscription_sid: The subscription of the event that failed; for a test of the sink, the sink's own SID.
        reason: Why it failed.
        code: The service error code.
        status: The destination's status code, if it answered and its protocol has one.
        trouble: How often the sink has failed, and since when.
    """
    sid, at = new_sid(SidKind.ERROR_LOG), from_ms(trouble.at_ms)
    is_warning = isinstance(reason, RetryReason) and code in _WARNINGS
    since = rfc3339_ms(from_ms(trouble.since_ms))
    payload = {
        "sink_sid": sink.sid,
        **({} if subscription_sid == sink.sid else {"subscription_sid": subscription_sid}),
        "sink_type": sink.sink_type,
        "reason": reason.value,
        "code": code,
        **({} if status is None else {"status": status}),
        "errors": trouble.errors,
        "since": since,
        "message": _sentence(sink.sid, reason, status, trouble.errors, since),
    }
    return Event(
        id=sid,
        type=ERROR_LOGGED,
        source=f"/v1/Alerts/{sid}",
        account_sid=sink.account_sid,
        time=at,
        partition_key=sink.sid,  # so that one sink's notices keep their order
        data={
            "sid": sid,
            "account_sid": sink.account_sid,
            "date_created": rfc3339_ms(at),
            "level": "WARNING" if is_warning else "ERROR",
            "master_account_sid": sink.account_sid,  # a parent account is not named here
            "product_name": _PRODUCT,
            "error_code": str(code),
            "payload": orjson.dumps(payload).decode(),
        },
    )


def _sentence(sink_sid: str, reason: RetryReason | DeadReason, status: int | None, errors: int, since: str) -> str:
    what = WHAT_A_SINK_DID.get(reason, "could not be given an event")
    answered = "" if status is None else f" (status {status})"
    follows = "tried again until its deadline" if isinstance(reason, RetryReason) else "kept as a dead letter"
    times = "The first error" if errors == 1 else f"{errors} errors since {since}"
    return f"Sink {sink_sid} {what}{answered}; the event is {follows}. {times}."
