"""Topics: made before anybody writes to them, by our own code, idempotently."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._metadata import ClusterMetadata
from confluent_kafka.cimpl import NewTopic

from eventstreams.errors import BrokerUnreachableError, TopicError
from eventstreams.kafka.config import client_config
from eventstreams.settings import Settings
from eventstreams.topics import TopicSpec

_REQUEST_S: Final = 30.0  # librdkafka asks one broker for so long; creating 1,000 topics took 0.5 s


class KafkaAdmin:
    """Creates, deletes and lists topics. Holds one connection; safe to share."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = AdminClient(client_config(settings))

    async def wait_for_broker(self) -> None:
        """Return once a broker answers.

        Raises:
            BrokerUnreachableError: none did within ``settings.kafka_wait``.
        """
        await self._list(self._settings.kafka_wait.total_seconds())

    async def ensure(self, specs: Sequence[TopicSpec]) -> None:
        """Create those of ``specs`` that are not there; each can be written to when this returns.

        Raises:
            TopicError: Kafka refused; says what would help where that is known.
        """
        wanted = [
            NewTopic(
                spec.name,
                num_partitions=spec.partitions,
                replication_factor=self._settings.replication_factor,
                config=dict(spec.config),
            )
            for spec in specs
        ]
        if not wanted:
            return
        futures = self._client.create_topics(wanted, request_timeout=_REQUEST_S, operation_timeout=_REQUEST_S)
        await self._settle(futures, "create", unless=KafkaError.TOPIC_ALREADY_EXISTS)

    async def delete(self, names: Iterable[str]) -> None:
        """Delete those topics of ``names`` that are there.

        Raises:
            TopicError: Kafka refused.
        """
        if listed := list(names):
            futures = self._client.delete_topics(listed, request_timeout=_REQUEST_S, operation_timeout=_REQUEST_S)
            await self._settle(futures, "delete", unless=KafkaError.UNKNOWN_TOPIC_OR_PART)

    async def topics(self) -> Mapping[str, int]:
        """Every topic of this installation that exists, with its number of partitions.

        Raises:
            BrokerUnreachableError: no broker answered.
        """
        listing = await self._list(_REQUEST_S)
        prefix = self._settings.topic_prefix
        return {name: len(topic.partitions) for name, topic in listing.topics.items() if name.startswith(prefix)}

    async def lag(self, group: str, topic: str) -> int:
        """How many records of ``topic`` the consumer group ``group`` has still to settle; 0 where it is gone.

        Raises:
            TopicError: Kafka did not say.
        """
        listing = await self._list(_REQUEST_S)
        if topic not in listing.topics:
            return 0
        partitions = [TopicPartition(topic, number) for number in listing.topics[topic].partitions]
        try:
            committed = await self._committed(group, partitions)
            first = await self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]  # the library's gap
            end = await self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]  # the library's gap
        except KafkaException as error:
            raise TopicError(f"Kafka does not tell the offsets of {topic}: {error.args[0].str()}") from error
        return sum(end[number] - max(committed.get(number, 0), first[number]) for number in end)

    async def committed(self, group: str, topic: str) -> Mapping[int, int]:
        """The next offset that ``group`` will read of each partition of ``topic``; without those it never committed.

        Raises:
            TopicError: Kafka did not say.
        """
        listing = await self._list(_REQUEST_S)
        if topic not in listing.topics:
            return {}
        partitions = [TopicPartition(topic, number) for number in listing.topics[topic].partitions]
        try:
            found = await self._committed(group, partitions)
        except KafkaException as error:
            raise TopicError(f"Kafka does not tell the offsets of {topic}: {error.args[0].str()}") from error
        return {number: offset for number, offset in found.items() if offset >= 0}

    async def _committed(self, group: str, partitions: Sequence[TopicPartition]) -> Mapping[int, int]:
        asked = self._client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, list(partitions))])
        answer = await asyncio.wrap_future(asked[group])
        return {each.partition: each.offset for each in answer.topic_partitions}

    async def _offsets(self, partitions: Sequence[TopicPartition], spec: OffsetSpec) -> Mapping[int, int]:
        asked = self._client.list_offsets(dict.fromkeys(partitions, spec), request_timeout=_REQUEST_S)
        return {each.partition: (await asyncio.wrap_future(future)).offset for each, future in asked.items()}

    async def brokers(self) -> int:
        """How many brokers there are.

        Raises:
            BrokerUnreachableError: none answered.
        """
        return len((await self._list(_REQUEST_S)).brokers)

    async def _list(self, wait_s: float) -> ClusterMetadata:
        try:
            return await asyncio.to_thread(self._client.list_topics, timeout=wait_s)
        except KafkaException as error:
            raise BrokerUnreachableError(
                f"no Kafka broker answered at {self._settings.kafka} within {wait_s:g} s: "
                "start it, or name another one with EVENTSTREAMS_KAFKA"
            ) from error

    async def _settle(self, futures: Mapping[str, Future[None]], verb: str, *, unless: int) -> None:
        for name, future in futures.items():
            try:
                await asyncio.wrap_future(future)
            except KafkaException as error:
                reason = error.args[0]
                if reason.code() != unless:
                    raise TopicError(f"Kafka will not {verb} topic {name}: {self._help(reason)}") from error

    def _help(self, reason: KafkaError) -> str:
        if reason.code() == KafkaError.INVALID_REPLICATION_FACTOR:
            return f"{reason.str()} (EVENTSTREAMS_REPLICATION_FACTOR is {self._settings.replication_factor})"
        return reason.str()
