"""Workers join and leave in mid-stream on a real broker: partitions move, and every event arrives."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from eventstreams.control.records import Subscription
from eventstreams.process import Process
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Received, Receiver
from sink_workers.role import worker_for
from tests.support.installation import Installation
from tests.support.topic import eventually

pytestmark = pytest.mark.kafka

SUBSCRIPTIONS = 6


@pytest.fixture
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(settings) as installation:
        yield installation


async def start(installation: Installation) -> Process:
    return await installation.start(worker_for(load_plugin("webhook")))


def owned(worker: Process) -> float:
    """Partitions of subscription topics that ``worker`` owns."""
    labels = {"kind": "subscription"}
    return worker.metrics.registry.get_sample_value("eventstreams_assigned_partitions", labels) or 0.0


async def publish(installation: Installation, subscriptions: list[Subscription], stopping: asyncio.Event) -> set[str]:
    """A steady stream for all of them until it is stopped; the ids."""
    count = 0
    while not stopping.is_set():
        events = [installation.event(count + number) for number in range(len(subscriptions))]
        await asyncio.gather(*map(installation.hand_to, subscriptions, events))
        count += len(events)
        await asyncio.sleep(0.05)
    return {f"EZ{number}" for number in range(count)}


async def test_a_worker_that_joins_and_one_that_leaves_in_mid_stream_lose_and_double_nothing(
    installation: Installation,
) -> None:
    async with Receiver() as receiver:
        subscriptions = [
            await installation.subscribe(await installation.add_sink(receiver.url)) for _ in range(SUBSCRIPTIONS)
        ]
        first = await start(installation)
        stopping = asyncio.Event()
        publishing = asyncio.create_task(publish(installation, subscriptions, stopping))
        await receiver.wait_for(lambda: len(receiver.accepted) > 50)

        second = await start(installation)
        await eventually(lambda: owned(first) == owned(second) == SUBSCRIPTIONS / 2, timeout_s=60)
        await installation.stop(first)
        await asyncio.sleep(0.2)  # some come after that as well
        stopping.set()

        sent = await publishing
        await receiver.wait_for(lambda: receiver.accepted.keys() == sent, timeout_s=60)
        await eventually(lambda: owned(second) == SUBSCRIPTIONS)
    assert set(receiver.accepted.values()) == {1}


async def test_a_partition_that_moves_while_a_delivery_hangs_is_delivered_by_its_new_owner(
    installation: Installation,
) -> None:
    async def answer(received: Received) -> int:
        if received.ids[0] == "EZ0" and len(receiver.received) == 1:
            await asyncio.sleep(60)  # longer than a revoked partition may drain
        return 200

    async with Receiver(answer) as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        first = await start(installation)
        await installation.hand_to(subscription, installation.event(0))
        await eventually(lambda: len(receiver.received) == 1)
        for number in range(1, 20):
            await installation.hand_to(subscription, installation.event(number))

        await asyncio.gather(installation.stop(first), start(installation))

        await receiver.wait_for(lambda: len(receiver.accepted) == 20, timeout_s=60)
