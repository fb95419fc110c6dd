"""A broker that was killed makes the indexes of its last segments anew: there must be room in them."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from eventstreams.local.kafka import make_broker
from eventstreams.local.ports import free_ports
from eventstreams.settings import Settings
from eventstreams.testing.broker import RunningBroker
from eventstreams.topics import Topics

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]

SID = "DF" + "1" * 32
VALUE = bytes(16_500)  # each is a batch of its own, and more than lies between two entries: most entries in least room
ENTRIES = (256 << 10) // 12  # of a small index
# As of any Kafka but the local one, which has small indexes for all topics.
KAFKAS_OWN = """
log.index.size.max.bytes=10485760
log.index.interval.bytes=4096
log.segment.bytes=1073741824
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RunningBroker]:
    port, controller_port = free_ports(2)
    folder, cache = tmp_path / "kafka", Settings.load().cache_dir
    made = make_broker(folder, port=port, controller_port=controller_port, cache=cache, properties=KAFKAS_OWN)
    running = RunningBroker(made)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def write(bootstrap: str, topic: str, count: int, *, from_ms: int) -> None:
    """Each at a time of its own, as where they come over hours: what has the same time is one entry."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "batch.num.messages": 1})
    for number in range(count):
        while len(producer) > 1_000:
            producer.poll(0.1)
        producer.produce(topic, VALUE, partition=0, timestamp=from_ms + number)
    assert producer.flush(300) == 0


def test_a_broker_that_was_killed_starts_again_although_its_segments_were_full(broker: RunningBroker) -> None:
    spec = Topics(Settings.load()).subscription_spec("webhook", SID)
    client = AdminClient({"bootstrap.servers": broker.bootstrap})
    config = {**spec.config, "message.timestamp.type": "CreateTime"}
    client.create_topics([NewTopic(spec.name, 1, 1, config=config)])[spec.name].result(30)
    began_ms = int(time.time() * 1000) - 2 * ENTRIES
    write(broker.bootstrap, spec.name, ENTRIES // 2, from_ms=began_ms)
    broker.stop()  # after a start Kafka counts anew how far the last entry is, so there is one less
    broker.start()
    write(broker.bootstrap, spec.name, ENTRIES * 3 // 5, from_ms=began_ms + ENTRIES)
    broker.kill()

    broker.start()

    write(broker.bootstrap, spec.name, 1, from_ms=began_ms + 2 * ENTRIES)
