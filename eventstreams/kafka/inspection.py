"""Reads what Kafka reports about its brokers and our topics. Changes nothing."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigEntry, ConfigResource
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._topic import TopicDescription
from confluent_kafka.cimpl import TopicPartition

from eventstreams.errors import TopicError
from eventstreams.kafka.config import client_config
from eventstreams.settings import Settings

_REQUEST_S: Final = 30.0
_PROTOCOL: Final = "inter.broker.protocol.version"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicFacts:
    """The actual state of one topic.

    Attributes:
        replicas: The number of replicas of the partition that has fewest.
        leaderless: The number of partitions without a leader, which nobody can read or write now.
        behind: The number of partitions with a replica that is not in sync.
        config: Every setting in effect, including defaults; None if we may not see them.
        operations: What the ACLs let us do, by Kafka's names; None if Kafka uses no ACLs.
    """

    name: str
    partitions: int
    replicas: int
    leaderless: int
    behind: int
    config: Mapping[str, str] | None
    operations: frozenset[str] | None


class KafkaInspector:
    """Queries Kafka through one admin client."""

    def __init__(self, settings: Settings) -> None:
        self._client = AdminClient(client_config(settings))

    async def topics(self, names: Sequence[str]) -> Sequence[TopicFacts]:
        """Describe the topics ``names``, which must exist. Raises ``TopicError`` if Kafka does not answer."""
        if not names:
            return []
        asked = self._client.describe_topics(
            TopicCollection(list(names)), include_authorized_operations=True, request_timeout=_REQUEST_S
        )
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        configs = self._client.describe_configs(resources, request_timeout=_REQUEST_S)
        try:
            described = {name: await asyncio.wrap_future(future) for name, future in asked.items()}
        except KafkaException as error:
            raise TopicError(f"Kafka does not describe its topics: {error.args[0].str()}") from error
        return [_facts(described[resource.name], await self._config(future)) for resource, future in configs.items()]

    async def broker_protocols(self) -> Mapping[int, str | None] | None:
        """The inter-broker protocol version of each broker, such as ``3.9-IV0``; for a broker of 4.0 or newer, None.

        Kafka does not tell clients its release; this setting, removed in 4.0, comes nearest. The whole result is None
        if we may not see brokers' settings.

        Raises:
            TopicError: Kafka did not answer, or refused.
        """
        try:
            brokers = (await asyncio.wrap_future(self._client.describe_cluster(request_timeout=_REQUEST_S))).nodes
            wanted = [ConfigResource(ConfigResource.Type.BROKER, str(each.id)) for each in brokers]
            asked = self._client.describe_configs(wanted, request_timeout=_REQUEST_S)
            found = {int(each.name): await asyncio.wrap_future(future) for each, future in asked.items()}
        except KafkaException as error:
            if error.args[0].code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED:
                return None
            raise TopicError(f"Kafka does not report its brokers' settings: {error.args[0].str()}") from error
        return {
            broker: str(config[_PROTOCOL].value) if _PROTOCOL in config else None for broker, config in found.items()
        }

    @staticmethod
    async def _config(asked: Future[Mapping[str, ConfigEntry]]) -> Mapping[str, str] | None:
        try:
            return {name: str(entry.value) for name, entry in (await asyncio.wrap_future(asked)).items()}
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                return None
            raise TopicError(f"Kafka does not report its topics' settings: {error.args[0].str()}") from error

    async def newest_ms(self, topic: str, partitions: int) -> int | None:
        """When the newest record of ``topic`` was written, by its brokers' clocks; None if it has no records."""
        spec = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]  # the library's gap
        wanted = {TopicPartition(topic, number): spec for number in range(partitions)}
        try:
            asked = self._client.list_offsets(wanted, request_timeout=_REQUEST_S)
            times = [(await asyncio.wrap_future(future)).timestamp for future in asked.values()]
        except KafkaException as error:
            raise TopicError(f"Kafka does not report the newest record of {topic}: {error.args[0].str()}") from error
        return max((each for each in times if each > 0), default=None)


def _facts(found: TopicDescription, config: Mapping[str, str] | None) -> TopicFacts:
    partitions = found.partitions
    return TopicFacts(
        name=found.name,
        partitions=len(partitions),
        replicas=min((len(each.replicas) for each in partitions), default=0),
        leaderless=sum(each.leader.id < 0 for each in partitions),
        behind=sum(len(each.isr) < len(each.replicas) for each in partitions),
        config=config,
        operations=_names(found.authorized_operations),
    )


def _names(operations: Sequence[Enum] | None) -> frozenset[str] | None:
    return None if operations is None else frozenset(each.name for each in operations)
