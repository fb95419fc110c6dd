"""The router's own producer on a real broker: what that keeps once, what it says, and where librdkafka puts a key."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest
from confluent_kafka import KafkaError, Message, Producer
from typing_extensions import override

from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings
from eventstreams.topics import TopicSpec
from router.at_least_once.producer import BatchProducer
from router.at_least_once.record_batch import Identity, Place, RecordBatch
from router.planning.plan import partition_of
from tests.support.kafka_gate import PRODUCE, Gate, gated
from tests.support.topic import PATIENCE_S, read_topic, read_topic_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

CUT = 0.04
HEADERS = [("ce_id", b"EZ1"), ("ce_subject", b""), ("es_subscription", b"DF1")]


@pytest.fixture
def producer(settings: Settings) -> Iterator[BatchProducer]:
    made = BatchProducer(settings)
    yield made
    made.close()


@pytest.fixture
async def admin(settings: Settings) -> KafkaAdmin:
    return KafkaAdmin(settings)


def batch_of(place: Place, values: Sequence[bytes]) -> RecordBatch:
    batch = RecordBatch(place)
    for value in values:
        batch.add_record(b"key", value, HEADERS)
    return batch


async def settled(producer: BatchProducer, batches: Sequence[RecordBatch]) -> Sequence[tuple[RecordBatch, KafkaError]]:
    """Those of ``batches`` that failed, once it is known of all."""
    producer.send(batches)
    assert await asyncio.to_thread(producer.flush, PATIENCE_S) == 0
    return producer.take_failed()


async def topic_of(
    admin: KafkaAdmin, settings: Settings, name: str, *, partitions: int = 1, most_bytes: int = 1 << 20
) -> str:
    spec = TopicSpec(f"{settings.topic_prefix}{name}", partitions, {"max.message.bytes": str(most_bytes)})
    await admin.ensure([spec])
    return spec.name


def values_of(records: Sequence[Record]) -> list[bytes | None]:
    return [record.value for record in records]


async def test_what_is_sent_is_what_readers_find(
    settings: Settings, producer: BatchProducer, admin: KafkaAdmin
) -> None:
    topics = [await topic_of(admin, settings, f"t{number}") for number in range(20)]

    failed = await settled(producer, [batch_of((topic, 0), [topic.encode(), b"second"]) for topic in topics])

    assert failed == []
    for topic in topics:
        records = await read_topic(settings, topic, 2)
        assert values_of(records) == [topic.encode(), b"second"]
        assert {(record.key, tuple(record.headers)) for record in records} == {(b"key", tuple(HEADERS))}


async def test_a_batch_that_comes_again_is_kept_once(
    settings: Settings, producer: BatchProducer, admin: KafkaAdmin
) -> None:
    topic = await topic_of(admin, settings, "again")
    batch, last = batch_of((topic, 0), [b"a", b"b"]), batch_of((topic, 0), [b"c"])
    assert await settled(producer, [batch]) == []

    assert batch.identity is not None, "as which it is sent again, as if its answer had been lost"
    assert await settled(producer, [batch]) == []
    assert await settled(producer, [last]) == []

    assert values_of(await read_topic(settings, topic, 3)) == [b"a", b"b", b"c"]


async def test_behind_a_batch_that_is_missing_it_begins_anew(
    settings: Settings, producer: BatchProducer, admin: KafkaAdmin
) -> None:
    topic = await topic_of(admin, settings, "gap")
    first, second = batch_of((topic, 0), [b"a"]), batch_of((topic, 0), [b"b"])
    assert await settled(producer, [first]) == []
    assert first.identity is not None
    producer._identities.next((topic, 0), 99)  # as for a batch that was given up

    assert await settled(producer, [second, batch_of((topic, 0), [b"c"])]) == []

    assert values_of(await read_topic(settings, topic, 3)) == [b"a", b"b", b"c"]
    assert isinstance(second.identity, Identity)
    assert (second.identity.sequence, second.renewals) == (0, 1)
    assert second.identity.producer_id != first.identity.producer_id


async def test_one_record_that_is_too_large_takes_no_others_with_it(
    settings: Settings, producer: BatchProducer, admin: KafkaAdmin
) -> None:
    topic = await topic_of(admin, settings, "large", most_bytes=10_000)
    values = [b"%d" % number for number in range(30)]
    values[17] = b"v" * 20_000

    failed = await settled(producer, [batch_of((topic, 0), values)])

    [(batch, error)] = failed
    assert error.code() == KafkaError.MSG_SIZE_TOO_LARGE
    assert [record.value for record in batch.read()] == [values[17]]
    del values[17]
    assert values_of(await read_topic(settings, topic, 29)) == values


async def test_a_topic_that_is_made_again_takes_what_comes_next(
    settings: Settings, producer: BatchProducer, admin: KafkaAdmin
) -> None:
    topic = await topic_of(admin, settings, "remade")
    assert await settled(producer, [batch_of((topic, 0), [b"a"])]) == []
    await admin.delete([topic])
    while topic in await admin.topics():
        await asyncio.sleep(0.2)

    producer.send([batch_of((topic, 0), [b"b"])])
    await topic_of(admin, settings, "remade")
    assert await asyncio.to_thread(producer.flush, PATIENCE_S) == 0
    again = [batch_of(batch.place, [b"b"]) for batch, _ in producer.take_failed()]
    assert await settled(producer, [*again, batch_of((topic, 0), [b"c"])]) == []

    assert values_of(await read_topic(settings, topic, 2)) == [b"b", b"c"]


async def test_a_topic_that_is_not_there_is_told_and_not_made(
    settings: Settings, producer: BatchProducer, admin: KafkaAdmin
) -> None:
    topic = f"{settings.topic_prefix}nowhere"

    failed = await settled(producer, [batch_of((topic, 0), [b"a"])])

    assert [(batch.place, error.code()) for batch, error in failed] == [((topic, 0), KafkaError.UNKNOWN_TOPIC_OR_PART)]
    assert topic not in await admin.topics()


async def test_a_key_leads_where_librdkafka_leads_it(
    settings: Settings, producer: BatchProducer, admin: KafkaAdmin
) -> None:
    topic = await topic_of(admin, settings, "keys", partitions=7)
    theirs: dict[bytes, int] = {}

    def told(_: KafkaError | None, message: Message) -> None:
        key, partition = message.key(), message.partition()
        assert isinstance(key, bytes)
        assert partition is not None
        theirs[key] = partition

    client = Producer({"bootstrap.servers": settings.kafka})
    keys = [b"key-%d" % number for number in range(100)]
    for key in keys:
        client.produce(topic, b"value", key, on_delivery=told)
    assert await asyncio.to_thread(client.flush, PATIENCE_S) == 0

    assert {key: partition_of(key, 7) for key in keys} == theirs
    assert await asyncio.to_thread(producer.partitions, topic, PATIENCE_S) == 7


class Cutting(Gate):
    """Cuts connections at random, before the broker has a Produce request or before the client has the response.

    Attributes:
        lost: How many requests it cut off.
        unanswered: How many responses it cut off.
        pairs: How many requests came while another one was not answered.
    """

    watches = PRODUCE

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.lost = self.unanswered = self.pairs = 0
        self._random = Random(1)
        self._in_flight = 0

    @override
    async def asked(self, request: bytes) -> Sequence[bytes]:
        self.pairs += self._in_flight > 0
        if self._random.random() < CUT:
            self.lost += 1
            self._cut()
        self._in_flight += 1
        return [request]

    @override
    async def answered(self, request: bytes, answer: bytes) -> Sequence[bytes]:
        if self._random.random() < CUT:
            self.unanswered += 1
            self._cut()
        self._in_flight -= 1
        return [answer]

    def _cut(self) -> None:
        self._in_flight = 0
        raise ConnectionResetError


async def test_batches_of_a_partition_are_kept_once_and_in_order_though_connections_break(tmp_path: Path) -> None:
    batches, records = 600, 5
    values = [[b"%d" % (number * records + each) for each in range(records)] for number in range(batches)]
    async with gated(tmp_path, Cutting) as (gate, through, beside):
        topic = await topic_of(KafkaAdmin(beside), beside, "cut")
        producer = BatchProducer(through)
        try:
            failed = await settled(producer, [batch_of((topic, 0), each) for each in values])
        finally:
            producer.close()
        found = values_of(await read_topic_until(beside, topic, lambda read: values[-1][-1] in values_of(read[-1:])))

    assert failed == []
    assert found == [value for each in values for value in each]
    assert gate.lost > 10, "in different situations"
    assert gate.unanswered > 10
    assert gate.pairs > batches / 2, "two batches of the partition were in flight"


READ = """
import asyncio, sys
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher
from router.batches import Batches

fetcher.MemoryRecords = Batches

async def main():
    async with AIOKafkaConsumer(sys.argv[1], bootstrap_servers=sys.argv[2], auto_offset_reset="earliest") as consumer:
        fetched = await asyncio.wait_for(consumer.getone(), 30)
        print("fetched", flush=True)
        opened = fetched.value.open()
        try:
            for at, *_ in opened:
                opened.record(at)
        except Exception as error:
            print("raised", error)

asyncio.run(main())
"""


async def test_a_length_that_is_another_in_64_bits_does_not_end_the_router(
    settings: Settings, admin: KafkaAdmin, producer: BatchProducer
) -> None:
    """Kafka reads a length of five bytes in 32 bits: of 1, aiokafka makes 2,147,483,649, and reads there."""
    topic = await topic_of(admin, settings, "lengths")
    batch = RecordBatch((topic, 0))
    batch.add(b"\x82\x80\x80\x80\x10" + b"k" + b"\x02v", 0, b"")
    assert await settled(producer, [batch]) == [], "a broker takes it"

    command = [sys.executable, "-c", READ, topic, settings.kafka]
    run = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)

    assert "fetched" in run.stdout, run.stderr
    assert run.returncode == 0, f"signal {-run.returncode}"
