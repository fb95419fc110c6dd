"""Reads over records that Faust's Kafka client cannot read: those with a header whose name is not UTF-8.

It fails on the whole run in which such a record is, again and again, so that one record would stop the router for
good. Another client reads up to that record; what can be read of it goes the usual way, to the dead letters.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

from aiokafka import ConsumerRecord
from faust.types import TP

from eventstreams.headers import UNREADABLE
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.ranges import Range, RangeReader
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings

_AT_ONCE: Final = 500
_LOOK_S: Final = 8.0  # the router's session: until then it is not missed
_LOG_APPEND_TIME: Final = 1  # Kafka's number for the broker's own clock, which our topics use


async def read_over(
    settings: Settings, admin: KafkaAdmin, positions: Mapping[TP, int], *, most: int
) -> Mapping[TP, list[Any]]:
    """The records of each partition from its position to the first unreadable one, as aiokafka would give them.

    Args:
        settings: Which Kafka.
        admin: Tells how far the partitions reach.
        positions: Where to begin.
        most: How far to look in each: as many records as one run may have.

    Returns:
        Only partitions that have an unreadable record; it is their last, and ``UNREADABLE`` is its only header.
    """
    topics = sorted({tp.topic for tp in positions})
    ends = {TP(each.topic, each.partition): each.end for each in await admin.ranges(topics)}
    wanted = [Range(*tp, first, min(ends.get(tp, first), first + most)) for tp, first in positions.items()]
    runs: dict[TP, list[Record]] = {}
    over: set[TP] = set()
    async with RangeReader(settings, [each for each in wanted if each.records]) as reader:
        deadline = time.monotonic() + _LOOK_S
        while not reader.ended and time.monotonic() < deadline:
            for record in await reader.read(_AT_ONCE):
                tp = TP(record.topic, record.partition)
                if tp not in over:
                    runs.setdefault(tp, []).append(record)
                    if UNREADABLE in dict(record.headers):
                        over.add(tp)
    return {tp: [_as_fetched(record) for record in runs[tp]] for tp in over}


def _as_fetched(record: Record) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp_ms,
        _LOG_APPEND_TIME,
        record.key,
        record.value,
        None,
        -1 if record.key is None else len(record.key),
        len(record.value),
        tuple(record.headers),
    )
