"""Reading whole topics on a real broker: every partition, from where one was, and how far behind."""

import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer

from eventstreams.errors import BrokerUnreachableError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.records import Partition, Record
from eventstreams.kafka.topics_reader import TopicsReader
from eventstreams.settings import Settings
from eventstreams.topics import TopicSpec
from tests.support.topic import PATIENCE_S

pytestmark = pytest.mark.kafka


@pytest.fixture
def put(settings: Settings) -> Callable[[str, int, str], None]:
    """Puts a record on a partition of a topic, and returns once it is there."""
    producer = Producer({"bootstrap.servers": settings.kafka, "linger.ms": 0})

    def put(topic: str, partition: int, value: str) -> None:
        producer.produce(topic, value.encode(), partition=partition)
        producer.flush()

    return put


@pytest.fixture
def reader(settings: Settings) -> Iterator[TopicsReader]:
    with TopicsReader(settings, [f"{settings.topic_prefix}{name}" for name in "ab"], look_s=0.2) as reader:
        yield reader


def read(reader: TopicsReader, count: int) -> list[Record]:
    """The next ``count`` records."""
    found: list[Record] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < count:
        assert time.monotonic() < deadline, found
        found += reader.read(100, wait_s=0.1)
    return found


def values(records: list[Record]) -> set[str]:
    return {record.value.decode() for record in records}


async def test_every_partition_of_every_topic_is_read_from_its_start(
    settings: Settings, put: Callable[[str, int, str], None], reader: TopicsReader
) -> None:
    a, b = (f"{settings.topic_prefix}{name}" for name in "ab")
    await KafkaAdmin(settings).ensure([TopicSpec(a, 2, {}), TopicSpec(b, 1, {})])
    for topic, partition, value in ((a, 0, "1"), (a, 1, "2"), (a, 1, "3"), (b, 0, "4")):
        put(topic, partition, value)

    reader.start({})

    assert values(read(reader, 4)) == {"1", "2", "3", "4"}
    assert reader.offsets() == {Partition(a, 0): 1, Partition(a, 1): 2, Partition(b, 0): 1}
    backlogs = reader.backlogs()
    assert backlogs is not None
    assert {backlog.records for backlog in backlogs.values()} == {0}
    assert all(backlog.read_until_ms for backlog in backlogs.values())
    assert reader.cluster_id()


async def test_reading_goes_on_from_where_it_was_and_says_how_much_is_left(
    settings: Settings, put: Callable[[str, int, str], None], reader: TopicsReader
) -> None:
    a = f"{settings.topic_prefix}a"
    await KafkaAdmin(settings).ensure([TopicSpec(a, 1, {})])
    for number in range(5):
        put(a, 0, str(number))

    reader.start({Partition(a, 0): 2})

    [first] = read_one(reader)
    assert first.value == b"2"
    backlogs = reader.backlogs()
    assert backlogs is not None
    assert backlogs[Partition(a, 0)].records == 2
    assert values(read(reader, 2)) == {"3", "4"}


async def test_a_topic_that_comes_later_is_read_and_one_that_comes_again_as_well(
    settings: Settings, put: Callable[[str, int, str], None], reader: TopicsReader
) -> None:
    a, b = (f"{settings.topic_prefix}{name}" for name in "ab")
    admin = KafkaAdmin(settings)
    reader.start({})
    assert list(reader.read(10, wait_s=0.1)) == []
    assert reader.backlogs() is None

    await admin.ensure([TopicSpec(a, 1, {}), TopicSpec(b, 1, {})])
    for number in range(3):
        put(a, 0, str(number))
    read(reader, 3)
    await admin.delete([a])
    while Partition(a, 0) in (reader.backlogs() or {}):
        reader.read(10, wait_s=0.1)
    await admin.ensure([TopicSpec(a, 1, {})])
    put(a, 0, "again")

    assert values(read(reader, 1)) == {"again"}


async def test_an_end_that_is_further_on_than_the_last_record_is_where_reading_stands(
    settings: Settings, reader: TopicsReader
) -> None:
    a = f"{settings.topic_prefix}a"
    await KafkaAdmin(settings).ensure([TopicSpec(a, 1, {})])
    producer = Producer({"bootstrap.servers": settings.kafka, "transactional.id": a})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(a, b"1", partition=0)
    producer.commit_transaction(30)  # its end takes an offset, too

    reader.start({})

    assert values(read(reader, 1)) == {"1"}
    deadline = time.monotonic() + 30
    while reader.offsets() != {Partition(a, 0): 2}:
        assert time.monotonic() < deadline, reader.offsets()
        reader.read(100, wait_s=0.1, gather_s=0.1)
    assert reader.offsets() == {Partition(a, 0): 2}


async def test_large_records_are_not_read_by_the_thousand(settings: Settings, reader: TopicsReader) -> None:
    a = f"{settings.topic_prefix}a"
    await KafkaAdmin(settings).ensure([TopicSpec(a, 1, {})])
    producer = Producer({"bootstrap.servers": settings.kafka})
    for _ in range(600):
        producer.produce(a, b"x" * 20_000, partition=0)
    producer.flush()

    reader.start({})
    sizes: list[int] = []
    while sum(sizes) < 600:
        sizes.append(len(reader.read(1_000, wait_s=1.0, gather_s=5.0)))

    assert max(sizes) * 20_000 < 10 << 20


def test_a_kafka_that_is_not_there_is_said_so() -> None:
    nowhere = Settings.load(kafka="127.0.0.1:9")

    with TopicsReader(nowhere, ["es.events"]) as reader, pytest.raises(BrokerUnreachableError, match=r"127\.0\.0\.1:9"):
        reader.cluster_id()


def read_one(reader: TopicsReader) -> list[Record]:
    """One record, and no more."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := reader.read(1, wait_s=0.1)):
        assert time.monotonic() < deadline
    return list(found)
