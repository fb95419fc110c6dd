"""Whatever makes the router read again, it reads from the first record that it has not finished."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
from aiokafka.errors import KafkaConnectionError
from faust.types import TP
from typing_extensions import override

from eventstreams.settings import Settings
from eventstreams.topics import TopicSpec
from router.faust_app.app import RunPump, add_agent, make_app, running
from router.faust_app.transport import RunConsumer, Taken
from tests.support.installation import Installation
from tests.support.topic import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


class NoRoutes:
    """Always as new as can be."""

    async def catch_up(self) -> None:
        pass

    async def wait_until(self, offset: int) -> None:
        pass


class Holding(RunPump):
    """Takes runs, and finishes none before it is told to."""

    def __init__(self) -> None:  # it has no lane
        self.taken: list[Taken] = []

    @override
    async def put(self, taken: Taken) -> None:
        self.taken.append(taken)

    def offsets(self) -> list[int]:
        runs = (taken.value for taken in self.taken)
        return [record.offset for run in runs for batch in run.batches for record in batch.records()]


@asynccontextmanager
async def reading(settings: Settings, topic: str) -> AsyncIterator[tuple[RunConsumer, Holding]]:
    def crash(error: BaseException) -> None:
        raise error

    app, held = make_app(settings, on_crash=crash, routes=NoRoutes()), Holding()
    add_agent(app, topic, held)
    async with running(app) as consumer:
        yield consumer, held
        for taken in held.taken:
            taken.ack()  # or its end waits for them


async def publish(installation: Installation, topic: str, count: int, *, partition: int = 0) -> None:
    for number in range(count):
        value, headers = installation.encoded(installation.event(number))
        await installation.put_raw(topic, value, headers, partition=partition)


async def seek(consumer: RunConsumer) -> None:
    await consumer.perform_seek()


async def seek_in_vain(consumer: RunConsumer) -> None:
    """As where the coordinator is away."""
    go_on = consumer.seek_to_committed
    failing = pytest.MonkeyPatch()
    failing.setattr(consumer, "seek_to_committed", fail_once_with(KafkaConnectionError(), then=go_on))
    with pytest.raises(KafkaConnectionError):
        await consumer.perform_seek()


def fail_once_with(error: Exception, then: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
    left = [error, error]

    async def call() -> object:
        if left:
            raise left.pop()
        return await then()

    return call


async def do_nothing(_: RunConsumer) -> None:
    """As Faust does after a seek that took too long."""


@pytest.mark.parametrize("meanwhile", [seek, seek_in_vain, do_nothing])
@pytest.mark.parametrize("finished", [0, 1])
async def test_what_was_read_and_not_finished_is_read_again(
    settings: Settings, finished: int, meanwhile: Callable[[RunConsumer], Awaitable[None]]
) -> None:
    """Also where nothing was ever committed, as in a new installation."""
    async with Installation(settings) as installation:
        topic = installation.topics.events + ".seek"
        await installation.admin.ensure([TopicSpec(topic, 1, {})])
        await publish(installation, topic, finished)
        async with reading(settings, topic) as (consumer, held):
            await eventually(lambda: len(held.offsets()) == finished, timeout_s=60)
            for taken in held.taken:
                taken.ack()
            await consumer.commit()
            await publish(installation, topic, 3)
            await eventually(lambda: len(held.offsets()) == finished + 3, timeout_s=60)

            consumer.stop_flow()
            await meanwhile(consumer)
            consumer.resume_flow()

            await eventually(lambda: len(held.offsets()) == finished + 6, timeout_s=60)
            assert sorted(set(held.offsets())) == list(range(finished + 3))
            for taken in held.taken[-3:]:
                taken.ack()
            await eventually(lambda: consumer.in_flight() == 0)  # none of those handed over before is waited for


async def test_what_is_finished_while_offsets_are_committed_is_committed_before_partitions_are_given_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever gets them repeats it, without any fault."""
    async with Installation(settings) as installation:
        topic, group = installation.topics.events + ".seek", installation.topics.group("router")
        await installation.admin.ensure([TopicSpec(topic, 1, {})])
        async with reading(settings, topic) as (consumer, held):
            for count in (1, 2):  # two runs
                await publish(installation, topic, 1)
                await eventually(lambda count=count: len(held.offsets()) == count, timeout_s=60)  # type: ignore[misc]
            commit, is_under_way, go_on = consumer._commit, asyncio.Event(), asyncio.Event()

            async def hold_up(offsets: Mapping[TP, int]) -> bool:
                is_under_way.set()
                await go_on.wait()
                return await commit(offsets)

            monkeypatch.setattr(consumer, "_commit", hold_up)
            held.taken[0].ack()
            await is_under_way.wait()
            draining = asyncio.create_task(consumer.drain())
            held.taken[1].ack()
            await eventually(lambda: consumer.in_flight() == 0)
            await asyncio.sleep(0.1)  # more than it takes to see that
            go_on.set()
            await draining

            assert await installation.admin.committed(group, topic) == {0: 2}


async def test_of_what_came_together_each_partition_is_committed_as_far_as_it_is_finished(settings: Settings) -> None:
    async with Installation(settings) as installation:
        topic, group = installation.topics.events + ".seek", installation.topics.group("router")
        await installation.admin.ensure([TopicSpec(topic, 3, {})])
        for partition, count in enumerate((1, 2, 3)):
            await publish(installation, topic, count, partition=partition)
        async with reading(settings, topic) as (consumer, held):
            await eventually(lambda: len(held.offsets()) == 6, timeout_s=60)
            assert consumer.app.monitor.messages_received_total == 1
            runs = {taken.value.partition: taken for taken in held.taken}

            runs[2].ack()
            await consumer.commit()

            assert await installation.admin.committed(group, topic) == {2: 3}
            assert consumer.in_flight() == 3
            runs[0].ack()
            await consumer.commit()
            assert await installation.admin.committed(group, topic) == {0: 1, 2: 3}
        assert await installation.admin.committed(group, topic) == {0: 1, 1: 2, 2: 3}
