"""Why a delivery is retried or given up: closed sets, with the reference's service error codes.

The codes are the reference's (its error pages): 91300-91308, and 93101-93104 for sinks that are streams (Kinesis).
"""

from enum import StrEnum
from typing import Final


class RetryReason(StrEnum):
    """Why an attempt is to be repeated. A plugin returns one of these with ``RetryLater``."""

    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    CONNECT_FAILED = "connect_failed"
    DESTINATION_FORBIDDEN = "destination_forbidden"
    TIMED_OUT = "timed_out"
    REDIRECTED = "redirected"
    BAD_ANSWER = "bad_answer"
    SINK_UNUSABLE = "sink_unusable"
    WRITE_FAILED = "write_failed"
    ROLE_REFUSED = "role_refused"
    STREAM_ERROR = "stream_error"
    PLUGIN_RAISED = "plugin_raised"
    PLUGIN_HUNG = "plugin_hung"
    PLUGIN_MISCOUNTED = "plugin_miscounted"

    @property
    def code(self) -> int:
        return _RETRY_CODES[self]


class DeadReason(StrEnum):
    """Why an event became a dead letter.

    A plugin returns only ``REFUSED``, ``TOO_LARGE`` and ``NO_SUCH_STREAM``, with ``Rejected``.
    """

    REFUSED = "refused"
    TOO_LARGE = "too_large"
    NO_SUCH_STREAM = "no_such_stream"
    EXPIRED = "expired"
    ATTEMPTS_USED_UP = "attempts_used_up"
    SUBSCRIPTION_DELETED = "subscription_deleted"
    TYPE_REMOVED = "type_removed"
    MISSING_HEADER = "missing_header"
    BAD_HEADER = "bad_header"
    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    UNKNOWN_SCHEMA = "unknown_schema"
    UNDECODABLE = "undecodable"

    @property
    def code(self) -> int:
        return _DEAD_CODES[self]


_RETRY_CODES: Final = {
    RetryReason.THROTTLED: 91302,
    RetryReason.SERVER_ERROR: 91306,
    RetryReason.CONNECT_FAILED: 91307,
    RetryReason.DESTINATION_FORBIDDEN: 91307,
    RetryReason.TIMED_OUT: 91308,
    RetryReason.REDIRECTED: 91300,
    RetryReason.BAD_ANSWER: 91300,
    RetryReason.SINK_UNUSABLE: 91304,
    RetryReason.WRITE_FAILED: 93101,
    RetryReason.ROLE_REFUSED: 93102,
    RetryReason.STREAM_ERROR: 93103,
    RetryReason.PLUGIN_RAISED: 91304,
    RetryReason.PLUGIN_HUNG: 91304,
    RetryReason.PLUGIN_MISCOUNTED: 91304,
}
_DEAD_CODES: Final = {
    DeadReason.REFUSED: 91305,
    DeadReason.TOO_LARGE: 91305,
    DeadReason.NO_SUCH_STREAM: 93104,
    DeadReason.EXPIRED: 91300,
    DeadReason.ATTEMPTS_USED_UP: 91300,
    DeadReason.SUBSCRIPTION_DELETED: 91300,
    DeadReason.TYPE_REMOVED: 91300,
    DeadReason.MISSING_HEADER: 91303,
    DeadReason.BAD_HEADER: 91303,
    DeadReason.UNKNOWN_EVENT_TYPE: 91303,
    DeadReason.UNKNOWN_SCHEMA: 91303,
    DeadReason.UNDECODABLE: 91303,
}
