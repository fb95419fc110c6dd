"""Record batches in the making: a copy is written where it is to go, as the bytes that Kafka keeps, and forgotten."""

import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Final, NamedTuple, cast

from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder, _DefaultRecordBatchPy

from router.batches import SourceRecord
from router.crc import crc32c

BATCH_BYTES: Final = 1 << 20
"""At most, unless one record is larger: what our topics take (``MAX_COPY_BYTES``) is several times as much."""

_MAGIC: Final = 2  # the only format that has headers
_UNCOMPRESSED: Final = 0
_NO_PRODUCER: Final = -1

_PRODUCER: Final = struct.Struct(">qhi")  # its id, its epoch, the number of the batch's first record
_PRODUCER_AT: Final = _DefaultRecordBatchPy.ATTRIBUTES_OFFSET + 2 + 4 + 8 + 8  # attributes, last offset, two times
_CRC: Final = struct.Struct(">I")
_CRC_AT: Final = _DefaultRecordBatchPy.CRC_OFFSET
_CHECKED_FROM: Final = _DefaultRecordBatchPy.ATTRIBUTES_OFFSET  # to its end

Place = tuple[str, int]
"""A topic and one of its partitions."""

Headers = Sequence[tuple[str, bytes]]


class Identity(NamedTuple):
    """Who sends a batch, and the number that its first record has among those of its partition.

    By these a broker knows a batch that it has already, and one before which another is missing.
    """

    producer_id: int
    epoch: int
    sequence: int


class Writing(NamedTuple):
    """A batch that copies are written to: ``write(number(), time_ms, key, value, headers)``.

    Attributes:
        write: None of a copy that has no room any more.
        number: Each number but the last one it gave is a record's: it counts the one that had no room, too.
    """

    write: Callable[[int, int, bytes | None, bytes | None, list[tuple[str, bytes]]], object | None]
    number: Callable[[], int]
    builder: DefaultRecordBatchBuilder


def begin() -> Writing:
    """An empty batch."""
    builder = DefaultRecordBatchBuilder(_MAGIC, _UNCOMPRESSED, 0, _NO_PRODUCER, _NO_PRODUCER, _NO_PRODUCER, BATCH_BYTES)
    return Writing(builder.append, count().__next__, builder)


class RecordBatch:
    """A batch that is complete, and where it goes.

    Attributes:
        records: How many it has.
        identity: As whose it was sent last; None: it was never sent.
        tries: How often it was sent, or was to be.
        renewals: How often its sender's identity was not the one that the broker expected.
        missing_since: Of the monotonic clock: when brokers first said that there is no such partition.
    """

    __slots__ = ("_builder", "_raw", "identity", "missing_since", "place", "records", "renewals", "tries")

    def __init__(self, place: Place, builder: DefaultRecordBatchBuilder, records: int) -> None:
        self.place = place
        self.records = records
        self.identity: Identity | None = None
        self.tries = 0
        self.renewals = 0
        self.missing_since: float | None = None
        self._builder = builder
        self._raw: bytearray | None = None

    @property
    def size(self) -> int:
        """In bytes."""
        return self._builder.size()

    def raw(self, identity: Identity) -> bytearray:
        """Its bytes, as sent by ``identity``."""
        self.identity = identity
        if self._raw is None:
            self._builder.set_producer_state(*identity)
            self._raw = self._builder.build()
        else:
            _PRODUCER.pack_into(self._raw, _PRODUCER_AT, *identity)
            _CRC.pack_into(self._raw, _CRC_AT, crc32c(memoryview(self._raw)[_CHECKED_FROM:]))
        return self._raw

    def read(self) -> Iterator[SourceRecord]:
        """Its records."""
        if self._raw is None:
            self._raw = self._builder.build()
        return cast(Iterator[SourceRecord], iter(DefaultRecordBatch(bytes(self._raw))))

    def halves(self) -> "Sequence[RecordBatch]":
        """The first and the second half of its records, of which it has two at least."""
        records = [*self.read()]
        middle = len(records) // 2
        return [_batch_of(self.place, records[:middle]), _batch_of(self.place, records[middle:])]


def _batch_of(place: Place, records: Sequence[SourceRecord]) -> RecordBatch:
    write, number, builder = begin()
    for record in records:
        write(number(), record.timestamp, record.key, record.value, [*record.headers])
    return RecordBatch(place, builder, len(records))
