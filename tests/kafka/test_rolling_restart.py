"""Three members are restarted one after the other: the others notice nothing, and no event is lost."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest

from eventstreams.kafka.follower import PartitionFollower
from eventstreams.process import Process
from eventstreams.process.run import RoleMain
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from router.role import route
from sink_workers.role import worker_for
from tests.support.installation import Installation, header
from tests.support.topic import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

MEMBERS = ("pod-0", "pod-1", "pod-2")
SUBSCRIPTIONS = 6
AWAY = timedelta(minutes=1)  # a restart takes less, on a machine that is busy too


def named(settings: Settings, instance: str) -> Settings:
    return settings.model_copy(update={"instance": instance, "session_timeout": AWAY})


def rebalances(process: Process, kind: str) -> float:
    return process.metrics.registry.get_sample_value("eventstreams_rebalances_total", {"kind": kind}) or 0.0


def owned(process: Process) -> float:
    labels = {"kind": "subscription"}
    return process.metrics.registry.get_sample_value("eventstreams_assigned_partitions", labels) or 0.0


async def start_all(installation: Installation, main: RoleMain) -> dict[str, Process]:
    return {name: await installation.start(main, named(installation.settings, name)) for name in MEMBERS}


async def restart_each(
    installation: Installation, main: RoleMain, running: dict[str, Process], kind: str
) -> Mapping[str, float]:
    """Restart one after the other; of each, how many rebalances it saw while others restarted."""
    seen = dict.fromkeys(MEMBERS, 0.0)
    for name in MEMBERS:
        others = {other: rebalances(running[other], kind) for other in MEMBERS if other != name}
        await installation.stop(running[name])
        running[name] = await installation.start(main, named(installation.settings, name))
        await eventually(lambda name=name: rebalances(running[name], kind) >= 1, timeout_s=60)  # type: ignore[misc]
        for other, before in others.items():
            seen[other] += rebalances(running[other], kind) - before
    return seen


async def test_workers_with_names_of_their_own_restart_without_a_rebalance(settings: Settings) -> None:
    main = worker_for(load_plugin("webhook"))
    async with Installation(settings) as installation, Receiver() as receiver:
        subscriptions = [
            await installation.subscribe(await installation.add_sink(receiver.url)) for _ in range(SUBSCRIPTIONS)
        ]
        running = await start_all(installation, main)
        await eventually(lambda: all(owned(each) == 2 for each in running.values()), timeout_s=90)
        numbers = iter(range(100_000))
        stopping = asyncio.Event()

        async def publish() -> int:
            count = 0
            while not stopping.is_set():
                await asyncio.gather(
                    *(installation.hand_to(each, installation.event(next(numbers))) for each in subscriptions)
                )
                count += SUBSCRIPTIONS
                await asyncio.sleep(0.05)
            return count

        publishing = asyncio.create_task(publish())
        seen = await restart_each(installation, main, running, "subscription")
        stopping.set()
        count = await publishing
        await receiver.wait_for(lambda: len(receiver.accepted) == count, timeout_s=90)

    assert seen == dict.fromkeys(MEMBERS, 0.0)
    assert set(receiver.accepted.values()) == {1}


async def test_routers_with_names_of_their_own_restart_without_a_rebalance(settings: Settings) -> None:
    async with Installation(settings) as installation:
        subscription = await installation.subscribe(await installation.add_sink("http://127.0.0.1:9/"))
        running = await start_all(installation, route)
        await installation.publish(installation.event(number) for number in range(100))

        seen = await restart_each(installation, route, running, "events")
        await installation.publish(installation.event(number) for number in range(100, 200))
        ids: set[str] = set()
        async with PartitionFollower(
            settings,
            installation.topic_of(subscription),
            on_records=lambda records: ids.update(header(each, "ce_id") for each in records),
            on_crash=_raise,
        ):
            await eventually(lambda: len(ids) == 200, timeout_s=120, what=lambda: f"{len(ids)} of 200")

    assert seen == dict.fromkeys(MEMBERS, 0.0)


def _raise(error: BaseException) -> None:
    raise error
