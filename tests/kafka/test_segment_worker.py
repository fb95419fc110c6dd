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
    async with running_source() as source, Installation(settings) as house:
        config = {"write_key": source.write_key, "endpoint": source.endpoint}
        subscription = await house.subscribe(await house.add_sink(None, config=config, sink_type="segment"))
        await house.hand_to(subscription, house.event(7))

        await house.start(worker_for(load_plugin("segment")))
        await eventually(lambda: bool(source.calls), what=lambda: f"{len(source.receiver.received)} requests")

    [call] = source.calls
    assert (call["messageId"], call["userId"]) == ("EZ7", house.event(7).data["to"])
