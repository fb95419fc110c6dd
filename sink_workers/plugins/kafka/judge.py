"""What a broker's answers mean for events: the retry matrix of ``docs/sinks/kafka.md``. Pure."""

from typing import Final

from eventstreams.sinks import DeadReason, DeliveryOutcome, Rejected, RetryLater, RetryReason

# The protocol's numbers: https://kafka.apache.org/protocol#protocol_error_codes
_UNKNOWN_TOPIC: Final = 3
_TIMED_OUT: Final = 7
_TOO_LARGE: Final = frozenset({10, 18})
_ABOUT_THE_TOPIC: Final = frozenset({_UNKNOWN_TOPIC, 17})
_NOT_LET_IN: Final = frozenset({29, 31, 33, 34, 58})
_ABOUT_THE_RECORDS: Final = frozenset({32, 87})  # a time, or a value by its schema; one record may be the cause


def is_about_one(code: int) -> bool:
    """Whether one record may be the cause, so that others of its batch may be taken without it."""
    return code in _TOO_LARGE or code in _ABOUT_THE_RECORDS


def judge(code: int, name: str) -> DeliveryOutcome:
    """What an error says of a record, when it is about that one, or about all of a batch.

    Args:
        code: The protocol's number for it.
        name: For people.
    """
    detail = f"Kafka says {name} ({code})"
    if code in _TOO_LARGE:
        return Rejected(DeadReason.TOO_LARGE, detail)
    if code in _ABOUT_THE_RECORDS:
        return Rejected(DeadReason.REFUSED, detail)
    if code in _ABOUT_THE_TOPIC:
        return RetryLater(RetryReason.STREAM_ERROR, f"{detail}: is the topic there?")
    if code in _NOT_LET_IN:
        return RetryLater(RetryReason.ROLE_REFUSED, detail)
    if code == _TIMED_OUT:
        return RetryLater(RetryReason.TIMED_OUT, detail)
    return RetryLater(RetryReason.WRITE_FAILED, detail)
