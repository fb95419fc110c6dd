"""Creates, changes and inspects topics. Our own code creates them, idempotently, before anybody writes to them."""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Final

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._metadata import ClusterMetadata
from confluent_kafka.cimpl import NewPartitions, NewTopic

from eventstreams.errors import BrokerUnreachableError, TopicError
from eventstreams.kafka.committed import committed_offsets
from eventstreams.kafka.config import client_config
from eventstreams.kafka.ranges import Range, RangeReader
from eventstreams.kafka.records import Partition
from eventstreams.kafka.security import is_refusal, refusal
from eventstreams.settings import Settings
from eventstreams.topics import SMALL_INDEXES, TopicSpec

_REQUEST_S: Final = 30.0  # how long librdkafka waits for one broker; creating 1,000 topics took 0.5 s
_LOOK_S: Final = 10.0  # connecting and skipping what a transaction left behind takes a fraction of a second
_SETTLED_S: Final = 5.0  # a new topic, or one whose broker has just ended, has its leaders within a second or two
_AGAIN_S: Final = 0.1
# This client's log lines are muted: failures are raised as one sentence, as commands have no log. Other clients log.
_UNHEARD: Final = logging.getLogger("eventstreams.kafka.admin")
_UNHEARD.setLevel(logging.CRITICAL + 1)
# A broker's errors for a partition that it does not lead yet, leads no more, or has not heard of.
_UNSETTLED: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)


_RETENTION: Final = "retention.ms"
_CONFIGS_AT_ONCE: Final = 500  # topics in one request for settings; the answer has some forty for each
# A broker's errors for a topic whose settings we may not see, and for one that has just been deleted.
_UNSEEN: Final = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART})


class KafkaAdmin:
    """Creates, changes, deletes and lists topics. Holds one client; safe to share."""

    def __init__(
        self, settings: Settings, *, answer_s: float = _REQUEST_S, chosen_by: str = "EVENTSTREAMS_KAFKA"
    ) -> None:
        """Make a client.

        Args:
            settings: Which Kafka, and how to connect.
            answer_s: How long to wait for a broker. A server should give up before its own callers do.
            chosen_by: What the user has chosen this Kafka by, for the error if no broker answers.
        """
        self._settings = settings
        self._chosen_by = chosen_by
        self._answer_s = answer_s
        self._refusal = _LastRefusal()
        self._client = AdminClient(client_config(settings, {"error_cb": self._refusal, "logger": _UNHEARD}))

    async def wait_for_broker(self) -> None:
        """Return once a broker answers.

        Raises:
            BrokerUnreachableError: none did within ``settings.kafka_wait``.
        """
        await self._list(self._settings.kafka_wait.total_seconds())

    async def ensure(self, specs: Sequence[TopicSpec]) -> None:
        """Create those of ``specs`` that do not exist. A busy broker may list them, and take records, a moment later.

        Raises:
            TopicError: Kafka refused. The text says what would help, if that is known.
        """
        _raise_first(await self.ensure_each(specs))

    async def ensure_each(self, specs: Sequence[TopicSpec]) -> Mapping[str, TopicError]:
        """Like ``ensure``, but return the refused topics by name, with the reason. The others exist.

        If Kafka does not let us set the size of a topic's indexes, as with some hosted services, the topic is created
        without that setting.
        """
        refused = await self._create(specs)
        plainer = [
            replace(spec, config={name: value for name, value in spec.config.items() if name not in SMALL_INDEXES})
            for spec in specs
            if spec.name in refused and spec.config.keys() >= SMALL_INDEXES.keys()
        ]
        again = await self._create(plainer)
        made = {spec.name for spec in plainer} - again.keys()
        return {name: again.get(name, problem) for name, problem in refused.items() if name not in made}

    async def _create(self, specs: Sequence[TopicSpec]) -> Mapping[str, TopicError]:
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
            return {}
        futures = self._client.create_topics(wanted, request_timeout=self._answer_s, operation_timeout=self._answer_s)
        return await self._refusals(futures, "create", unless=KafkaError.TOPIC_ALREADY_EXISTS)

    async def grow(self, specs: Sequence[TopicSpec]) -> None:
        """Add partitions to the topics that have fewer than their spec says, as after a setting was raised.

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
            # If it already has that many, another process that is starting has added them.
            _raise_first(await self._refusals(futures, "grow", unless=KafkaError.INVALID_PARTITIONS))

    async def delete(self, names: Iterable[str]) -> None:
        """Delete those topics of ``names`` that exist.

        Raises:
            TopicError: Kafka refused.
        """
        if listed := list(names):
            futures = self._client.delete_topics(
                listed, request_timeout=self._answer_s, operation_timeout=self._answer_s
            )
            _raise_first(await self._refusals(futures, "delete", unless=KafkaError.UNKNOWN_TOPIC_OR_PART))

    async def retentions(self, names: Sequence[str]) -> Mapping[str, int]:
        """The retention of each of ``names`` in ms, below 0 for unlimited; without topics whose settings are hidden.

        Topics that have just been deleted are left out too.

        Raises:
            TopicError: Kafka did not answer, or refused.
        """
        found: dict[str, int] = {}
        for first in range(0, len(names), _CONFIGS_AT_ONCE):
            asked = self._client.describe_configs(
                [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names[first : first + _CONFIGS_AT_ONCE]],
                request_timeout=self._answer_s,
            )
            for resource, future in asked.items():
                try:
                    found[resource.name] = int(str((await asyncio.wrap_future(future))[_RETENTION].value))
                except KafkaException as error:
                    if error.args[0].code() not in _UNSEEN:
                        raise TopicError(
                            f"Kafka does not report its topics' settings: {error.args[0].str()}"
                        ) from error
        return found

    async def keep_for(self, names: Sequence[str], ms: int) -> Mapping[str, TopicError]:
        """Set the retention of the topics ``names`` to ``ms``; returns the refused ones by name, with the reason."""
        change = ConfigEntry(_RETENTION, str(ms), incremental_operation=AlterConfigOpType.SET)
        found: dict[str, TopicError] = {}
        for first in range(0, len(names), _CONFIGS_AT_ONCE):
            futures = self._client.incremental_alter_configs(
                [
                    ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[change])
                    for name in names[first : first + _CONFIGS_AT_ONCE]
                ],
                request_timeout=self._answer_s,
            )
            by_name = {resource.name: future for resource, future in futures.items()}
            found |= await self._refusals(by_name, "alter", unless=KafkaError.UNKNOWN_TOPIC_OR_PART)
        return found

    async def topics(self) -> Mapping[str, int]:
        """Every topic of this installation, with its number of partitions.

        Raises:
            BrokerUnreachableError: no broker answered.
        """
        listing = await self._list(self._answer_s)
        prefix = self._settings.topic_prefix
        return {name: len(topic.partitions) for name, topic in listing.topics.items() if name.startswith(prefix)}

    async def has_settled(self, group: str, topic: str) -> bool:
        """Whether the consumer group ``group`` has committed past every record of ``topic``; True if the topic is gone.

        Comparing with the end offset would not do: transaction markers and aborted records have offsets too, although
        no consumer is ever given them. So this looks for records after the committed offset.

        Raises:
            TopicError: Kafka did not answer, or refused.
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
        """Whether there is a record in ``ranges``; also True if an open transaction still hides the answer."""
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
            TopicError: Kafka did not answer, or refused.
        """
        listing = await self._list(self._answer_s)
        if topic not in listing.topics:
            return {}
        partitions = [Partition(topic, number) for number in listing.topics[topic].partitions]
        found = await committed_offsets(self._settings, group, partitions)
        return {partition.number: offset for partition, offset in found.items()}

    async def ranges(
        self,
        topics: Sequence[str],
        *,
        after_ms: int | None = None,
        before_ms: int | None = None,
        committed: bool = False,
    ) -> Sequence[Range]:
        """The offsets that the partitions of ``topics`` hold now, optionally limited by time. Skips missing topics.

        Args:
            topics: Their timestamps must be the broker's, so that they ascend (``LogAppendTime``).
            after_ms: Start at the first record at or after this time; None: at the oldest.
            before_ms: End before the first record at or after this time; None: after the newest.
            committed: End before the first open transaction, where a ``read_committed`` reader has to stop now.

        Raises:
            TopicError: Kafka did not answer, or refused.
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
        isolation = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        end = await self._offsets(partitions, OffsetSpec.latest(), isolation)  # type: ignore[no-untyped-call]  # the library's gap
        first = await self._offsets(partitions, OffsetSpec.earliest() if after_ms is None else _at(after_ms))  # type: ignore[no-untyped-call]  # the library's gap
        last = end if before_ms is None else await self._offsets(partitions, _at(before_ms))
        # Kafka answers -1 for a time after the newest record.
        return [
            Range(*at, end[at] if first[at] < 0 else first[at], end[at] if last[at] < 0 else min(last[at], end[at]))
            for at in end
        ]

    async def offsets_at(self, times_ms: Mapping[Partition, int]) -> Mapping[Partition, int]:
        """For each partition the first offset at or after the given time; below 0 if no record is that new.

        Raises:
            TopicError: Kafka did not answer, or refused.
        """
        if not times_ms:
            return {}
        return await self._ask_offsets({TopicPartition(*at): _at(when_ms) for at, when_ms in times_ms.items()})

    async def _offsets(
        self,
        partitions: Sequence[TopicPartition],
        spec: OffsetSpec,
        isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
    ) -> Mapping[Partition, int]:
        return await self._ask_offsets(dict.fromkeys(partitions, spec), isolation)

    async def _ask_offsets(
        self, specs: Mapping[TopicPartition, OffsetSpec], isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED
    ) -> Mapping[Partition, int]:
        deadline = time.monotonic() + _SETTLED_S
        while True:
            asked = self._client.list_offsets(dict(specs), request_timeout=self._answer_s, isolation_level=isolation)
            try:
                return {
                    Partition(each.topic, each.partition): (await asyncio.wrap_future(future)).offset
                    for each, future in asked.items()
                }
            except KafkaException as error:
                if error.args[0].code() not in _UNSETTLED or time.monotonic() > deadline:
                    raise TopicError(
                        f"Kafka does not report the offsets of {next(iter(specs)).topic}: {error.args[0].str()}"
                    ) from error
            await asyncio.sleep(_AGAIN_S)

    async def brokers(self) -> int:
        """The number of brokers.

        Raises:
            BrokerUnreachableError: no broker answered.
        """
        return len((await self._list(self._answer_s)).brokers)

    async def _list(self, wait_s: float) -> ClusterMetadata:
        self._refusal.error = None
        try:
            return await asyncio.to_thread(self._client.list_topics, timeout=wait_s)
        except KafkaException as error:
            self._client.poll(0)  # have it report the errors that it met meanwhile
            if self._refusal.error is not None:
                raise BrokerUnreachableError(refusal(self._settings, self._refusal.error)) from error
            raise BrokerUnreachableError(
                f"no Kafka broker answered at {self._settings.kafka} within {wait_s:g} s: start it, or set "
                f"{self._chosen_by} to another one"
            ) from error

    async def _refusals(
        self, futures: Mapping[str, Future[None]], verb: str, *, unless: int
    ) -> Mapping[str, TopicError]:
        found: dict[str, TopicError] = {}
        for name, future in futures.items():
            try:
                await asyncio.wrap_future(future)
            except KafkaException as error:
                reason = error.args[0]
                if reason.code() != unless:
                    found[name] = TopicError(f"Kafka will not {verb} topic {name}: {self._help(reason)}")
        return found

    def _help(self, reason: KafkaError) -> str:
        if reason.code() == KafkaError.INVALID_REPLICATION_FACTOR:
            return f"{reason.str()} (EVENTSTREAMS_REPLICATION_FACTOR is {self._settings.replication_factor})"
        return reason.str()


class _LastRefusal:
    """What Kafka refused last, as a client tells it.

    It knows nothing of whom the client belongs to. Else the two would hold each other, and the client's threads would
    go on, after the last use, until Python comes to look for cycles: in a process that seldom looks, for ever.
    """

    def __init__(self) -> None:
        self.error: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        if is_refusal(error):
            self.error = error


def _raise_first(problems: Mapping[str, TopicError]) -> None:
    for problem in problems.values():
        raise problem


def _at(time_ms: int) -> OffsetSpec:
    spec: OffsetSpec = OffsetSpec.for_timestamp(time_ms)
    return spec
