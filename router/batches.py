"""Kafka's record batches as they were fetched: raw bytes, read when their turn comes and forgotten at once.

A record is some forty Python objects. Read ahead, those of all runs that wait are far more than a processor's caches
hold, and each is fetched from memory twice more: to look at it, and to free it. ADR 0003 has the figures.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.util import decode_varint

from eventstreams.headers import UNREADABLE
from router.crc import crc32c

_OVERHEAD: Final = struct.Struct(">qi")  # before each batch: its first offset, and how many bytes follow

_CRC: Final = struct.Struct(">I")
_CRC_AT: Final = _DefaultRecordBatchPy.CRC_OFFSET
_CHECKED_FROM: Final = _DefaultRecordBatchPy.ATTRIBUTES_OFFSET  # to its end
_ATTRIBUTES: Final = struct.Struct(">h")
_COUNT: Final = struct.Struct(">i")
_COUNT_AT: Final = _DefaultRecordBatchPy.ATTRIBUTES_OFFSET + 36
_RECORDS_AT: Final = _COUNT_AT + _COUNT.size


class SourceRecord(Protocol):
    """What the router needs of a fetched record."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int:
        """The broker's, in ms: the moment of acceptance."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


Fetched = tuple[int, int, int, bytes, bytes]
"""A record as it was fetched: where it begins in its batch, its time in ms, how many headers it has; and two parts of
it, as they are: its key and its value, each with its length; its headers."""


class OpenBatch:
    """The bytes of a record batch, uncompressed. Records are parsed where they are asked for alone."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        about = DefaultRecordBatch(raw)
        self._count = _COUNT.unpack_from(raw, _COUNT_AT)[0]
        self._first_ms = about.first_timestamp
        self._stamped_ms = about.max_timestamp if about.timestamp_type else None  # by the broker, all of them

    def __iter__(self) -> Iterator[Fetched]:
        raw, stamped_ms = self._raw, self._stamped_ms
        at = _RECORDS_AT
        for _ in range(self._count):
            length, begin = decode_varint(raw, at)
            end = begin + length
            later_ms, begin = decode_varint(raw, begin + 1)  # behind a byte of attributes
            _, begin = decode_varint(raw, begin)
            length, behind = decode_varint(raw, begin)
            if length > 0:  # -1: it has no key
                behind += length
            length, behind = decode_varint(raw, behind)
            if length > 0:
                behind += length
            count, headers = decode_varint(raw, behind)
            time_ms = self._first_ms + later_ms if stamped_ms is None else stamped_ms
            yield at, time_ms, count, raw[begin:behind], raw[headers:end]
            at = end

    def record(self, at: int) -> SourceRecord:
        """The record that begins ``at`` this byte, parsed."""
        length, begin = decode_varint(self._raw, at)
        raw = bytearray(self._raw[:_RECORDS_AT])
        _COUNT.pack_into(raw, _COUNT_AT, 1)
        return next(Batch(bytes(raw + self._raw[at : begin + length])).records())


class Batch:
    """One record batch. To aiokafka's fetcher it looks like a batch of one record, which is the batch itself.

    Attributes:
        offset: Of its last record.
        timestamp: Of its newest record, in ms.
        value: The batch.
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
        """Whether its bytes are those that its producer sent."""
        (said,) = _CRC.unpack_from(self._raw, _CRC_AT)
        return crc32c(self._raw[_CHECKED_FROM:]) == int(said)

    def __len__(self) -> int:
        """How many offsets it takes."""
        return self.next_offset - self.base_offset

    @property
    def size(self) -> int:
        """In bytes."""
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
        """The first record: of control batches alone, for the fetcher to see what they say."""
        return next(iter(self.records()))

    def records(self) -> Iterator[SourceRecord]:
        """Its records. One that has a header whose name is not UTF-8 has ``UNREADABLE`` as its only one."""
        try:
            yield from DefaultRecordBatch(self._raw)
        except (UnicodeDecodeError, CorruptRecordException):  # aiokafka's ways to say so: compiled, and in plain Python
            yield from islice(_read_leniently(self._raw), _readable(self._raw), None)

    def open(self) -> OpenBatch:
        """Its records, to be looked at as bytes first."""
        return OpenBatch(self._uncompressed())

    def _uncompressed(self) -> bytes:
        if not self._compression:
            return bytes(self._raw)
        batch = _DefaultRecordBatchPy(self._raw)
        batch._maybe_uncompress()  # noqa: SLF001 - only whoever reads its records has them
        raw = bytearray(self._raw[:_RECORDS_AT])
        _ATTRIBUTES.pack_into(raw, _CHECKED_FROM, batch.attributes & ~batch.CODEC_MASK)
        return bytes(raw + batch._buffer)  # noqa: SLF001


class Batches:
    """Stands in for aiokafka's ``MemoryRecords``: what one fetch brought of a partition."""

    def __init__(self, raw: bytes) -> None:
        self._raw = memoryview(raw)
        self._at = 0

    def size_in_bytes(self) -> int:
        return len(self._raw)

    def has_next(self) -> bool:
        """Whether another batch is there in full: a fetch ends where its bytes do."""
        return len(self._raw) - self._at >= _OVERHEAD.size and self._end() <= len(self._raw)

    def next_batch(self) -> Batch:
        begin, self._at = self._at, self._end()
        return Batch(self._raw[begin : self._at])

    def _end(self) -> int:
        _, length = _OVERHEAD.unpack_from(self._raw, self._at)
        return self._at + _OVERHEAD.size + int(length)


def _readable(raw: memoryview | bytes) -> int:
    """How many records of a batch aiokafka reads before it comes to one that it cannot read."""
    count = 0
    try:
        for _ in DefaultRecordBatch(raw):
            count += 1
    except (UnicodeDecodeError, CorruptRecordException):
        return count
    return count


def _read_leniently(raw: memoryview | bytes) -> Iterator[SourceRecord]:
    """The records of a batch of which one at least has a header that aiokafka cannot read. Slow, and seldom."""
    batch = _DefaultRecordBatchPy(raw)
    batch._maybe_uncompress()  # noqa: SLF001 - the parser in plain Python, step by step
    for _ in range(batch._num_records):  # noqa: SLF001
        try:
            yield batch._read_msg()  # noqa: SLF001
        except UnicodeDecodeError:
            yield _without_headers(batch)


def _without_headers(batch: _DefaultRecordBatchPy) -> SourceRecord:
    """The record at the position of ``batch``, which moves on behind it."""
    buffer = batch._buffer  # noqa: SLF001
    length, start = decode_varint(buffer, batch._pos)  # noqa: SLF001
    batch._pos = start + length  # noqa: SLF001
    _, position = decode_varint(buffer, start + 1)  # behind a byte of attributes: how much later than the first it is
    delta, position = decode_varint(buffer, position)
    key, position = _bytes_at(buffer, position)
    value, _ = _bytes_at(buffer, position)
    return _Unreadable(batch.base_offset + delta, batch.max_timestamp, key, value)


def _bytes_at(buffer: bytearray, position: int) -> tuple[bytes | None, int]:
    length, position = decode_varint(buffer, position)
    return (None, position) if length < 0 else (bytes(buffer[position : position + length]), position + length)


@dataclass(frozen=True, slots=True)
class _Unreadable:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ((UNREADABLE, b"1"),)
