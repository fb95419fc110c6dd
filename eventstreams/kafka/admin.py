"""Topics: made before anybody writes to them, by our own code, idempotently."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._metadata import ClusterMetadata
from confluent_kafka.cimpl import NewPartitions, NewTopic

from eventstreams.errors import BrokerUnreachableError, TopicError
from eventstreams.kafka.committed import committed_offsets
from eventstreams.kafka.config import client_config
from eventstreams.kafka.ranges import Range, RangeReader
from eventstreams.kafka.records import Partition
from eventstreams.settings import Settings
from eventstreams.topics import TopicSpec

_REQUEST_S: Final = 30.0  # librdkafka asks one broker for so long; creating 1,000 topics took 0.5 s
_LOOK_S: Final = 10.0  # connecting and passing over what a transaction left takes a fraction of a second
_SETTLED_S: Final = 5.0  # a new topic, or one whose broker has just ended, has its leaders within a second or two
_AGAIN_S: Final = 0.1
# What a broker says of a partition that it does not lead, yet or any more, or has not heard of.
_UNSETTLED: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)


class KafkaAdmin:
    """Creates, deletes and lists topics. Holds one connection; safe to share."""

    def __init__(self, settings: Settings, *, answer_s: float = _REQUEST_S) -> None:
        """``answer_s``: how long a broker is waited for; who answers requests of others gives up before they do."""
        self._settings = settings
        self._answer_s = answer_s
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
        futures = self._client.create_topics(wanted, request_timeout=self._answer_s, operation_timeout=self._answer_s)
        await self._settle(futures, "create", unless=KafkaError.TOPIC_ALREADY_EXISTS)

    async def grow(self, specs: Sequence[TopicSpec]) -> None:
        """Give those of ``specs`` that have fewer partitions than they say the others: a setting may have grown.

        Raises:
            BrokerUnreachableError: no broker answered.
            TopicError: Kafka refused.
        """
        there = await self.topics()
        short = [
            NewPartitions(spec.name, spec.partitions)
            for spec in specs
            if there.get(spec.name, spec.partitions) < spec.partitions
        ]
        if short:
            futures = self._client.create_partitions(
                short, request_timeout=self._answer_s, operation_timeout=self._answer_s
            )
            # That it has so many already is what another process did that starts beside this one.
            await self._settle(futures, "grow", unless=KafkaError.INVALID_PARTITIONS)

    async def delete(self, names: Iterable[str]) -> None:
        """Delete those topics of ``names`` that are there.

        Raises:
            TopicError: Kafka refused.
        """
        if listed := list(names):
            futures = self._client.delete_topics(
                listed, request_timeout=self._answer_s, operation_timeout=self._answer_s
            )
            await self._settle(futures, "delete", unless=KafkaError.UNKNOWN_TOPIC_OR_PART)

    async def topics(self) -> Mapping[str, int]:
        """Every topic of this installation that exists, with its number of partitions.

        Raises:
            BrokerUnreachableError: no broker answered.
        """
        listing = await self._list(self._answer_s)
        prefix = self._settings.topic_prefix
        return {name: len(topic.partitions) for name, topic in listing.topics.items() if name.startswith(prefix)}

    async def has_settled(self, group: str, topic: str) -> bool:
        """Whether the consumer group ``group`` has committed past every record of ``topic``; True where it is gone.

        The end of a partition is no measure of that: after a transaction it is one more than the last record is,
        for the marker counts, and aborted records count although nobody is given them. So what lies behind the
        committed offset is looked at.

        Raises:
            TopicError: Kafka did not say.
        """
        listing = await self._list(self._answer_s)
        if topic not in listing.topics:
            return True
        partitions = [Partition(topic, number) for number in listing.topics[topic].partitions]
        committed = await committed_offsets(self._settings, group, partitions)
        left = [
            replace(each, first=max(each.first, committed.get(Partition(topic, each.partition), 0)))
            for each in await self.ranges([topic])
        ]
        return not await self._has_records([each for each in left if each.records])

    async def _has_records(self, ranges: Sequence[Range]) -> bool:
        """Whether there is a record in ``ranges``; also where that cannot be told yet, since a transaction is open."""
        if not ranges:
            return False
        async with RangeReader(self._settings, ranges) as reader:
            deadline = time.monotonic() + _LOOK_S
            while not reader.ended:
                if await reader.read(1) or time.monotonic() > deadline:
                    return True
        return False

    async def committed(self, group: str, topic: str) -> Mapping[int, int]:
        """The next offset that ``group`` will read of each partition of ``topic``; without those it never committed.

        Raises:
            TopicError: Kafka did not say.
        """
        listing = await self._list(self._answer_s)
        if topic not in listing.topics:
            return {}
        partitions = [Partition(topic, number) for number in listing.topics[topic].partitions]
        found = await committed_offsets(self._settings, group, partitions)
        return {partition.number: offset for partition, offset in found.items()}

    async def ranges(
        self, topics: Sequence[str], *, after_ms: int | None = None, before_ms: int | None = None
    ) -> Sequence[Range]:
        """What the partitions of ``topics`` hold now, by the brokers' own time; nothing of topics that are not there.

        Args:
            topics: Their timestamps must be the broker's, so that they ascend (``LogAppendTime``).
            after_ms: From the first record at or after this on; None: from the oldest on.
            before_ms: Up to, and without, the first record at or after this; None: up to the newest.

        Raises:
            TopicError: Kafka did not say.
        """
        listing = await self._list(self._answer_s)
        partitions = [
            TopicPartition(topic, number)
            for topic in topics
            if topic in listing.topics
            for number in listing.topics[topic].partitions
        ]
        if not partitions:
            return []
        end = await self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]  # the library's gap
        first = await self._offsets(partitions, OffsetSpec.earliest() if after_ms is None else _at(after_ms))  # type: ignore[no-untyped-call]  # the library's gap
        last = end if before_ms is None else await self._offsets(partitions, _at(before_ms))
        # For a time after the newest record Kafka answers -1.
        return [
            Range(*at, end[at] if first[at] < 0 else first[at], end[at] if last[at] < 0 else min(last[at], end[at]))
            for at in end
        ]

    async def _offsets(self, partitions: Sequence[TopicPartition], spec: OffsetSpec) -> Mapping[Partition, int]:
        deadline = time.monotonic() + _SETTLED_S
        while True:
            asked = self._client.list_offsets(dict.fromkeys(partitions, spec), request_timeout=self._answer_s)
            try:
                return {
                    Partition(each.topic, each.partition): (await asyncio.wrap_future(future)).offset
                    for each, future in asked.items()
                }
            except KafkaException as error:
                if error.args[0].code() not in _UNSETTLED or time.monotonic() > deadline:
                    raise TopicError(
                        f"Kafka does not tell the offsets of {partitions[0].topic}: {error.args[0].str()}"
                    ) from error
            await asyncio.sleep(_AGAIN_S)

    async def brokers(self) -> int:
        """How many brokers there are.

        Raises:
            BrokerUnreachableError: none answered.
        """
        return len((await self._list(self._answer_s)).brokers)

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


def _at(time_ms: int) -> OffsetSpec:
    spec: OffsetSpec = OffsetSpec.for_timestamp(time_ms)
    return spec
