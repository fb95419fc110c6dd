"""Fetched record batches, kept as raw bytes until it is their turn: parsed late, and freed at once.

A parsed record is some forty Python objects. If all waiting runs were parsed ahead, they would by far exceed the CPU
caches, and each object would be loaded from memory twice more: to read it and to free it. ADR 0003 has the figures.
"""

import struct
from collections.abc import Iterator
from itertools import islice
from typing import Final

from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy

from router.crc import crc32c
from router.records import RECORDS_AT, OpenBatch, SourceRecord

_OVERHEAD: Final = struct.Struct(">qi")  # before each batch: base offset, and number of bytes that follow

_CRC: Final = struct.Struct(">I")
_CRC_AT: Final = _DefaultRecordBatchPy.CRC_OFFSET
_CHECKED_FROM: Final = _DefaultRecordBatchPy.ATTRIBUTES_OFFSET  # the CRC covers everything from here on
_ATTRIBUTES: Final = struct.Struct(">h")


class Batch:
    """One raw record batch. To aiokafka's fetcher it looks like a batch of one record, which is the batch itself.

    Attributes:
        offset: The last offset that it spans.
        timestamp: The highest timestamp of its records, in ms.
        value: The batch itself.
    """

    base_offset: int
    next_offset: int
    producer_id: int
    is_control_batch: bool
    is_transactional: bool
    timestamp: int
    timestamp_type: int
    key: None = None
    headers: tuple[()] = ()
    checksum: None = None

    def __init__(self, raw: memoryview | bytes) -> None:
        self._raw = raw
        about = DefaultRecordBatch(raw)
        self.base_offset = about.base_offset
        self.next_offset = about.next_offset
        self.producer_id = about.producer_id
        self.is_control_batch = about.is_control_batch
        self.is_transactional = about.is_transactional
        self.timestamp = about.max_timestamp
        self.timestamp_type = about.timestamp_type
        self._compression = about.compression_type

    def validate_crc(self) -> bool:
        """Return whether its checksum is right."""
        (said,) = _CRC.unpack_from(self._raw, _CRC_AT)
        return crc32c(self._raw[_CHECKED_FROM:]) == int(said)

    def __len__(self) -> int:
        """Return how many offsets it spans."""
        return self.next_offset - self.base_offset

    @property
    def size(self) -> int:
        """Bytes, compressed if it is."""
        return len(self._raw)

    @property
    def offset(self) -> int:
        return self.next_offset - 1

    @property
    def value(self) -> "Batch":
        return self

    def __iter__(self) -> "Iterator[Batch]":
        return iter((self,))

    def __next__(self) -> SourceRecord:
        """Return the first record, which the fetcher reads only of control batches."""
        return next(iter(self.records()))

    def records(self) -> Iterator[SourceRecord]:
        """Yield its records, parsed. One with a header name that is not UTF-8 gets ``UNREADABLE`` as only header."""
        try:
            yield from DefaultRecordBatch(self._raw)
        except (UnicodeDecodeError, CorruptRecordException):  # as aiokafka's parsers in C and in Python report it
            yield from islice(self.open().records(), _readable(self._raw), None)

    def open(self) -> OpenBatch:
        """Return it uncompressed, to read its records without parsing them."""
        return OpenBatch(self._uncompressed())

    def _uncompressed(self) -> bytes:
        if not self._compression:
            return bytes(self._raw)
        batch = _DefaultRecordBatchPy(self._raw)
        batch._maybe_uncompress()  # noqa: SLF001 - it offers the bytes in no other way
        raw = bytearray(self._raw[:RECORDS_AT])
        _ATTRIBUTES.pack_into(raw, _CHECKED_FROM, batch.attributes & ~batch.CODEC_MASK)
        return bytes(raw + batch._buffer)  # noqa: SLF001


class Batches:
    """The batches that one fetch returned for a partition; stands in for aiokafka's ``MemoryRecords``."""

    def __init__(self, raw: bytes) -> None:
        self._raw = memoryview(raw)
        self._at = 0

    def size_in_bytes(self) -> int:
        return len(self._raw)

    def has_next(self) -> bool:
        """Return whether another complete batch follows: Kafka may cut off the last one of a fetch."""
        return len(self._raw) - self._at >= _OVERHEAD.size and self._end() <= len(self._raw)

    def next_batch(self) -> Batch:
        begin, self._at = self._at, self._end()
        return Batch(self._raw[begin : self._at])

    def _end(self) -> int:
        _, length = _OVERHEAD.unpack_from(self._raw, self._at)
        return self._at + _OVERHEAD.size + int(length)


def _readable(raw: memoryview | bytes) -> int:
    """Return how many records of a batch aiokafka reads before one that it cannot read."""
    count = 0
    try:
        for _ in DefaultRecordBatch(raw):
            count += 1
    except (UnicodeDecodeError, CorruptRecordException):
        return count
    return count
