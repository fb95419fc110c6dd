"""What an attempt says of each event. A plugin judges once and returns one of these for every event it was given."""

from dataclasses import dataclass, field
from datetime import datetime

from eventstreams.reasons import DeadReason, RetryReason


@dataclass(frozen=True, slots=True)
class Delivered:
    """The destination has it.

    Attributes:
        status: The destination's status code, where its protocol has one. For people: one ``Delivered`` equals another.
    """

    status: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class RetryLater:
    """The destination does not have it, or we cannot know; another attempt may succeed.

    Attributes:
        reason: Why.
        detail: In words, for people; at most 1 KiB is kept. Never a secret, never the event's data.
        not_before: What the destination asked for (``Retry-After``); aware. None where it said nothing.
        status: The destination's status code, where its protocol has one.
        answer: Start of what the destination answered, for people; at most 1 KiB is kept.
    """

    reason: RetryReason
    detail: str = ""
    not_before: datetime | None = None
    status: int | None = None
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The destination refuses this very event, and always will; it becomes a dead letter.

    The attributes are those of ``RetryLater``.
    """

    reason: DeadReason
    detail: str = ""
    status: int | None = None
    answer: str = ""


DeliveryOutcome = Delivered | RetryLater | Rejected
