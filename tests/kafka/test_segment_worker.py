"""A whole worker towards Segment: whom an event is about comes from the schema that its subscription asks for."""

import pytest

from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from sink_workers.role import worker_for
from tests.support.installation import Installation
from tests.support.segment import running_source
from tests.support.topic import eventually

pytestmark = pytest.mark.kafka


async def test_a_message_is_a_call_about_its_recipient(settings: Settings) -> None:
    async with running_source() as source, Installation(settings) as installation:
        config = {"write_key": source.write_key, "endpoint": source.endpoint}
        subscription = await installation.subscribe(
            await installation.add_sink(None, config=config, sink_type="segment")
        )
        await installation.hand_to(subscription, installation.event(7))

        await installation.start(worker_for(load_plugin("segment")))
        await eventually(lambda: bool(source.calls), what=lambda: f"{len(source.receiver.received)} requests")

    [call] = source.calls
    assert (call["messageId"], call["userId"]) == ("EZ7", installation.event(7).data["to"])
