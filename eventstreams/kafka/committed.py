"""How far a consumer group has committed, as asked by one of its members or by an outsider."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from eventstreams.errors import TopicError
from eventstreams.kafka.commits import Commits, found_commit
from eventstreams.kafka.config import client_config
from eventstreams.kafka.records import Partition
from eventstreams.settings import Settings

_REQUEST_S: Final = 10.0
_AGAIN_S: Final = 0.2
# The group's coordinator is moving or has just started, which the client does not hide. Over in a second or two.
_MOVING: Final = frozenset(
    {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE}
)


async def committed_offsets(settings: Settings, group: str, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
    """The next offset that ``group`` would read of each of ``partitions``; those it never committed are left out.

    Raises:
        TopicError: Kafka did not answer, or refused.
    """
    try:
        found = await asyncio.to_thread(_ask, settings, group, partitions)
    except KafkaException as error:
        raise TopicError(f"Kafka does not report the offsets of group {group}: {error.args[0].str()}") from error
    return {partition: commit.offset for partition, commit in found.items()}


def _ask(settings: Settings, group: str, partitions: Sequence[Partition]) -> Commits:
    # Not AdminClient.list_consumer_group_offsets: while the group's coordinator is loading or moving, as after a broker
    # has started, it crashes the process with a segmentation fault (librdkafka 2.16: rd_kafka_cgrp_op without a group).
    # A consumer that never subscribes does not join the group.
    consumer = Consumer(client_config(settings, {"group.id": group, "enable.auto.commit": False}))
    try:
        return found_commits(consumer, partitions, within_s=_REQUEST_S)
    finally:
        consumer.close()


def found_commits(consumer: Consumer, partitions: Sequence[Partition], *, within_s: float) -> Commits:
    """What the group of ``consumer`` has committed of ``partitions``; those it never committed are left out.

    Blocks for about ``within_s`` seconds at most.

    Raises:
        KafkaException: Kafka did not answer, or refused.
    """
    until = time.monotonic() + within_s
    while True:
        try:
            return _asked_once(consumer, partitions, within_s=max(until - time.monotonic(), _AGAIN_S))
        except KafkaException as error:
            if error.args[0].code() not in _MOVING or time.monotonic() > until:
                raise
        time.sleep(_AGAIN_S)


def _asked_once(consumer: Consumer, partitions: Sequence[Partition], *, within_s: float) -> Commits:
    answers = consumer.committed([TopicPartition(*partition) for partition in partitions], timeout=within_s)
    for answer in answers:
        if answer.error is not None:
            raise KafkaException(answer.error)
    found = {Partition(each.topic, each.partition): found_commit(each) for each in answers}
    return {partition: commit for partition, commit in found.items() if commit is not None}
