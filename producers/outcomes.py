"""The outcomes of publishing an event: a closed set of values."""

from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from eventstreams.errors import BufferFullError, InvalidEventError, PublishError

_MAX_SHOWN: Final = 200  # characters of a type from outside that are shown; the catalogue's are shorter


@dataclass(frozen=True, slots=True)
class Accepted:
    """All in-sync replicas of the broker have the event.

    Attributes:
        partition: Its partition of the events topic.
        accepted_at_ms: When the broker accepted it, by its clock; the event's deadline counts from here.
    """

    id: str
    partition: int
    offset: int
    accepted_at_ms: int


@dataclass(frozen=True, slots=True)
class Invalid:
    """The event does not fit the catalogue. Nothing was sent; sending it again is pointless.

    Attributes:
        path: JSON path of the first problem, such as ``$.data.messageSid``; ``$`` is the event as a whole.
        reason: What is wrong there, as the rest of a sentence that begins with ``path``. Never the value itself.
    """

    path: str
    reason: str

    @override
    def __str__(self) -> str:
        return f"{self.path} {self.reason}"


@dataclass(frozen=True, slots=True)
class NotAcknowledged:
    """The broker did not acknowledge the event; it may have it nevertheless.

    Attributes:
        id: The event's id.
        reason: Kafka's reason, in words.
        retry_is_safe: Whether the same event, with the same id, may be published again and can then succeed.
    """

    id: str
    reason: str
    retry_is_safe: bool

    @override
    def __str__(self) -> str:
        follows = "publish it again" if self.retry_is_safe else "publishing it again will not help"
        return f"Kafka did not acknowledge {self.id} ({self.reason}): {follows}"


@dataclass(frozen=True, slots=True)
class BufferFull:
    """Too many events wait for their acknowledgement. This one was not sent; publish it again a little later."""

    id: str

    @override
    def __str__(self) -> str:
        return f"{self.id} was not sent because the publisher's buffer is full: publish it again a little later"


SendOutcome = Accepted | NotAcknowledged | BufferFull
PublishOutcome = Invalid | SendOutcome


def accepted_or_raise(outcome: PublishOutcome, *, event_type: str) -> Accepted:
    """Return ``outcome`` of an event of ``event_type`` if it was accepted, or else raise the matching exception.

    Raises:
        InvalidEventError: it does not fit the catalogue; nothing was sent.
        BufferFullError: too many events wait for their acknowledgement; nothing was sent.
        PublishError: the broker did not acknowledge; the event may have been accepted nevertheless.
    """
    match outcome:
        case Accepted():
            return outcome
        case Invalid(path):
            raise InvalidEventError(f"{event_type[:_MAX_SHOWN]}: {outcome}", path=path)
        case NotAcknowledged():
            raise PublishError(str(outcome), retry_is_safe=outcome.retry_is_safe)
        case BufferFull():
            raise BufferFullError(str(outcome))
