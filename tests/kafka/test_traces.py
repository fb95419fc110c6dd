"""One event is one trace, from the gateway to its delivery, over a retry, a dead letter and a redrive."""

import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from router.role import route
from sink_workers.role import worker_for
from tests.support.bare_api import serving_bare
from tests.support.gateway import BATCH, STRUCTURED, cloudevent, running
from tests.support.redrives import redrive
from tests.support.topic import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

CLIENT = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"


class Collector:
    """An OTLP/HTTP endpoint: what it was sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip" and body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        return web.Response(content_type="application/x-protobuf")

    def of(self, trace: str) -> list[Span]:
        return [span for span in self.spans if span.trace_id.hex() == trace]


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector, app = Collector(), web.Application()
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
    try:
        yield collector
    finally:
        await runner.cleanup()


def outcomes(spans: Sequence[Span]) -> list[tuple[int, str]]:
    """Attempt and outcome of the deliveries, in order of time."""
    found = []
    for span in sorted(spans, key=lambda each: each.start_time_unix_nano):
        if span.name == "worker.deliver":
            about = {each.key: each.value for each in span.attributes}
            found.append((about["eventstreams.attempt"].int_value, about["eventstreams.outcome"].string_value))
    return found


async def test_one_event_is_one_trace_over_a_retry_a_dead_letter_and_a_redrive(settings: Settings) -> None:
    statuses = iter([503, 403])  # tried again, then refused; the redrive is taken
    async with (
        collecting() as collector,
        Receiver(lambda _: next(statuses, 200)) as receiver,
        running(settings.model_copy(update={"traces": collector.url, "traces_ratio": 1.0})) as gateway,
    ):
        installation = gateway.installation
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        router = await installation.start(route)
        worker = await installation.start(worker_for(load_plugin("webhook")))

        status, _ = await gateway.post(cloudevent(7, traceparent=CLIENT, tracestate="vendor=1"), STRUCTURED)
        assert status == 202
        await installation.dead_of(subscription.sid, 1)
        async with serving_bare(installation.settings, installation.account_sid) as api:
            await redrive(api, {"SubscriptionSid": subscription.sid})
        await receiver.wait_for(lambda: bool(receiver.accepted))
        await installation.stop(worker)
        await installation.stop(router)

        def whole() -> bool:
            return len(collector.of("ab" * 16)) == 5

        await eventually(whole, what=lambda: str([(each.name, each.trace_id.hex()) for each in collector.spans]))
        spans = collector.of("ab" * 16)

    [accepted] = [span for span in spans if span.name == "gateway.accept"]
    assert accepted.parent_span_id.hex() == "cd" * 8
    assert {span.parent_span_id for span in spans if span is not accepted} == {accepted.span_id}
    assert {span.trace_state for span in spans} == {"vendor=1"}
    assert [span.name for span in spans].count("router.route") == 1
    assert outcomes(spans) == [(1, "retry_later"), (2, "rejected"), (1, "delivered")]


async def test_events_of_one_request_to_a_sink_are_traces_of_their_own_and_link_to_the_first(
    settings: Settings,
) -> None:
    async with (
        collecting() as collector,
        Receiver() as receiver,
        running(settings.model_copy(update={"traces": collector.url, "traces_ratio": 1.0})) as gateway,
    ):
        installation = gateway.installation
        sink = await installation.add_sink(receiver.url, config={"batch_events": True})
        subscription = await installation.subscribe(sink)
        same = cloudevent(1)["source"]
        status, _ = await gateway.post([cloudevent(number, source=same) for number in range(3)], BATCH)
        assert status == 202
        router = await installation.start(route)
        await installation.copies_of(subscription.sid, 3)  # all are there before a worker fetches any
        await installation.stop(router)
        worker = await installation.start(worker_for(load_plugin("webhook")))
        await receiver.wait_for(lambda: len(receiver.accepted) == 3)
        await installation.stop(worker)

        def delivered() -> list[Span]:
            return [span for span in collector.spans if span.name == "worker.deliver"]

        await eventually(lambda: len(delivered()) == 3, what=lambda: str(len(collector.spans)))
        spans = delivered()

    assert len({span.trace_id for span in spans}) == 3
    links = [link.span_id for span in spans for link in span.links]
    assert len(links) == sum(len(each.ids) - 1 for each in receiver.received)  # a worker may take them in two batches
    assert set(links) <= {span.span_id for span in spans if not span.links}
