"""A worker to which Kafka confirms no offset delivers little more: whoever has its partitions next repeats all that."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from eventstreams.kafka.hold import CONFIRM_S
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.broker import running_broker
from eventstreams.testing.receiver import Receiver
from eventstreams.times import now_ms
from sink_workers.role import worker_for
from tests.conftest import installation_settings
from tests.support.installation import Installation
from tests.support.topic import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
A_SECOND = 80
LONG = timedelta(seconds=300)  # its session does not end meanwhile: that would stop it as well


async def until_still(receiver: Receiver) -> int:
    """How many deliveries there were when none had come for two seconds."""
    while True:
        before = len(receiver.received)
        await asyncio.sleep(2.0)
        if len(receiver.received) == before:
            return before


async def test_it_stops_while_no_offset_is_confirmed_and_then_goes_on(tmp_path: Path) -> None:
    with running_broker(tmp_path) as broker, installation_settings(broker.bootstrap) as made:
        settings = made.model_copy(update={"session_timeout": LONG})
        async with Receiver() as receiver, Installation(settings) as installation:
            sink = replace(await installation.add_sink(receiver.url), rate_limit=float(A_SECOND))
            await installation.put(sink)
            subscription = await installation.subscribe(sink)
            deadline_ms = now_ms() + 14_400_000
            events = [installation.event(number) for number in range(1_200)]  # 15 s of deliveries
            await asyncio.gather(
                *(installation.hand_to(subscription, each, deadline_ms=deadline_ms) for each in events)
            )
            await installation.start(worker_for(load_plugin("webhook")))
            await eventually(lambda: len(receiver.received) > A_SECOND, timeout_s=60)
            try:
                broker.freeze()
                frozen_at = len(receiver.received)
                async with asyncio.timeout(60):
                    stopped_at = await until_still(receiver)
            finally:
                broker.thaw()

            assert frozen_at < stopped_at < len(events)
            await eventually(lambda: len(receiver.received) >= len(events), timeout_s=120)
            came = [event_id for each in receiver.received for event_id in each.ids]
            assert sorted(came) == sorted(each.id for each in events)  # each once: it has kept its partition
            assert CONFIRM_S < 10  # a session of the defaults: else it would be over first
