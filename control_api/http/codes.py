"""The reference's error codes for sinks and subscriptions, from its error pages, and a shorthand for refusals."""

from http import HTTPStatus

from eventstreams.http import DescribedCode, RefusedError


class Code(DescribedCode):
    """What went wrong with a sink or a subscription."""

    SINK_NOT_CREATED = 91000, "the sink was not created or changed: the message says which key is wrong"
    SINK_NOT_FOUND = 91001, "the account has no sink `SinkSid`"
    BAD_PAGINATION = 91002, "`PageSize`, `Page` or `PageToken` is invalid"
    TOO_MANY_SINKS = 91003, "the account has reached its maximum number of sinks"
    TEST_NOT_FOUND = 91004, "no test event was sent to the sink"
    BAD_TEST_ID = 91005, "the test id does not belong to the newest test"
    BAD_SINK_SID = 91006, "a sink's SID is malformed"
    SINK_IN_USE = 91007, "the sink is in use by a subscription"
    SINK_NOT_ACTIVE = 91100, "the sink is not active"
    SUBSCRIPTION_NOT_CREATED = (
        91101,
        "a type is listed twice, the description is empty or too long, the sink has no worker, or a limit is reached",
    )
    SUBSCRIPTION_NOT_FOUND = 91102, "the account has no such subscription"
    NO_EVENT_TYPES = 91103, "the list of event types is empty"
    EVENT_TYPE_NOT_FOUND = 91104, "the event type is unknown or discontinued"
    BAD_FILTER = 91201, "the filter is invalid, or does not fit the types' schemas: the message says where"


def refused(code: Code, message: str, *, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> RefusedError:
    """An error answer with one of these codes."""
    return RefusedError(message, status=status, code=code)
