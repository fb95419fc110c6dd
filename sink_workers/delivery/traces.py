"""Reports attempts to the tracing backend."""

from collections.abc import Sequence

from eventstreams.sinks import DeliveryOutcome
from eventstreams.telemetry.tracing import Attempted, Tracing
from sink_workers.delivery.attempt import outcome_label
from sink_workers.delivery.pending import CompletedAttempt, PendingDelivery


def trace(
    tracing: Tracing, batch: Sequence[PendingDelivery], outcomes: Sequence[DeliveryOutcome], made: CompletedAttempt
) -> None:
    """Record a span for each event of ``batch`` that is part of a trace."""
    attempted = []
    for delivery, outcome in zip(batch, outcomes, strict=True):
        label, reason = outcome_label(outcome)
        attributes: dict[str, str | int] = {
            "cloudevents.event_id": delivery.event.id,
            "cloudevents.event_type": delivery.event.type,
            "eventstreams.subscription": made.subscription.sid,
            "eventstreams.sink": made.subscription.sink_sid,
            "eventstreams.sink_type": made.subscription.sink_type,
            "eventstreams.attempt": delivery.progress.attempt,
            "eventstreams.outcome": label,
        }
        attempted.append(Attempted(dict(delivery.record.headers), attributes, reason or None))
    tracing.delivered(attempted, began_ms=made.began_ms)
