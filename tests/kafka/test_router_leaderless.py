"""A subscription's topic that takes nothing: its events go around it, and nobody else's wait."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from eventstreams.process import Process
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from router.exactly_once.transactions import Transactions
from router.role import route
from sink_workers.role import worker_for
from tests.conftest import installation_settings
from tests.kafka.test_router import settled
from tests.support.installation import Installation, header
from tests.support.second_broker import TwoBrokers, two_brokers
from tests.support.topic import eventually, read_topic_until

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]

SETTLE_S = 120.0


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[TwoBrokers]:
    with two_brokers(tmp_path) as brokers:
        yield brokers


@pytest.fixture(params=[False, True], ids=["acknowledged", "in transactions"])
async def installation(brokers: TwoBrokers, request: pytest.FixtureRequest) -> AsyncIterator[Installation]:
    with installation_settings(brokers.bootstrap) as settings:
        # Kafka makes its topic of transactions at the first: on the broker that stays.
        await asyncio.to_thread(Transactions(settings, turned=lambda: None).begin)
        async with Installation(settings.model_copy(update={"exactly_once": request.param})) as installation:
            yield installation


async def test_a_topic_without_a_leader_stops_nobody_and_its_events_are_delivered_all_the_same(
    installation: Installation, brokers: TwoBrokers
) -> None:
    """Its broker is killed under the router, and comes back."""
    async with Receiver() as one, Receiver() as other:
        await installation.subscribe(await installation.add_sink(one.url))
        topic = installation.topic_of(await installation.subscribe(await installation.add_sink(other.url)))
        await installation.start(worker_for(load_plugin("webhook")))
        router = await installation.start(route)
        # Nothing was on it yet: a worker that had read of it would look for what comes next behind where the new one
        # begins, and find the first events of that only if it looked before they came.
        await installation.admin.delete([topic])
        brokers.start_second()
        brokers.make_on_second(topic)
        await installation.publish([installation.event(0), installation.event(1)])
        await other.wait_for(lambda: other.accepted.keys() >= {"EZ0", "EZ1"}, timeout_s=SETTLE_S)

        brokers.second.kill()
        await installation.publish([installation.event(number) for number in range(2, 102)])
        await one.wait_for(lambda: len(one.accepted) == 102, timeout_s=SETTLE_S)
        await other.wait_for(lambda: len(other.accepted) == 102, timeout_s=SETTLE_S)
        await eventually(lambda: settled(router) == 102, timeout_s=SETTLE_S)
        assert avoided(router) == 1

        began = time.monotonic()
        for number in range(102, 110):  # from now on nobody waits for anything
            await installation.publish([installation.event(number)])
            await eventually(lambda number=number: one.accepted.keys() >= {f"EZ{number}"}, timeout_s=SETTLE_S)  # type: ignore[misc]
        took = time.monotonic() - began

        brokers.second.start()
        number = 110
        while avoided(router):
            await installation.publish([installation.event(number)])
            number += 1
            await asyncio.sleep(0.5)
        await installation.publish([installation.event(number)])
        wanted = {f"EZ{n}" for n in range(number + 1)}
        await other.wait_for(lambda: other.accepted.keys() >= wanted, timeout_s=SETTLE_S)
        await one.wait_for(lambda: one.accepted.keys() >= wanted, timeout_s=SETTLE_S)

    print(f"eight events one by one beside a topic without a leader: {took:.1f} s")  # noqa: T201 - the figure
    at_home = await read_topic_until(
        installation.settings, topic, lambda records: f"EZ{number}" in [header(each, "ce_id") for each in records]
    )
    assert "EZ50" not in [header(each, "ce_id") for each in at_home]
    assert max(one.accepted.values()) == 1


async def test_a_topic_of_which_one_partition_takes_nothing_is_gone_around_until_that_partition_takes_copies(
    installation: Installation, brokers: TwoBrokers
) -> None:
    """Taken back for what its other partition takes, it would stop everybody again, every few seconds."""
    async with Receiver() as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        await installation.put(replace(subscription, partitions=2))
        await installation.admin.delete([installation.topic_of(subscription)])
        brokers.start_second()
        brokers.make_on_second(installation.topic_of(subscription), first_partitions=1)
        router = await installation.start(route)
        await installation.publish([installation.event(number) for number in range(20)])
        await eventually(lambda: settled(router) == 20, timeout_s=SETTLE_S)

        brokers.second.kill()
        await installation.publish([installation.event(number) for number in range(20, 40)])
        await eventually(lambda: settled(router) == 40, timeout_s=SETTLE_S)
        slowest_s = 0.0
        for number in range(40, 64):  # for longer than two looks take
            began = time.monotonic()
            await installation.publish([installation.event(number)])
            await eventually(lambda number=number: settled(router) == number + 1, timeout_s=SETTLE_S)  # type: ignore[misc]
            slowest_s = max(slowest_s, time.monotonic() - began)
            assert avoided(router) == 1
            await asyncio.sleep(0.5)

    print(f"the slowest event beside a partition without a leader: {slowest_s:.1f} s")  # noqa: T201 - the figure


def avoided(router: Process) -> float:
    """Topics that it makes a detour around."""
    return router.metrics.registry.get_sample_value("eventstreams_avoided_topics") or 0.0
