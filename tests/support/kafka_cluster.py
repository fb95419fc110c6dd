"""A customer's Kafka for tests: a real broker with TLS and SCRAM, which advertises the port of a test's gate."""

import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialsDescription,
    UserScramCredentialUpsertion,
)
from confluent_kafka.cimpl import NewTopic

from eventstreams.local.kafka import make_broker
from eventstreams.local.ports import free_ports
from eventstreams.settings import Settings
from eventstreams.testing.broker import RunningBroker
from eventstreams.testing.certificates import CertificateAuthority

USER: Final = "customer"
_LEADER_S: Final = 60.0
MAX_MESSAGE: Final = 100_000
_KNOWN_S: Final = 90.0
_ITERATIONS: Final = count(4096)  # of a password's hash: unique, so that the broker's answer shows which one holds
_HOST: Final = "127.0.0.1"
_EXTRA: Final = """
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port},GATE://{host}:{inner}
advertised.listeners=PLAINTEXT://{host}:{port},GATE://{host}:{gate}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GATE:SASL_SSL
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.gate.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.gate.ssl.keystore.type=PEM
listener.name.gate.ssl.keystore.location={keystore}
"""


@dataclass(frozen=True, slots=True)
class CustomersKafka:
    """Attributes:
    bootstrap: Address without TLS and without the gate, only for tests.
    inner: The port behind the gate.
    gate: The port that the broker advertises.
    authority: The CA that signed the broker's certificate.
    """

    bootstrap: str
    inner: int
    gate: int
    authority: CertificateAuthority

    def set_password(self, password: str) -> None:
        """Set the password of ``USER``; returns once the broker knows it."""
        iterations = next(_ITERATIONS)
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, iterations)
        changes: list[UserScramCredentialAlteration] = [UserScramCredentialUpsertion(USER, info, password.encode())]
        admin = self._admin  # keeps a reference: its futures end with it
        for future in admin.alter_user_scram_credentials(changes).values():
            future.result()
        deadline = time.monotonic() + _KNOWN_S
        while [each.iterations for each in self._credentials(admin)] != [iterations]:  # the controller answers earlier
            assert time.monotonic() < deadline, "the broker does not know the new password"
            time.sleep(0.01)

    def _credentials(self, admin: AdminClient) -> Sequence[ScramCredentialInfo]:
        """Return the broker's SCRAM credentials of ``USER``."""
        asked = cast(
            "dict[str, Future[UserScramCredentialsDescription]]", admin.describe_user_scram_credentials([USER])
        )
        try:
            found = asked[USER].result().scram_credential_infos
        except KafkaException:  # it knows no such user
            return ()
        return cast(Sequence[ScramCredentialInfo], found)

    def create_topic(self, partitions: int = 3) -> str:
        topic = f"events-{uuid.uuid4().hex[:8]}"
        new = NewTopic(topic, partitions, 1, config={"max.message.bytes": str(MAX_MESSAGE)})
        admin = self._admin
        for future in admin.create_topics([new]).values():
            future.result()
        return topic

    def records(self, topic: str) -> Sequence[Message]:
        """Return everything on ``topic`` now."""
        group = {"group.id": uuid.uuid4().hex, "enable.auto.commit": False, "enable.partition.eof": False}
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "auto.offset.reset": "earliest", **group})
        try:
            partitions = consumer.list_topics(topic, timeout=60).topics[topic].partitions
            ends = {each: _ends(consumer, TopicPartition(topic, each)) for each in partitions}
            wanted = sum(high - low for low, high in ends.values())
            consumer.assign([TopicPartition(topic, each, low) for each, (low, _) in ends.items()])
            found: list[Message] = []
            while len(found) < wanted:
                found += consumer.consume(wanted - len(found), timeout=1)
            return found
        finally:
            consumer.close()

    @property
    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap})


def _ends(consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
    deadline = time.monotonic() + _LEADER_S
    while True:
        try:
            return consumer.get_watermark_offsets(partition, timeout=60)
        except KafkaException as error:  # the broker may not know yet that it leads a topic that was just created
            if not error.args[0].retriable() and error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION:
                raise
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def headers_of(record: Message) -> dict[str, str]:
    """Return the headers of ``record``, none of which may be repeated."""
    found: dict[str, str] = {}
    for header in record.headers() or ():
        assert isinstance(header, tuple)
        name, value = header
        assert isinstance(value, bytes)
        found[str(name)] = value.decode()
    return found


@contextmanager
def running_customers_kafka(folder: Path) -> Iterator[CustomersKafka]:
    """Run such a broker, with its data in ``folder``."""
    port, controller_port, inner, gate = free_ports(4)
    authority = CertificateAuthority.new()
    pair = authority.issue(_HOST)
    keystore = folder / "broker.pem"
    keystore.write_text(pair.key + pair.certificate)
    extra = _EXTRA.format(
        host=_HOST, port=port, controller_port=controller_port, inner=inner, gate=gate, keystore=keystore
    )
    cache = Settings.load().cache_dir
    broker = make_broker(folder, port=port, controller_port=controller_port, cache=cache, properties=extra)
    running = RunningBroker(broker)
    running.start()
    try:
        yield CustomersKafka(running.bootstrap, inner, gate, authority)
    finally:
        running.stop()
