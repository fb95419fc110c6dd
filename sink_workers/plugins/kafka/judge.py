"""Maps a broker's answers to outcomes: the retry matrix of ``docs/sinks/kafka.md``. Pure."""

from typing import Final

from eventstreams.sinks import DeadReason, DeliveryOutcome, Rejected, RetryLater, RetryReason

# The protocol's error codes: https://kafka.apache.org/protocol#protocol_error_codes
_UNKNOWN_TOPIC: Final = 3
_TIMED_OUT: Final = 7
_TOO_LARGE: Final = frozenset({10, 18})
_ABOUT_THE_TOPIC: Final = frozenset({_UNKNOWN_TOPIC, 17})
_NOT_LET_IN: Final = frozenset({29, 31, 33, 34, 58})
_ABOUT_THE_RECORDS: Final = frozenset({32, 87})  # an invalid time or value; one record may be the cause


def is_about_one(code: int) -> bool:
    """Whether one record may be the cause, so that the rest of its batch may be accepted without it."""
    return code in _TOO_LARGE or code in _ABOUT_THE_RECORDS


def judge(code: int, name: str) -> DeliveryOutcome:
    """The outcome that an error means for a record that was sent alone, or for each of a batch it refuses as a whole.

    Args:
        code: The protocol's error code.
        name: Its name, for people.
    """
    detail = f"Kafka says {name} ({code})"
    if code in _TOO_LARGE:
        return Rejected(DeadReason.TOO_LARGE, detail)
    if code in _ABOUT_THE_RECORDS:
        return Rejected(DeadReason.REFUSED, detail)
    if code in _ABOUT_THE_TOPIC:
        return RetryLater(RetryReason.STREAM_ERROR, f"{detail}: does the topic exist?")
    if code in _NOT_LET_IN:
        return RetryLater(RetryReason.ROLE_REFUSED, detail)
    if code == _TIMED_OUT:
        return RetryLater(RetryReason.TIMED_OUT, detail)
    return RetryLater(RetryReason.WRITE_FAILED, detail)
