"""The Kafka sink: writes records to one topic through aiokafka.

aiokafka connects to every broker that the cluster names, so it runs guarded: every connection is checked first. Why
aiokafka, and why without idempotence: docs/adr/0014-clients-that-connect-by-themselves.md.
"""

import asyncio
import logging
from collections.abc import Awaitable, Collection, Mapping, Sequence
from functools import partial
from itertools import takewhile
from ssl import SSLContext
from typing import Final, Protocol

import aiokafka.conn
from aiokafka import AIOKafkaProducer
from aiokafka.conn import ScramAuthenticator, create_conn
from aiokafka.errors import (
    BrokerResponseError,
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.partitioner import DefaultPartitioner

from eventstreams.sinks import (
    NONSENSE,
    Delivered,
    DeliveryOutcome,
    GuardedSink,
    OutboundEvent,
    PendingCloses,
    RetryLater,
    RetryReason,
    SinkContext,
    first_of,
    no_answer,
    no_connection,
    open_guarded,
)
from sink_workers.plugins.kafka.config import KafkaConfig
from sink_workers.plugins.kafka.judge import is_about_one, judge
from sink_workers.plugins.kafka.request import Headers, KafkaRecord, as_record
from sink_workers.plugins.tls import client_context

TIMEOUT_S: Final = 10.0
MAX_BATCH_BYTES: Final = 512 << 10  # half of what brokers take by default, to leave room for headers and the like
_OF_REQUEST: Final = 0.8  # of the time limit, so that the connection to a broker that hangs is closed before
_STAGGER_S: Final = 0.3  # between attempts at bootstrap servers; most that answer do so sooner
_METADATA_MS: Final = 60_000  # how often metadata is refreshed, in case the cluster has moved
_MOST_ITERATIONS: Final = 100_000  # of SCRAM: a tenth of a second; Kafka's own maximum is 16,384
_UNREACHED: Final = frozenset({RetryReason.CONNECT_FAILED, RetryReason.TIMED_OUT, RetryReason.WRITE_FAILED})
_FAILURES: Final = (KafkaError, OSError, *NONSENSE)

_Partition = int
_Placed = tuple[int, KafkaRecord]
"""A record, and the position of its event in the delivery."""


class _Batch(Protocol):
    def append(self, *, timestamp: None, key: bytes, value: bytes, headers: Headers) -> object | None: ...


class _Metadata(Protocol):
    unauthorized_topics: Collection[str]

    def partitions_for_topic(self, topic: str) -> Collection[_Partition] | None: ...


class _Client(Protocol):
    cluster: _Metadata

    def set_topics(self, topics: Sequence[str]) -> Awaitable[bool]: ...

    def force_metadata_update(self) -> Awaitable[bool]: ...


class _Producer(Protocol):
    """The part of ``AIOKafkaProducer``, which has no types, that is used here."""

    client: _Client

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def create_batch(self) -> _Batch: ...

    async def send_batch(self, batch: _Batch, topic: str, *, partition: _Partition) -> Awaitable[object]: ...


class _Scram(ScramAuthenticator):  # type: ignore[misc]  # it has no types
    """aiokafka's SCRAM, but no broker can make us hash a password for minutes, which no time limit could interrupt."""

    def create_salted_password(self, salt: bytes, iterations: int) -> None:
        if iterations > _MOST_ITERATIONS:
            raise ValueError("more iterations than any broker requires")
        super().create_salted_password(salt, iterations)


aiokafka.conn.ScramAuthenticator = _Scram  # used by all connections of this process, which are all of sinks


class KafkaSink:
    """Writes to one topic. After a delivery that failed completely, it asks the bootstrap servers again."""

    def __init__(self, config: KafkaConfig, tls: SSLContext | None, *, client_id: str, timeout_s: float) -> None:
        # DEBUG logs what it sends, INFO user names, and ERROR what is an outcome here.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        self._config = config
        self._client_id = client_id
        self._timeout_s = timeout_s
        self._request_ms = int(timeout_s * _OF_REQUEST * 1000)
        self._security = _security(config, tls)
        self._producer: _Producer | None = None
        self._connecting = asyncio.Lock()
        self._partition_of = DefaultPartitioner()
        self._pending_closes = PendingCloses()

    async def deliver(self, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        """Write a record for each event, in order within each partition, and return the outcomes."""
        records = [(n, as_record(each, form=self._config.format, key=self._config.key)) for n, each in enumerate(batch)]
        outcomes: list[DeliveryOutcome] = [no_answer(self._timeout_s)] * len(batch)
        producer: _Producer | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                producer = await self._connected()
                partitions = await self._partitions(producer)
                parts: dict[_Partition, list[_Placed]] = {}
                for each in records:
                    parts.setdefault(self._partition_of(each[1].key, partitions, partitions), []).append(each)
                async with asyncio.TaskGroup() as group:
                    for partition, part in parts.items():
                        group.create_task(self._write(producer, partition, part, outcomes))
        except TimeoutError:
            pass  # records that were answered before keep their outcome
        except _FAILURES as error:
            outcomes = [_explain(error)] * len(batch)
        if all(isinstance(outcome, RetryLater) for outcome in outcomes) and producer is self._producer:
            await self.aclose()
        return outcomes

    async def probe(self) -> DeliveryOutcome:
        """Look the topic up on separate connections: shows that the cluster lets us in and has the topic."""
        try:
            async with asyncio.timeout(self._timeout_s):
                producer = await self._connect()
                try:
                    await self._partitions(producer)
                finally:
                    self._pending_closes.begin(producer.stop())
        except _FAILURES as error:
            return _explain(error)
        return Delivered()

    async def aclose(self) -> None:
        """Stop the producer in the background: it waits for what is under way. A later delivery opens a new one."""
        if self._producer is not None:
            self._pending_closes.begin(self._producer.stop())
            self._producer = None

    async def _write(
        self, producer: _Producer, partition: _Partition, part: Sequence[_Placed], outcomes: list[DeliveryOutcome]
    ) -> None:
        """Write the records of one partition, and put their outcomes into ``outcomes``.

        A broker takes or refuses a batch as a whole. If one record may be the cause, the batch is split in halves, so
        that the others arrive without it, and in order.
        """
        left = [part]  # what is to be written, the last one first
        while left:
            wanted = left.pop()
            batch = producer.create_batch()
            taken = list(takewhile(partial(_fits, batch), wanted))
            if rest := wanted[len(taken) :]:
                left.append(rest)
            try:
                await (await producer.send_batch(batch, self._config.topic, partition=partition))
                outcome: DeliveryOutcome = Delivered()
            except _FAILURES as error:
                if len(taken) > 1 and isinstance(error, BrokerResponseError) and is_about_one(error.errno):
                    middle = len(taken) // 2
                    left += [taken[middle:], taken[:middle]]
                    continue
                outcome = _explain(error)
            for position, _ in taken:
                outcomes[position] = outcome

    async def _partitions(self, producer: _Producer) -> list[_Partition]:
        """The topic's partitions. The producer itself would ask for a missing topic until the time limit."""
        topic, client = self._config.topic, producer.client
        found = client.cluster.partitions_for_topic(topic)
        if found is None:
            await client.set_topics([topic])
            if not await client.force_metadata_update():
                raise KafkaConnectionError
            found = client.cluster.partitions_for_topic(topic)
        if topic in client.cluster.unauthorized_topics:
            raise TopicAuthorizationFailedError
        if found is None:
            raise UnknownTopicOrPartitionError
        return sorted(found)

    async def _connected(self) -> _Producer:
        async with self._connecting:
            if self._producer is None:
                self._producer = await self._connect()
            return self._producer

    async def _connect(self) -> _Producer:
        """Create a producer with a single, working bootstrap server: it would keep trying those that do not answer."""
        producer: _Producer = AIOKafkaProducer(
            bootstrap_servers=[await self._greet()],
            client_id=self._client_id,
            acks="all",
            max_batch_size=MAX_BATCH_BYTES,
            request_timeout_ms=self._request_ms,
            metadata_max_age_ms=_METADATA_MS,
            **self._security,
        )
        try:
            await producer.start()
        except BaseException:
            self._pending_closes.begin(producer.stop())
            raise
        return producer

    async def _greet(self) -> str:
        """The first bootstrap server that lets us in. If none does, a producer would not say why."""
        names = self._config.bootstrap_servers.split(",")
        ways = [partial(self._greet_one, *each) for each in zip(names, self._config.servers, strict=True)]
        return await first_of(ways, stagger_s=_STAGGER_S, failures=(KafkaError, OSError))

    async def _greet_one(self, name: str, where: tuple[str, int]) -> str:
        connection = await create_conn(*where, request_timeout_ms=self._request_ms, **self._security)
        connection.close()
        return name


async def open_sink(config: KafkaConfig, context: SinkContext, *, timeout_s: float = TIMEOUT_S) -> GuardedSink:
    """Create the sink; it connects at the first delivery."""
    pair = config.client_certificate, config.client_key
    tls = await client_context(config.ca_certificate, *pair) if config.tls else None
    client_id = context.user_agent.replace("/", "-")

    def make() -> KafkaSink:
        return KafkaSink(config, tls, client_id=client_id, timeout_s=timeout_s)

    return await open_guarded(make, context, unreached=_UNREACHED)


def _fits(batch: _Batch, placed: _Placed) -> bool:
    """Append the record to ``batch``; return whether there was room."""
    record = placed[1]
    return batch.append(timestamp=None, key=record.key, value=record.value, headers=record.headers) is not None


def _security(config: KafkaConfig, tls: SSLContext | None) -> Mapping[str, object]:
    return {
        "security_protocol": f"{'SASL_' if config.username else ''}{'SSL' if tls else 'PLAINTEXT'}",
        "ssl_context": tls,
        "sasl_mechanism": config.sasl_mechanism,
        "sasl_plain_username": config.username,
        "sasl_plain_password": None if config.password is None else config.password.get_secret_value(),
    }


def _explain(error: Exception) -> DeliveryOutcome:
    match error:
        case BrokerResponseError():
            return judge(int(error.errno), type(error).__name__)
        case OSError():
            return no_connection(error)
        case KafkaConnectionError():
            return RetryLater(
                RetryReason.CONNECT_FAILED, "none of the brokers that the cluster advertises can be reached"
            )
        case KafkaError():
            return RetryLater(RetryReason.WRITE_FAILED, f"no broker accepted it: {type(error).__name__}")
        case _:
            return RetryLater(RetryReason.BAD_ANSWER, "its answer is not valid Kafka protocol")
