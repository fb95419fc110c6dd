"""The trace contexts of a request's events, and the gateway's spans: from reading an event until Kafka has it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from multidict import MultiMapping

from eventstreams.headers import TRACEPARENT, TRACESTATE
from eventstreams.telemetry.trace_context import TraceContext
from eventstreams.telemetry.tracing import Tracing
from producers.encoder import EncodedEvent


def contexts_of(events: Sequence[object], headers: MultiMapping[str]) -> Sequence[TraceContext | None]:
    """The context of each event: from its own attributes (a CloudEvents extension), or else the request's headers."""
    # tracestate may be spread over several headers.
    of_request = TraceContext.parse(headers.get(TRACEPARENT), ",".join(headers.getall(TRACESTATE, ())))
    return [_own(each) or of_request for each in events]


def _own(event: object) -> TraceContext | None:
    if not isinstance(event, Mapping) or TRACEPARENT not in event:
        return None
    return TraceContext.parse(event[TRACEPARENT], event.get(TRACESTATE))


@asynccontextmanager
async def accepting(
    tracing: Tracing | None, records: Sequence[EncodedEvent], parents: Sequence[TraceContext | None]
) -> AsyncIterator[Sequence[EncodedEvent]]:
    """``records`` with the headers of their traces, or of ``parents`` if tracing is off. Spans end on exit."""
    if tracing is None:
        yield [record.within(parent) for record, parent in zip(records, parents, strict=True)]
        return
    spans, traced = [], []
    for record, parent in zip(records, parents, strict=True):
        about = {"cloudevents.event_id": record.id, "cloudevents.event_type": record.type}
        span, context = tracing.accept(parent, about)
        spans.append(span)
        traced.append(record.within(context))
    try:
        yield traced
    finally:
        tracing.ended(spans)
