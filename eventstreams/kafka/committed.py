"""How far a consumer group has committed, asked by somebody who is not a member of it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from eventstreams.errors import TopicError
from eventstreams.kafka.config import client_config
from eventstreams.kafka.records import Partition
from eventstreams.settings import Settings

_REQUEST_S: Final = 10.0


async def committed_offsets(settings: Settings, group: str, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
    """The next offset that ``group`` would read of each of ``partitions``; those it never committed are left out.

    Raises:
        TopicError: Kafka did not say.
    """
    try:
        return await asyncio.to_thread(_ask, settings, group, partitions)
    except KafkaException as error:
        raise TopicError(f"Kafka does not tell how far {group} is: {error.args[0].str()}") from error


def _ask(settings: Settings, group: str, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
    # Not AdminClient.list_consumer_group_offsets: while the group's coordinator loads or moves, as after the start of a
    # broker, it ends the process with a segmentation fault (librdkafka 2.16: rd_kafka_cgrp_op without a group).
    # A consumer that never subscribes does not join either.
    consumer = Consumer(client_config(settings, {"group.id": group, "enable.auto.commit": False}))
    try:
        answers = consumer.committed([TopicPartition(*partition) for partition in partitions], timeout=_REQUEST_S)
    finally:
        consumer.close()
    for answer in answers:
        if answer.error is not None:
            raise KafkaException(answer.error)
    return {Partition(each.topic, each.partition): each.offset for each in answers if each.offset >= 0}
