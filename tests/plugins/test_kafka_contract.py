"""The Kafka plugin keeps the contract of all sinks, towards a real broker that wants TLS and SCRAM."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ClassVar, Final

import orjson
import pytest
from pydantic import BaseModel
from typing_extensions import override

from eventstreams.sinks import Sink, SinkContext
from eventstreams.sinks.contract import AnySinkPlugin
from eventstreams.testing import Ability, Arrival, Destination, SinkContract
from sink_workers.plugins.kafka.config import KafkaConfig
from sink_workers.plugins.kafka.sink import open_sink
from tests.support.gate import Gate, gate
from tests.support.kafka_cluster import MAX_MESSAGE, USER, CustomersKafka, headers_of

TIMEOUT_S: Final = 4.0  # instead of 10: most of these tests let one pass
_FOR_ALL: Final = "a broker answers for a whole batch, whatever is in it"


class CustomersTopic(Destination):
    """A topic behind a gate; the broker names the gate as its own address."""

    config: dict[str, object]
    secrets: Sequence[str]

    def __init__(self, kafka: CustomersKafka, gate: Gate, topic: str) -> None:
        self._kafka = kafka
        self._gate = gate
        self._topic = topic
        self.config = {
            "bootstrap_servers": f"127.0.0.1:{kafka.gate}",
            "topic": topic,
            "ca_certificate": kafka.authority.pem,
            "sasl_mechanism": "SCRAM-SHA-512",
            "username": USER,
        }
        self._use("the-password-of-before")

    def _use(self, password: str) -> None:
        self._kafka.set_password(password)
        self.secrets = [password]
        self.config = {**self.config, "password": password}

    @override
    async def arrived(self) -> Sequence[Arrival]:
        found: list[Arrival] = []
        for record in await asyncio.to_thread(self._kafka.records, self._topic):
            headers = headers_of(record)
            content = {name[3:]: value for name, value in headers.items() if name.startswith("ce_")}
            content["datacontenttype"] = headers["content-type"]
            value = record.value()
            assert isinstance(value, bytes)
            found.append(Arrival(content["id"], {**content, "data": orjson.loads(value)}))
        return found

    @override
    async def heal(self) -> None:
        if self._gate.is_held or self._gate.says is not None:
            self._gate.cut()  # a client waits for answers that were thrown away
        self._gate.is_down = self._gate.is_held = False
        self._gate.says = None

    @override
    def too_large(self) -> int:
        return MAX_MESSAGE

    @override
    async def go_down(self) -> None:
        self._gate.is_down = True
        self._gate.cut()

    @override
    async def babble(self) -> None:
        self._gate.says = b"\xff\x00HTTP/1.1 400 Bad Request\r\n\r\n" * 1000

    @override
    async def hang(self) -> asyncio.Event:
        self._gate.reached.clear()
        self._gate.is_held = True
        return self._gate.reached

    @override
    async def rotate(self) -> None:
        """As when a customer changes a password and has all clients come anew: Kafka itself asks only once."""
        self._use("the-password-of-after")
        self._gate.cut()


@pytest.mark.kafka
class TestKafka(SinkContract):
    sink_type = "kafka"
    cannot: ClassVar[Mapping[Ability, str]] = {"refuse": _FOR_ALL, "defer": _FOR_ALL}

    @pytest.fixture(autouse=True)
    def _with(self, customers_kafka: CustomersKafka) -> None:
        self.kafka = customers_kafka

    @override
    def plugin(self) -> AnySinkPlugin:
        found = super().plugin()

        async def quick(config: BaseModel, context: SinkContext) -> Sink:
            assert isinstance(config, KafkaConfig)
            return await open_sink(config, context, timeout_s=TIMEOUT_S)

        return replace(
            found,
            open=quick,
            capabilities=lambda config: replace(found.capabilities(config), timeout_s=TIMEOUT_S + 3),
        )

    @override
    @asynccontextmanager
    async def destination(self) -> AsyncIterator[Destination]:
        topic = self.kafka.create_topic()
        async with gate(to=self.kafka.inner, port=self.kafka.gate) as made:
            yield CustomersTopic(self.kafka, made, topic)
