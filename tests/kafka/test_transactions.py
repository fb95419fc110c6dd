"""Transactions, ranges and what is left of a topic, on the real broker."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from eventstreams.errors import TopicError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.follower import PartitionFollower
from eventstreams.kafka.producer import Acked, AckedProducer
from eventstreams.kafka.ranges import Range, RangeReader
from eventstreams.kafka.records import Record
from eventstreams.kafka.transaction import Fenced, Outgoing, TransactionalProducer, Unwritten, Written
from eventstreams.settings import Settings
from eventstreams.topics import Topics, TopicSpec
from tests.support.topic import read_topic

pytestmark = pytest.mark.kafka

GROUP = "worker.test"


@pytest.fixture
def topic(settings: Settings) -> str:
    return Topics(settings).subscription("test", "DF" + "0" * 32)


@pytest.fixture
async def admin(settings: Settings, topic: str) -> KafkaAdmin:
    admin = KafkaAdmin(settings)
    await admin.ensure([TopicSpec(topic, 1, {"message.timestamp.type": "LogAppendTime"})])
    return admin


def records(topic: str, *values: bytes) -> Sequence[Outgoing]:
    return [Outgoing(topic, value, headers=[("n", value)]) for value in values]


@asynccontextmanager
async def owner(settings: Settings, name: str = "job") -> AsyncIterator[TransactionalProducer]:
    async with TransactionalProducer(settings, f"{settings.topic_prefix}{name}") as producer:
        assert await producer.open() == Written()
        yield producer


def left_open(settings: Settings, topic: str, value: bytes, *, name: str = "job") -> Producer:
    """What a process that died between produce and commit leaves: a record in a transaction that nobody ends."""
    producer = Producer({"bootstrap.servers": settings.kafka, "transactional.id": f"{settings.topic_prefix}{name}"})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(topic, value)
    producer.flush(60)
    return producer


async def read_all(settings: Settings, ranges: Sequence[Range]) -> list[Record]:
    found: list[Record] = []
    async with asyncio.timeout(30), RangeReader(settings, ranges) as reader:
        while not reader.ended:
            found += await reader.read(7)
    return found


def commit(settings: Settings, topic: str, offset: int) -> None:
    consumer = Consumer({"bootstrap.servers": settings.kafka, "group.id": Topics(settings).group(GROUP)})
    consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    consumer.close()


async def test_what_is_written_together_is_read_together(settings: Settings, admin: KafkaAdmin, topic: str) -> None:
    async with owner(settings) as producer:
        assert await producer.write(records(topic, b"1", b"2")) == Written()
        assert await producer.write(records(topic, b"3")) == Written()

    found = await read_topic(settings, topic, 3)

    assert [each.value for each in found] == [b"1", b"2", b"3"]
    assert found[0].headers == [("n", b"1")]


async def test_a_new_owner_fences_the_old_and_aborts_what_it_left_open(
    settings: Settings, admin: KafkaAdmin, topic: str
) -> None:
    abandoned = left_open(settings, topic, b"never")

    async with owner(settings) as first:
        assert await first.write(records(topic, b"1")) == Written()
        async with owner(settings) as second:
            assert await first.write(records(topic, b"2")) == Fenced()
            assert await second.write(records(topic, b"3")) == Written()
            assert await first.write(records(topic, b"4")) == Unwritten("not open")

    assert [each.value for each in await read_topic(settings, topic, 2)] == [b"1", b"3"]
    abandoned.purge()


async def test_a_topic_that_is_not_there_leaves_nothing_of_the_others(
    settings: Settings, admin: KafkaAdmin, topic: str
) -> None:
    async with owner(settings) as producer:
        failed = await producer.write([*records(topic, b"1"), *records(f"{topic}x", b"2")])
        assert isinstance(failed, Unwritten)
        assert not failed.lasting
        assert await producer.open() == Written()
        assert await producer.write(records(topic, b"3")) == Written()

    assert [each.value for each in await read_topic(settings, topic, 1)] == [b"3"]


async def test_a_record_that_no_broker_takes_is_told_apart(settings: Settings, admin: KafkaAdmin, topic: str) -> None:
    async with owner(settings) as producer:
        failed = await producer.write(records(topic, b"1", bytes(3 << 20)))

    assert isinstance(failed, Unwritten)
    assert failed.lasting


async def test_a_range_ends_where_its_last_offset_is_no_record(
    settings: Settings, admin: KafkaAdmin, topic: str
) -> None:
    async with owner(settings) as producer:
        await producer.write(records(topic, *(b"%d" % number for number in range(20))))
        left = left_open(settings, topic, b"never", name="other")
        left.abort_transaction(60)

    # 20, a marker, one that was aborted, a marker, which the broker writes a moment after it has said so.
    async with asyncio.timeout(90):
        while (everything := (await admin.ranges([topic]))[0]).records < 23:
            await asyncio.sleep(0.02)

    assert everything.records == 23
    assert [int(each.value) for each in await read_all(settings, [everything])] == list(range(20))
    assert [int(each.value) for each in await read_all(settings, [Range(topic, 0, 5, 8)])] == [5, 6, 7]
    assert await read_all(settings, [Range(topic, 0, 21, 23)]) == []
    assert await read_all(settings, []) == []


async def test_a_range_of_a_topic_that_was_made_anew_is_an_error_and_not_a_wait(
    settings: Settings, admin: KafkaAdmin, topic: str
) -> None:
    async with owner(settings) as producer:
        await producer.write(records(topic, b"1"))

    with pytest.raises(TopicError, match="was recreated"):
        await read_all(settings, [Range(topic, 0, 50, 60)])


async def test_a_range_of_time_is_cut_by_the_brokers_clock(settings: Settings, admin: KafkaAdmin) -> None:
    topic = f"{settings.topic_prefix}cut"
    await admin.ensure([TopicSpec(topic, 3, {"message.timestamp.type": "LogAppendTime"})])
    times = []
    async with AckedProducer(settings, linger_ms=0) as producer:
        for number in range(6):
            answer = await producer.send(topic, b"%d" % number, partition=number % 2)
            assert isinstance(answer, Acked)
            times.append(answer.timestamp_ms)
            await asyncio.sleep(0.005)  # so that their times differ

    async def cut(after_ms: int | None, before_ms: int | None) -> list[int]:
        ranges = await admin.ranges([topic, f"{topic}x"], after_ms=after_ms, before_ms=before_ms)
        return sorted(int(each.value) for each in await read_all(settings, ranges))

    assert await cut(None, None) == [0, 1, 2, 3, 4, 5]
    assert await cut(times[2], None) == [2, 3, 4, 5]
    assert await cut(times[2], times[4]) == [2, 3]
    assert await cut(None, times[0]) == []
    assert await cut(times[5] + 1, None) == []
    assert await cut(times[4], times[1]) == []


@pytest.mark.parametrize("aborted", [False, True])
async def test_a_topic_is_settled_once_only_markers_and_aborted_records_lie_behind_the_commit(
    settings: Settings, admin: KafkaAdmin, topic: str, *, aborted: bool
) -> None:
    group = Topics(settings).group(GROUP)
    assert await admin.has_settled(group, topic)
    async with owner(settings) as producer:
        await producer.write(records(topic, b"1", b"2"))
    if aborted:
        left_open(settings, topic, b"never").abort_transaction(60)

    assert not await admin.has_settled(group, topic)
    commit(settings, topic, 1)
    assert not await admin.has_settled(group, topic)
    commit(settings, topic, 2)  # as a worker does: one more than the last record

    assert await admin.has_settled(group, topic)
    assert await admin.has_settled(group, f"{topic}x")


async def test_an_owner_that_is_fenced_just_before_its_commit_is_told_so(
    settings: Settings, topic: str, admin: KafkaAdmin
) -> None:
    async with owner(settings) as first, TransactionalProducer(settings, f"{settings.topic_prefix}job") as second:
        commit = first._commit

        def fenced(client: Producer, deadline: float) -> None:
            assert second._open() == Written()
            commit(client, deadline)

        first._commit = fenced  # type: ignore[method-assign]

        assert await first.write(records(topic, b"of nobody")) == Fenced()


async def test_a_follower_of_what_is_committed_waits_for_no_open_transaction(
    settings: Settings, topic: str, admin: KafkaAdmin
) -> None:
    async with owner(settings) as producer:
        await producer.write(records(topic, b"1"))
        abandoned = left_open(settings, topic, b"never", name="other")
        found: list[Record] = []

        async with PartitionFollower(
            settings, topic, on_records=found.extend, on_crash=_raise, committed_end=True
        ) as follower:
            async with asyncio.timeout(30):  # the transaction is open for a minute
                await follower.catch_up()

        assert [each.value for each in found] == [b"1"]
        abandoned.abort_transaction(60)


async def test_an_owner_that_notes_ends_knows_where_its_records_are(
    settings: Settings, topic: str, admin: KafkaAdmin
) -> None:
    async with TransactionalProducer(settings, f"{settings.topic_prefix}job", notes_ends=True) as producer:
        assert await producer.open() == Written()

        first, second = await producer.write(records(topic, b"1", b"2")), await producer.write(records(topic, b"3"))

    assert isinstance(first, Written)
    assert isinstance(second, Written)
    assert [first.ends, second.ends] == [{topic: 2}, {topic: 4}]  # a marker lies between them


def _raise(error: BaseException) -> None:
    raise error
