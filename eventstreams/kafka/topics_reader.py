"""Reads every partition of some topics from given offsets on, and knows how far it lags. Never commits.

Give it a thread of its own: all calls block, and all must come from one thread.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from eventstreams.errors import BrokerUnreachableError
from eventstreams.kafka.config import client_config
from eventstreams.kafka.records import Partition, Record, to_record
from eventstreams.settings import Settings

_REQUEST_S: Final = 5.0
_LOOK_S: Final = 10.0
_GATHERED_BYTES: Final = 256 << 10  # some 400 events
_GATHER_MS: Final = 200
# Limits the values that are read together, as a record of attempts can have a hundred times the bytes of an event.
# Checked after each slice, so the last slice may exceed it.
_MOST_BYTES: Final = 4 << 20
_SLICE: Final = 50


@dataclass(frozen=True, slots=True)
class Backlog:
    """How far one partition has been read.

    Attributes:
        records: How many are left, as of its broker's last answer.
        read_until_ms: Timestamp of the last record that was read; None before the first.
    """

    records: int
    read_until_ms: int | None


@dataclass(slots=True)
class _Place:
    """The reading position in a partition. ``following``: offset of the next record; None before anything is known."""

    following: int | None = None
    read_until_ms: int | None = None


class TopicsReader:
    """Use as ``with``; call ``start`` first."""

    def __init__(
        self, settings: Settings, topics: Sequence[str], *, buffer_mib: int = 8, look_s: float = _LOOK_S
    ) -> None:
        """A reader.

        Args:
            settings: Which Kafka.
            topics: What to read; they need not exist yet.
            buffer_mib: The most that the client prefetches.
            look_s: How often, in seconds, to look for new topics and partitions.
        """
        self._settings = settings
        self._topics = tuple(topics)
        self._look_s = look_s
        self._consumer = Consumer(
            client_config(
                settings,
                {
                    "group.id": f"{settings.topic_prefix}unused",  # required by the client; nothing joins or commits
                    "enable.auto.commit": False,
                    "auto.offset.reset": "earliest",  # if an offset no longer exists, continue with the first that does
                    "enable.partition.eof": True,  # reports the end even if the last record no longer exists
                    # Nobody waits for these records: if few come, the broker gathers them for a moment instead of
                    # answering for each one.
                    "fetch.min.bytes": _GATHERED_BYTES,
                    "fetch.wait.max.ms": _GATHER_MS,
                    "queued.max.messages.kbytes": buffer_mib * 1024,
                },
            )
        )
        self._places: dict[Partition, _Place] = {}
        self._assigned: set[Partition] = set()
        self._looked_at = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def cluster_id(self) -> str:
        """The cluster id, which distinguishes this Kafka from every other.

        Raises:
            BrokerUnreachableError: no broker answered.
        """
        try:
            return self._consumer.list_topics(timeout=_REQUEST_S).cluster_id or ""
        except KafkaException as error:
            raise BrokerUnreachableError(f"no Kafka broker answered at {self._settings.kafka}") from error

    def start(self, offsets: Mapping[Partition, int]) -> None:
        """Read from ``offsets`` on, and other partitions from their first record on. Call once."""
        self._places = {partition: _Place(offset) for partition, offset in offsets.items()}

    def read(self, count: int, *, wait_s: float, gather_s: float = 0.0) -> Sequence[Record]:
        """At most ``count`` records; empty if none came within ``wait_s`` seconds.

        ``gather_s``: after the first record, how many seconds to wait for ``count`` records or 4 MiB of values.
        """
        if time.monotonic() - self._looked_at > self._look_s:
            self._look_for_partitions()
        first = self._consumer.poll(wait_s)
        if first is None:
            return ()
        records: list[Record] = []
        last: dict[tuple[str, int], Record] = {}  # by partition, so that positions are noted once per read
        for message in (first, *self._gather(count - 1, len(first), gather_s)):
            error = message.error()
            if error is None:
                record = to_record(message)
                records.append(record)
                last[record.topic, record.partition] = record
            else:  # usually the end of the partition, which may be further on than its last record
                self._note_records(last)
                last.clear()
                self._note_error(message, error)
        self._note_records(last)
        return records

    def offsets(self) -> Mapping[Partition, int]:
        """The next offset to read of each partition whose position is known."""
        return {tp: place.following for tp, place in self._places.items() if place.following is not None}

    def backlogs(self) -> Mapping[Partition, Backlog] | None:
        """How far each partition has been read; None until that is known of all."""
        if not self._assigned:
            return None
        found = {}
        for partition in self._assigned:
            place = self._places[partition]
            low, high = self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)
            if high < 0:
                return None
            following = max(low, 0) if place.following is None else place.following
            found[partition] = Backlog(max(high - following, 0), place.read_until_ms)
        return found

    def _gather(self, count: int, size: int, gather_s: float) -> Iterable[Message]:
        """At most ``count`` more messages, a slice at a time; ``size``: bytes of those that were read already."""
        end_s = time.monotonic() + gather_s
        while count > 0 and size < _MOST_BYTES:
            messages = self._consumer.consume(min(count, _SLICE), max(end_s - time.monotonic(), 0))
            yield from messages
            if len(messages) < min(count, _SLICE):
                return  # the time is up
            count -= len(messages)
            size += sum(map(len, messages))

    def _note_records(self, last: Mapping[tuple[str, int], Record]) -> None:
        for at, record in last.items():
            place = self._places.get(Partition(*at))
            if place is not None:
                place.following, place.read_until_ms = record.offset + 1, record.timestamp_ms

    def _note_error(self, message: Message, error: KafkaError) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if topic is None or partition is None or offset is None:
            return  # about the client as a whole; librdkafka recovers by itself
        place = self._places.get(Partition(topic, partition))
        if place is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
            place.following = offset

    def _look_for_partitions(self) -> None:
        self._looked_at = time.monotonic()
        with suppress(KafkaException):  # no broker now: retried at the next look
            there = {Partition(topic, number) for topic in self._topics for number in self._numbers(topic)}
            fresh, gone = sorted(there - self._assigned), sorted(self._assigned - there)
            if fresh:
                for partition in fresh:
                    self._places.setdefault(partition, _Place())
                wanted = [TopicPartition(*each, self._places[each].following or 0) for each in fresh]
                self._consumer.incremental_assign(wanted)
            if gone:
                self._consumer.incremental_unassign([TopicPartition(*partition) for partition in gone])
            self._assigned = there

    def _numbers(self, topic: str) -> Iterable[int]:
        """The partition numbers of ``topic``; none if it does not exist."""
        found = self._consumer.list_topics(topic, timeout=_REQUEST_S).topics.get(topic)
        return () if found is None else found.partitions
