"""The Segment sink: maps events to calls, sends them in batches and judges the answers."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from eventstreams.sinks import (
    Capabilities,
    DeadReason,
    DeliveryOutcome,
    OutboundEvent,
    Rejected,
    RetryLater,
    SinkContext,
    SinkPlugin,
)
from sink_workers.plugins.segment.config import SegmentConfig
from sink_workers.plugins.segment.judge import judge
from sink_workers.plugins.segment.request import MAX_EVENT_BYTES, Mapper
from sink_workers.plugins.webhook.answer import excerpt
from sink_workers.plugins.webhook.client import HttpClient, HttpRequest

TIMEOUT_S: Final = 10.0
_HUNG_S: Final = 33.0  # above three requests of 10 s: a batch needs one, or two if mapping makes it much larger
_MAX_EVENTS: Final = 250
_MAX_BATCH_BYTES: Final = 300_000  # of CloudEvents; as calls they are up to half as large again
_LINGER_S: Final = 0.2
_MAX_IN_FLIGHT: Final = 16
_TOO_LARGE: Final = Rejected(DeadReason.TOO_LARGE, f"as an API call it has {MAX_EVENT_BYTES} bytes or more")


class SegmentSink:
    """Sends to one source."""

    def __init__(self, mapper: Mapper, client: HttpClient) -> None:
        self._mapper = mapper
        self._client = client

    async def deliver(self, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        """Send the events that are not too large, usually in one request, whose answer counts for all its events."""
        calls = [self._mapper.track(event) for event in batch]
        fitting = [call for call in calls if len(call) < MAX_EVENT_BYTES]
        outcomes: list[DeliveryOutcome] = []
        if fitting:
            for request, count in self._mapper.requests(fitting):
                outcomes += [await self._send(request, count)] * count
        rest = iter(outcomes)
        return [next(rest) if len(call) < MAX_EVENT_BYTES else _TOO_LARGE for call in calls]

    async def probe(self) -> DeliveryOutcome:
        """Send a batch without events, which creates nothing in Segment."""
        ((request, count),) = self._mapper.requests(())
        return await self._send(request, count)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _send(self, request: HttpRequest, events: int) -> DeliveryOutcome:
        answer = await self._client.exchange(request)
        if isinstance(answer, RetryLater):
            return answer
        return judge(
            answer.status,
            answer.body,
            is_whole=answer.is_whole,
            retry_after=answer.retry_after,
            answer=excerpt(answer.body, self._mapper.secrets),
            events=events,
            now=datetime.now(UTC),
        )


async def open_sink(config: SegmentConfig, context: SinkContext) -> SegmentSink:
    """Create the sink; it connects at the first delivery."""
    return SegmentSink(Mapper(config, user_agent=context.user_agent), HttpClient(context.guard, timeout_s=TIMEOUT_S))


PLUGIN: Final = SinkPlugin(
    sink_type="segment",
    summary="A source in Twilio Segment.",
    config=SegmentConfig,
    capabilities=lambda _: Capabilities(
        timeout_s=_HUNG_S,
        max_batch_events=_MAX_EVENTS,
        max_batch_bytes=_MAX_BATCH_BYTES,
        linger_s=_LINGER_S,
        max_in_flight=_MAX_IN_FLIGHT,
    ),
    open=open_sink,
)
