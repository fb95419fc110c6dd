"""Maps a broker's answers to outcomes: the retry matrix of ``docs/sinks/amqp.md``. Pure."""

from enum import StrEnum
from typing import Final

from eventstreams.sinks import DeadReason, DeliveryOutcome, Rejected, RetryLater, RetryReason


class Refusal(StrEnum):
    """How a broker can refuse a message, or a whole channel or connection, in the protocol's words."""

    NACK = "basic.nack"
    NO_ROUTE = "NO_ROUTE (312)"
    ACCESS_REFUSED = "ACCESS_REFUSED (403)"
    NOT_FOUND = "NOT_FOUND (404)"
    CONTENT_TOO_LARGE = "CONTENT_TOO_LARGE (311)"
    PRECONDITION_FAILED = "PRECONDITION_FAILED (406)"
    NOT_ALLOWED = "NOT_ALLOWED (530)"
    CLOSED = "that the channel or the connection is closed"


_CODES: Final = {Refusal.CONTENT_TOO_LARGE: 311, Refusal.PRECONDITION_FAILED: 406}


def judge(refusal: Refusal, *, events: int) -> DeliveryOutcome:
    """The outcome that ``refusal`` means for each event; ``events`` is how many were on the channel together."""
    detail = f"the broker says {refusal}"
    match refusal:
        case Refusal.NACK | Refusal.CLOSED:
            return RetryLater(RetryReason.WRITE_FAILED, detail)
        case Refusal.NO_ROUTE:
            return RetryLater(RetryReason.STREAM_ERROR, f"{detail}: no queue is bound for its routing key")
        case Refusal.NOT_FOUND:
            return RetryLater(RetryReason.STREAM_ERROR, f"{detail}: does the exchange exist?")
        case Refusal.ACCESS_REFUSED | Refusal.NOT_ALLOWED:
            return RetryLater(RetryReason.ROLE_REFUSED, detail)
        case Refusal.CONTENT_TOO_LARGE | Refusal.PRECONDITION_FAILED:  # the latter is RabbitMQ's word for it
            # It closes the channel, without saying which message was meant. The status tells the worker that the sink
            # works: if it counted as failing, the same events would be tried again together.
            if events > 1:
                alone = f"{detail} for {events} events: each is retried separately"
                return RetryLater(RetryReason.BAD_ANSWER, alone, status=_CODES[refusal])
            return Rejected(DeadReason.TOO_LARGE, detail)
