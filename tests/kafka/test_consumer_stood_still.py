"""A worker that stood still for most of a session, and kept its partitions, goes on once a real Kafka confirms that."""

import asyncio

import pytest

from eventstreams.kafka.consumer import GroupConsumer
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings
from eventstreams.topics import TopicSpec
from tests.support.installation import Installation
from tests.support.lanes import Plan, running_lanes
from tests.support.topic import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


async def test_it_begins_nothing_until_kafka_has_confirmed_a_commit_and_then_goes_on(settings: Settings) -> None:
    async with Installation(settings) as installation:
        topic, group = f"{settings.topic_prefix}still", f"{settings.topic_prefix}group"
        await installation.admin.ensure([TopicSpec(topic, 1, {"message.timestamp.type": "LogAppendTime"})])
        handled: list[Record] = []

        async def publish(count: int) -> None:
            before = len(handled)
            await asyncio.gather(*[await installation.producer.enqueue(topic, b"it") for _ in range(count)])
            await eventually(lambda: len(handled) == before + count)

        async with running_lanes(Plan(settings.kafka, topic, group, left=[0]), on_handled=handled.append) as lanes:
            await publish(10)
            assert isinstance(lanes.flow, GroupConsumer)
            for _ in range(3):
                lanes.flow._hold._looked_at -= 60.0  # as if nobody had looked for so long
                assert not lanes.flow.may_begin()
                assert lanes.committable()  # or it would go on without a commit

                await publish(5)

                assert lanes.flow.may_begin()
