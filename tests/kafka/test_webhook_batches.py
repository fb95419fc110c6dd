"""Batches of a webhook sink in the worker: one bad event costs no good one its delivery."""

import asyncio

import pytest
from aiohttp import web

from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Received, Receiver
from sink_workers.role import worker_for
from tests.support.installation import Installation, header

pytestmark = pytest.mark.kafka


async def test_a_bad_event_dies_alone_and_those_of_its_batch_are_delivered(settings: Settings) -> None:
    def answer(received: Received) -> int | web.Response:
        return web.Response(status=422, text="what is EZ3?") if "EZ3" in received.ids else 200

    async with Installation(settings) as installation, Receiver(answer) as receiver:
        batches = {"batch_events": True, "batch_linger_ms": 1000}
        subscription = await installation.subscribe(await installation.add_sink(receiver.url, config=batches))
        await installation.start(worker_for(load_plugin("webhook")))
        await installation.hand_to(subscription, installation.event(0))  # the first goes alone, and opens the sink
        await receiver.wait_for(lambda: bool(receiver.accepted))

        # At once: one by one they may take longer than a batch waits for more.
        await asyncio.gather(
            *(installation.hand_to(subscription, installation.event(number)) for number in range(1, 6))
        )

        await receiver.wait_for(lambda: len(receiver.accepted) == 5)
        (dead,) = await installation.dead(1)

    assert sorted(receiver.accepted) == ["EZ0", "EZ1", "EZ2", "EZ4", "EZ5"]
    assert any(len(each.ids) > 1 and "EZ3" in each.ids for each in receiver.received)
    assert header(dead, "ce_id") == "EZ3"
    assert header(dead, "es_detail") == "HTTP 422"
    assert header(dead, "es_answer") == "what is EZ3?"
