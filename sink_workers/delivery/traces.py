"""What traces are told of an attempt."""

from collections.abc import Sequence

from eventstreams.sinks import DeliveryOutcome
from eventstreams.telemetry.tracing import Attempted, Tracing
from sink_workers.delivery.attempt import outcome_label
from sink_workers.delivery.pending import Made, Parcel


def trace(tracing: Tracing, batch: Sequence[Parcel], outcomes: Sequence[DeliveryOutcome], made: Made) -> None:
    """A span for each event of ``batch`` that is in a trace."""
    attempted = []
    for parcel, outcome in zip(batch, outcomes, strict=True):
        label, reason = outcome_label(outcome)
        attributes: dict[str, str | int] = {
            "cloudevents.event_id": parcel.event.id,
            "cloudevents.event_type": parcel.event.type,
            "eventstreams.subscription": made.subscription.sid,
            "eventstreams.sink": made.subscription.sink_sid,
            "eventstreams.sink_type": made.subscription.sink_type,
            "eventstreams.attempt": parcel.waybill.attempt,
            "eventstreams.outcome": label,
        }
        attempted.append(Attempted(dict(parcel.record.headers), attributes, reason or None))
    tracing.delivered(attempted, began_ms=made.began_ms)
