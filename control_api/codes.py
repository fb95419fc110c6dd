"""The reference's error codes of sinks and subscriptions (its error pages), and shorthands for refusals."""

from enum import IntEnum
from http import HTTPStatus

from eventstreams.http import RefusedError


class Code(IntEnum):
    """What went wrong with a sink or a subscription."""

    SINK_NOT_CREATED = 91000
    SINK_NOT_FOUND = 91001
    BAD_PAGINATION = 91002
    TOO_MANY_SINKS = 91003
    TEST_NOT_FOUND = 91004
    BAD_TEST_ID = 91005
    BAD_SINK_SID = 91006
    SINK_IN_USE = 91007
    SINK_NOT_ACTIVE = 91100
    SUBSCRIPTION_NOT_CREATED = 91101
    SUBSCRIPTION_NOT_FOUND = 91102
    NO_EVENT_TYPES = 91103
    EVENT_TYPE_NOT_FOUND = 91104
    BAD_FILTER = 91201


def refused(code: Code, message: str, *, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> RefusedError:
    """The error answer with one of our codes."""
    return RefusedError(message, status=status, code=code)
