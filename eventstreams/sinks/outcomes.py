"""The outcome of an attempt for one event. A plugin returns exactly one of these for every event that it was given."""

from dataclasses import dataclass, field
from datetime import datetime

from eventstreams.reasons import DeadReason, RetryReason


@dataclass(frozen=True, slots=True)
class Delivered:
    """The destination has it.

    Attributes:
        status: The destination's status code, if its protocol has one. For people only: ignored in comparisons.
    """

    status: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class RetryLater:
    """The destination does not have it, or we cannot know; another attempt may succeed.

    Attributes:
        reason: Why.
        detail: An explanation for people; at most 1 KiB is kept. Never a secret, never the event's data.
        not_before: The earliest time that the destination asked for (``Retry-After``); aware. None if it did not.
        status: The destination's status code, if its protocol has one.
        answer: The start of the destination's answer, for people; at most 1 KiB is kept.
    """

    reason: RetryReason
    detail: str = ""
    not_before: datetime | None = None
    status: int | None = None
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The destination refuses this particular event, and always will; it becomes a dead letter.

    The attributes are those of ``RetryLater``.
    """

    reason: DeadReason
    detail: str = ""
    status: int | None = None
    answer: str = ""


DeliveryOutcome = Delivered | RetryLater | Rejected
