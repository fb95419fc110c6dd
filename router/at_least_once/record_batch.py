"""Builds record batches in Kafka's format v2, from encoded parts that the copies of one event share. No I/O."""

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy

from eventstreams.times import now_ms
from router.crc import crc32c
from router.record_format import KNOWN, VARINTS, field, header_fields, varint
from router.records import SourceRecord

BATCH_BYTES: Final = 1 << 20
"""Limit for a batch of several records. Our topics accept twice as much (``MAX_COPY_BYTES``)."""

_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
_LENGTH_FROM: Final = 12  # the length field counts the bytes behind the base offset and itself
_ANY_EPOCH: Final = -1
_MAGIC: Final = 2  # the only version with headers
_CRC: Final = struct.Struct(">I")
_CRC_AT: Final = _DefaultRecordBatchPy.CRC_OFFSET
_CHECKED_FROM: Final = _DefaultRecordBatchPy.ATTRIBUTES_OFFSET  # the CRC covers everything from here on
_PLAIN: Final = b"\0\0"  # no attributes, timestamp delta 0
_BEGINNINGS: Final = tuple(_PLAIN + each for each in VARINTS)  # a record's first fields after its length, by its number
_LONGEST: Final = 3  # bytes, estimated, of the field with a record's length

Place = tuple[str, int]
"""A topic and one of its partitions."""


class Identity(NamedTuple):
    """Producer id, producer epoch, and the sequence number of a batch's first record in its partition.

    They let a broker recognize a batch that it already has, and one whose predecessor is missing.
    """

    producer_id: int
    epoch: int
    sequence: int


_NOBODY: Final = Identity(-1, -1, -1)


class RecordBatch:
    """A batch under construction: add records, then send it.

    Attributes:
        place: The partition that it is for.
        group: The group of copies that it belongs to; see ``BatchProducer.flush``.
        records: Number of records.
        size: Approximate size in bytes.
        identity: The identity it was last sent with; None if it is to get one, at first or after a sequence error.
        tries: How often it had to wait to be sent again.
        renewals: How often it got a new identity after a sequence error.
    """

    __slots__ = (
        "_parts", "_raw", "_time_ms", "group", "identity", "place", "records", "renewals", "size",
        "tries",
    )  # fmt: skip

    def __init__(self, place: Place, group: int = 0) -> None:
        self.place = place
        self.group = group
        self.records = 0
        self.size = _HEAD.size
        self.identity: Identity | None = None
        self.tries = 0
        self.renewals = 0
        self._parts: list[bytes] = []
        self._time_ms = now_ms()
        self._raw: bytearray | None = None

    def add(self, fields: bytes, count: int, headers: bytes, more: bytes = b"", rest: bytes = b"") -> None:
        """Add a record.

        Args:
            fields: Encoded key and value, each with its length.
            count: Number of all headers, in the three parts together.
            headers: Encoded headers, without their count.
            more: Further headers behind these.
            rest: And further ones behind those.
        """
        # Runs for each copy, so it calls few functions: one call is a tenth of all that is done here.
        number = _BEGINNINGS[self.records] if self.records < KNOWN else _PLAIN + varint(self.records)
        how_many = VARINTS[count] if count < KNOWN else varint(count)
        size = len(number) + len(fields) + len(how_many) + len(headers) + len(more) + len(rest)
        length = VARINTS[size] if size < KNOWN else varint(size)
        self._parts += (length, number, fields, how_many, headers, more, rest)
        self.records += 1
        self.size += size + _LONGEST

    def add_record(self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> None:
        """Add a record whose parts are not encoded yet."""
        self.add(field(key) + field(value), len(headers), header_fields(headers))

    def close(self) -> None:
        """Join the parts, which leaves little to do for ``raw``. Nothing can be added any more."""
        if self._raw is None:
            self._raw = bytearray().join([bytes(_HEAD.size), *self._parts])
            self._parts = []

    def raw(self, identity: Identity) -> bytearray:
        """Return the batch's bytes with ``identity`` and CRC filled in. Nothing can be added any more."""
        self.identity = identity
        return self._sent_by(identity)

    def read(self) -> Iterator[SourceRecord]:
        """Yield the records, parsed. Nothing can be added any more."""
        yield from DefaultRecordBatch(bytes(self._sent_by(self.identity or _NOBODY)))

    def _sent_by(self, identity: Identity) -> bytearray:
        self.close()
        assert self._raw is not None
        raw, time_ms = self._raw, self._time_ms
        length, last = len(raw) - _LENGTH_FROM, self.records - 1
        _HEAD.pack_into(
            raw, 0, 0, length, _ANY_EPOCH, _MAGIC, 0, 0, last, time_ms, time_ms, *identity, self.records
        )  # fmt: skip
        _CRC.pack_into(raw, _CRC_AT, crc32c(memoryview(raw)[_CHECKED_FROM:]))
        return raw

    def halves(self) -> "Sequence[RecordBatch]":
        """Return two new batches with the first and the second half of the records; there must be at least two."""
        halves = RecordBatch(self.place, self.group), RecordBatch(self.place, self.group)
        for number, record in enumerate(self.read()):
            halves[number >= self.records // 2].add_record(record.key, record.value, record.headers)
        return halves
