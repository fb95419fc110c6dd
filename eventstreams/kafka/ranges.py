"""Reads a range of offsets from each of several partitions, then ends. Never commits; joins no group."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeVar

from confluent_kafka import Consumer, KafkaError, TopicPartition

from eventstreams.errors import TopicError
from eventstreams.kafka.config import client_config
from eventstreams.kafka.records import Partition, Record, to_record
from eventstreams.settings import Settings

_POLL_S: Final = 0.1  # how long one read waits for its first record
_LASTING: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED})
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """Offsets of one partition, from ``first`` up to but excluding ``end``. Empty if ``first`` >= ``end``."""

    topic: str
    partition: int
    first: int
    end: int

    @property
    def records(self) -> int:
        """The most records that it can hold."""
        return max(self.end - self.first, 0)


class RangeReader:
    """Reads the records of ``ranges``, in order within each partition. Use as ``async with``.

    Sees only committed transactions. Offsets without a record (removed by retention or compaction, a transaction
    marker, an aborted record) are skipped, so a range ends even if its last record no longer exists.
    """

    def __init__(self, settings: Settings, ranges: Sequence[Range], *, buffer_mib: int = 4) -> None:
        """Read nothing yet; that begins with ``async with``.

        Args:
            settings: Which Kafka.
            ranges: At most one for each partition.
            buffer_mib: The most that the client prefetches, over all partitions together.
        """
        self._ends = {Partition(each.topic, each.partition): each.end for each in ranges}
        self._positions = {Partition(each.topic, each.partition): each.first for each in ranges}
        self._consumer = Consumer(
            client_config(
                settings,
                {
                    "group.id": f"{settings.topic_prefix}unused",  # required by the client; nothing joins or commits
                    "enable.auto.commit": False,
                    "auto.offset.reset": "earliest",  # if retention has removed the first records, start after them
                    "enable.partition.eof": True,  # reports the end even if the last record no longer exists
                    "isolation.level": "read_committed",
                    "fetch.wait.max.ms": 50,
                    "queued.max.messages.kbytes": buffer_mib * 1024,
                },
            )
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kafka-range")

    async def __aenter__(self) -> Self:
        await self._run(self._assign)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._run(self._consumer.close)
        self._thread.shutdown()

    @property
    def ended(self) -> bool:
        """Whether nothing is left to read."""
        return not any(self._left(partition) for partition in self._ends)

    @property
    def positions(self) -> Mapping[Partition, int]:
        """The next offset to read of each partition, after what ``read`` has returned."""
        return dict(self._positions)

    async def read(self, most: int) -> Sequence[Record]:
        """The next records, at most ``most``; empty if none arrived within 0.1 s, or if it has ``ended``.

        Keeps waiting for a broker that is away: the caller decides for how long to ask.

        Raises:
            TopicError: a topic is gone, was deleted and recreated, or an ACL forbids us to read it.
        """
        return () if self.ended else await self._run(lambda: self._read(most))

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # -- on the client's thread ------------------------------------------------------------------------------

    def _assign(self) -> None:
        self._consumer.assign([TopicPartition(*at, offset) for at, offset in self._positions.items() if self._left(at)])

    def _read(self, most: int) -> Sequence[Record]:
        first = self._consumer.poll(_POLL_S)
        if first is None:
            return ()
        found: list[Record] = []
        for message in [first, *(self._consumer.consume(most - 1, 0) if most > 1 else ())]:
            error = message.error()
            partition = Partition(message.topic() or "", message.partition() or 0)
            if not self._left(partition):
                continue  # prefetched beyond the end of the range
            if error is None:
                record = to_record(message)
                self._check(partition, record.offset)
                if record.offset < self._ends[partition]:
                    found.append(record)
                self._reach(partition, record.offset + 1)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                self._check(partition, message.offset() or 0)
                self._reach(partition, message.offset() or 0)
            elif error.fatal() or error.code() in _LASTING:
                raise TopicError(f"{partition.topic} cannot be read: {error.str()}")
        return found

    def _check(self, partition: Partition, offset: int) -> None:
        if offset < self._positions[partition]:
            raise TopicError(f"{partition.topic} was recreated: its offsets no longer match those requested")

    def _left(self, partition: Partition) -> bool:
        return self._positions[partition] < self._ends[partition]

    def _reach(self, partition: Partition, offset: int) -> None:
        self._positions[partition] = min(offset, self._ends[partition])
        if not self._left(partition):
            self._consumer.incremental_unassign([TopicPartition(*partition)])
