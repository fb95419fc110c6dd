"""What a worker had settled behind an event that it had not is not delivered again by the next, and nothing is lost."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from eventstreams.kafka.commits import Commit
from eventstreams.kafka.committed import found_commits
from eventstreams.kafka.config import client_config
from eventstreams.kafka.consumer import COMMIT_INTERVAL_S
from eventstreams.kafka.records import Partition, Record
from eventstreams.local.kafka import make_broker
from eventstreams.local.ports import free_ports
from eventstreams.settings import Settings
from eventstreams.testing.broker import RunningBroker
from eventstreams.topics import TopicSpec
from sink_workers.lanes.settled_ahead import from_note
from tests.conftest import installation_settings
from tests.support.installation import Installation
from tests.support.lanes import Plan, lanes_process, running_lanes, said
from tests.support.topic import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]
COUNT = 3_000
LEFT = [0, 700]  # hang for ever in the first worker
NAME = "only"  # whoever has it gets the place of the one that was killed at once


class Topic:
    """One with a partition, and a group that reads it."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._settings = installation.settings
        self.at = Partition(f"{self._settings.topic_prefix}hanging", 0)
        self.group = f"{self._settings.topic_prefix}group"

    def plan(self, *, left: Sequence[int] = (), commit_s: float = COMMIT_INTERVAL_S, name: str | None = None) -> Plan:
        return Plan(self._settings.kafka, self.at.topic, self.group, name, list(left), commit_s)

    async def make(self) -> None:
        await self._installation.admin.ensure(
            [TopicSpec(self.at.topic, 1, {"message.timestamp.type": "LogAppendTime"})]
        )

    async def fill(self, count: int) -> None:
        answers = [await self._installation.producer.enqueue(self.at.topic, b"%d" % each) for each in range(count)]
        await asyncio.gather(*answers)

    @contextmanager
    def client(self) -> Iterator[Consumer]:
        client = Consumer(client_config(self._settings, {"group.id": self.group, "enable.auto.commit": False}))
        try:
            yield client
        finally:
            client.close()

    def commit(self) -> Commit | None:
        """The last one that Kafka has."""
        with self.client() as client:
            return found_commits(client, [self.at], within_s=60.0).get(self.at)

    def said_settled(self) -> int:
        """How many records behind the committed offset Kafka knows to be settled."""
        commit = self.commit()
        ahead = None if commit is None else from_note(commit.note, self.at, commit.offset)
        return 0 if ahead is None else sum(ahead.runs[1::2])

    async def handled_by_the_next(self, until: Callable[[list[int]], bool], *, name: str | None = None) -> list[int]:
        """What a worker that leaves nothing handles until that ends it, in order of offset; it has committed all."""
        handled: list[int] = []

        async with running_lanes(
            self.plan(name=name), on_handled=lambda record: handled.append(record.offset)
        ) as lanes:
            await eventually(lambda: until(handled) and lanes.unsettled == 0, what=lambda: f"{len(handled)} handled")
        return sorted(handled)


async def filled(installation: Installation) -> Topic:
    """A topic of a hundred records."""
    topic = Topic(installation)
    await topic.make()
    await topic.fill(100)
    return topic


async def test_a_worker_that_is_killed_repeats_what_it_had_not_settled_and_nothing_behind_it(
    settings: Settings,
) -> None:
    async with Installation(settings) as installation:
        topic = Topic(installation)
        await topic.make()
        await topic.fill(COUNT)
        with lanes_process(topic.plan(left=LEFT, name=NAME)) as worker:
            await eventually(lambda: topic.said_settled() == COUNT - len(LEFT), every_s=0.3)
            worker.kill()
            worker.wait()
        await topic.fill(5)

        handled = await topic.handled_by_the_next(lambda handled: COUNT + 4 in handled, name=NAME)

        assert handled == [*LEFT, *range(COUNT, COUNT + 5)]
        assert topic.commit() == Commit(COUNT + 5)


async def test_a_worker_that_is_killed_before_it_commits_repeats_all(settings: Settings) -> None:
    async with Installation(settings) as installation:
        topic = Topic(installation)
        await topic.make()
        await topic.fill(COUNT)
        with lanes_process(topic.plan(left=[0], commit_s=3600.0, name=NAME)) as worker:
            assert sorted(await asyncio.to_thread(said, worker, COUNT)) == list(range(COUNT))
            worker.kill()
            worker.wait()
        assert topic.commit() is None

        handled = await topic.handled_by_the_next(lambda handled: len(handled) >= COUNT, name=NAME)

        assert handled == list(range(COUNT))


async def test_a_worker_that_ends_in_order_leaves_its_place_with_what_is_settled(settings: Settings) -> None:
    async with Installation(settings) as installation:
        topic = await filled(installation)
        handled: list[Record] = []
        plan = topic.plan(left=[7], commit_s=3600.0)
        async with running_lanes(plan, on_handled=handled.append):
            await eventually(lambda: len(handled) == 100)

        assert topic.said_settled() == 92
        assert await topic.handled_by_the_next(lambda handled: 7 in handled) == [7]


async def test_a_worker_that_does_not_come_to_read_what_was_settled_before_it_leaves_that_to_the_next(
    settings: Settings,
) -> None:
    async with Installation(settings) as installation:
        topic = await filled(installation)
        handled: list[Record] = []
        async with running_lanes(topic.plan(left=[0, 1]), on_handled=handled.append):
            await eventually(lambda: len(handled) == 100)
            await eventually(lambda: topic.said_settled() == 98, every_s=0.3)

        between: list[int] = []
        async with running_lanes(topic.plan(left=[0]), on_handled=lambda each: between.append(each.offset), end=10):
            await eventually(lambda: between == [0, 1])
            await eventually(lambda: topic.said_settled() == 99, every_s=0.3)

        assert topic.said_settled() == 99
        assert await topic.handled_by_the_next(lambda handled: 0 in handled) == [0]


@pytest.mark.parametrize("again", ["made again", "made again, and committed by one that did not know", "set by a tool"])
async def test_of_a_topic_that_is_another_or_was_set_back_all_is_delivered(settings: Settings, again: str) -> None:
    async with Installation(settings) as installation:
        topic = await filled(installation)
        handled: list[Record] = []
        async with running_lanes(topic.plan(left=[0]), on_handled=handled.append):
            await eventually(lambda: len(handled) == 100)
            await eventually(lambda: topic.said_settled() == 99, every_s=0.3)
        left = topic.commit()
        assert left is not None

        if again == "set by a tool":
            with topic.client() as client:
                client.commit(offsets=[TopicPartition(*topic.at, left.offset)], asynchronous=False)
        else:
            await installation.admin.delete([topic.at.topic])
            await topic.make()
            await topic.fill(100)
            if again != "made again":
                with topic.client() as client:
                    client.commit(offsets=[TopicPartition(*topic.at, *left)], asynchronous=False)

        assert await topic.handled_by_the_next(lambda handled: len(handled) >= 100) == list(range(100))


async def test_where_kafka_takes_no_notes_offsets_are_committed_without_them(tmp_path: Path) -> None:
    port, controller_port = free_ports(2)
    made = make_broker(
        tmp_path,
        port=port,
        controller_port=controller_port,
        cache=Settings.load().cache_dir,
        properties="offset.metadata.max.bytes=16\n",
    )
    broker = RunningBroker(made)
    broker.start()
    try:
        with installation_settings(broker.bootstrap) as settings:
            await commit_without_notes(settings)
    finally:
        broker.stop()


async def commit_without_notes(settings: Settings) -> None:
    async with Installation(settings) as installation:
        topic = await filled(installation)
        handled: list[Record] = []
        async with running_lanes(topic.plan(left=[50]), on_handled=handled.append):
            await eventually(lambda: len(handled) == 100)
            await eventually(lambda: topic.commit() == Commit(50), every_s=0.3)
        assert topic.commit() == Commit(50)

        assert await topic.handled_by_the_next(lambda handled: len(handled) >= 50) == list(range(50, 100))
