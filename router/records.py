"""The records of one uncompressed batch: split into encoded parts, and parsed one at a time.

Kafka reads lengths as 32-bit numbers, aiokafka as 64-bit ones. A producer can write a length that is 1 to Kafka, which
stores the record, and 2,147,483,649 to aiokafka, whose ``decode_varint`` then reads outside of the buffer. So positions
are checked before they are used, and what does not fit is read again the way Kafka does.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.util import decode_varint

from eventstreams.headers import UNREADABLE

_COUNT: Final = struct.Struct(">i")
_COUNT_AT: Final = _DefaultRecordBatchPy.ATTRIBUTES_OFFSET + 36
RECORDS_AT: Final = _COUNT_AT + _COUNT.size
_SHORTEST: Final = 6  # bytes of a record behind its length: attributes, two deltas, three lengths
_BITS: Final = 7  # of a number in each of its bytes; the eighth says whether another follows
_MORE: Final = 0x80
_LAST_SHIFT: Final = 28  # in 32 bits
_MASK: Final = 0xFFFF_FFFF


class SourceRecord(Protocol):
    """What the router needs of a fetched record."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int:
        """When the broker accepted it, in ms since the epoch."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


@dataclass(frozen=True, slots=True)
class _Record:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


Fetched = tuple[int, int, int, bytes, bytes]
"""A record in parts: its position in the batch, timestamp in ms, number of headers; and, still encoded, key and value
with their lengths, and the headers."""


class OpenBatch:
    """An uncompressed record batch. Iterating splits it into encoded parts; ``record`` parses a single record."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        about = DefaultRecordBatch(raw)
        self._count = _COUNT.unpack_from(raw, _COUNT_AT)[0]
        self._base_offset = about.base_offset
        self._first_ms = about.first_timestamp
        self._max_ms = about.max_timestamp
        self._stamped = bool(about.timestamp_type)  # LogAppendTime: the batch's time is that of all its records

    def __iter__(self) -> Iterator[Fetched]:
        """Yield each record's parts.

        Raises:
            CorruptRecordException: a length is wrong, which no broker lets pass.
        """
        raw, size, at, left = self._raw, len(self._raw), RECORDS_AT, self._count
        time_ms = self._max_ms
        while left:
            length, begin = decode_varint(raw, at)
            end = begin + length
            if length < _SHORTEST or end > size:
                break
            later_ms, begin = decode_varint(raw, begin + 1)  # skips the attributes byte
            _, begin = decode_varint(raw, begin)
            length, behind = decode_varint(raw, begin)
            if length > 0:  # -1 if there is no key
                behind += length
            if behind > size:
                break
            length, behind = decode_varint(raw, behind)
            if length > 0:
                behind += length
            if behind > size:
                break
            count, headers = decode_varint(raw, behind)
            if headers > end:
                break
            if not self._stamped:
                time_ms = self._first_ms + later_ms
            yield at, time_ms, count, raw[begin:behind], raw[headers:end]
            at = end
            left -= 1
        yield from self._as_kafka_reads(at, left)

    def _as_kafka_reads(self, at: int, count: int) -> Iterator[Fetched]:
        raw = self._raw
        for _ in range(count):
            length, begin = _varint(raw, at)
            end = _within(raw, begin + length)
            later_ms, begin = _varlong(raw, begin + 1)
            _, begin = _varint(raw, begin)
            _, behind = _bytes_at(raw, begin)
            _, behind = _bytes_at(raw, behind)
            headers, first = _varint(raw, behind)
            time_ms = self._max_ms if self._stamped else self._first_ms + later_ms
            yield at, time_ms, headers, raw[begin:behind], raw[first:end]
            at = end

    def record(self, at: int) -> SourceRecord:
        """Parse the record at position ``at``, which iterating returned.

        If a header's name is not UTF-8, ``UNREADABLE`` is the only header.
        """
        length, begin = _varint(self._raw, at)
        raw = bytearray(self._raw[:RECORDS_AT])
        _COUNT.pack_into(raw, _COUNT_AT, 1)
        found: SourceRecord
        try:
            (found,) = DefaultRecordBatch(bytes(raw + self._raw[at : begin + length]))
        except (UnicodeDecodeError, CorruptRecordException):  # as aiokafka's parsers in C and in Python report it
            found = self._parsed(at)
        return found

    def records(self) -> Iterator[SourceRecord]:
        """Parse all records, whatever is in their headers. Slow."""
        return (self._parsed(at) for at, *_ in self)

    def _parsed(self, at: int) -> SourceRecord:
        raw = self._raw
        _, begin = _varint(raw, at)
        later_ms, begin = _varlong(raw, begin + 1)
        delta, begin = _varint(raw, begin)
        key, begin = _bytes_at(raw, begin)
        value, begin = _bytes_at(raw, begin)
        count, begin = _varint(raw, begin)
        found: list[tuple[bytes, bytes]] = []
        for _ in range(count):
            name, begin = _bytes_at(raw, begin)
            text, begin = _bytes_at(raw, begin)
            found.append((name or b"", text))  # type: ignore[arg-type]  # as aiokafka's: a value may be None
        try:
            headers = [(name.decode(), text) for name, text in found]
        except UnicodeDecodeError:
            headers = [(UNREADABLE, b"1")]
        time_ms = self._max_ms if self._stamped else self._first_ms + later_ms
        return _Record(self._base_offset + delta, time_ms, key, value, headers)


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """Return the number at this position as Kafka reads it, in 32 bits, and the position behind it."""
    number = shift = 0
    while True:
        if at >= len(raw) or shift > _LAST_SHIFT:
            raise CorruptRecordException
        byte = raw[at]
        at += 1
        number |= (byte & ~_MORE) << shift
        if byte < _MORE:
            break
        shift += _BITS
    number &= _MASK
    return (number >> 1) ^ -(number & 1), at


def _varlong(raw: bytes, at: int) -> tuple[int, int]:
    """As ``_varint``, in 64 bits: a difference of timestamps."""
    if at >= len(raw):
        raise CorruptRecordException
    number, behind = decode_varint(raw, at)
    return number, behind


def _bytes_at(raw: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = _varint(raw, at)
    return (None, at) if length < 0 else (raw[at : at + length], _within(raw, at + length))


def _within(raw: bytes, position: int) -> int:
    if position > len(raw):
        raise CorruptRecordException
    return position
