"""Whoever looks through many dead letters for a few leaves everybody else their turn."""

import asyncio
import time

import pytest

from control_api.redrive.partition_page import PartitionPage
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.producer import Acked, AckedProducer
from eventstreams.kafka.ranges import Range
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings
from eventstreams.topics import Topics, TopicSpec

pytestmark = pytest.mark.kafka

RECORDS = 200
SLOW_S = 0.011  # to judge one: longer than a slice


async def test_records_that_take_long_to_judge_hold_up_nobody(settings: Settings) -> None:
    topic = Topics(settings).subscription("test", "DF" + "0" * 32)
    await KafkaAdmin(settings).ensure([TopicSpec(topic, 1, {})])
    async with AckedProducer(settings) as producer:
        sent = await asyncio.gather(*(producer.send(topic, b"x") for _ in range(RECORDS)))
    assert all(isinstance(each, Acked) for each in sent)
    turns, seen = 0, list[int]()

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def judge(_: Record) -> None:
        time.sleep(SLOW_S)  # as a filter works: it waits for nothing
        seen.append(turns)

    task = asyncio.create_task(others())
    await PartitionPage[None](Range(topic, 0, 0, RECORDS), None).fill(settings, judge, size=10, budget=1000)

    task.cancel()
    assert len(seen) == RECORDS
    assert len(set(seen)) > RECORDS * 3 / 4  # others had their turn between nearly all of them
