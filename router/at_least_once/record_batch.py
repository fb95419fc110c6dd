"""Record batches in the making: copies are put together of parts that they share, as the bytes that Kafka keeps."""

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy

from eventstreams.times import now_ms
from router.batches import SourceRecord
from router.crc import crc32c
from router.record_format import KNOWN, VARINTS, field, header_fields, varint

BATCH_BYTES: Final = 1 << 20
"""At most, unless one record is larger: what our topics take (``MAX_COPY_BYTES``) is twice as much."""

_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
_LENGTH_FROM: Final = 12  # what is behind the first offset and the length itself
_ANY_EPOCH: Final = -1
_MAGIC: Final = 2  # the only format that has headers
_CRC: Final = struct.Struct(">I")
_CRC_AT: Final = _DefaultRecordBatchPy.CRC_OFFSET
_CHECKED_FROM: Final = _DefaultRecordBatchPy.ATTRIBUTES_OFFSET  # to its end
_PLAIN: Final = b"\0\0"  # no attributes, and as late as the batch
_BEGINNINGS: Final = tuple(_PLAIN + each for each in VARINTS)  # of records, by their number, behind their length
_LONGEST: Final = 3  # bytes of a record's length

Place = tuple[str, int]
"""A topic and one of its partitions."""


class Identity(NamedTuple):
    """Who sends a batch, and the number that its first record has among those of its partition.

    By these a broker knows a batch that it has already, and one before which another is missing.
    """

    producer_id: int
    epoch: int
    sequence: int


_NOBODY: Final = Identity(-1, -1, -1)


class RecordBatch:
    """A batch that records are added to, and then sent.

    Attributes:
        place: Where it goes.
        group: Of which group of copies it is; see ``BatchProducer.flush``.
        records: How many it has.
        size: In bytes, about.
        identity: As whose it was sent last; None: it was never sent.
        tries: How often it was sent, or was to be.
        renewals: How often its sender's identity was not the one that the broker expected.
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
            fields: Its key and its value, each with its length.
            count: Of all its headers.
            headers: They, one after the other.
            more: Those behind them.
            rest: And behind these.
        """
        # For each copy: a call of a function is a tenth of all that is done here.
        number = _BEGINNINGS[self.records] if self.records < KNOWN else _PLAIN + varint(self.records)
        how_many = VARINTS[count] if count < KNOWN else varint(count)
        size = len(number) + len(fields) + len(how_many) + len(headers) + len(more) + len(rest)
        length = VARINTS[size] if size < KNOWN else varint(size)
        self._parts += (length, number, fields, how_many, headers, more, rest)
        self.records += 1
        self.size += size + _LONGEST

    def add_record(self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> None:
        """Add a record of which nothing is encoded yet."""
        self.add(field(key) + field(value), len(headers), header_fields(headers))

    def close(self) -> None:
        """Put its parts together: what is left for ``raw`` is little. Nothing can be added any more."""
        if self._raw is None:
            self._raw = bytearray().join([bytes(_HEAD.size), *self._parts])
            self._parts = []

    def raw(self, identity: Identity) -> bytearray:
        """Its bytes, as sent by ``identity``. Nothing can be added any more."""
        self.identity = identity
        return self._sent_by(identity)

    def read(self) -> Iterator[SourceRecord]:
        """Its records. Nothing can be added any more."""
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
        """The first and the second half of its records, of which it has two at least."""
        halves = RecordBatch(self.place, self.group), RecordBatch(self.place, self.group)
        for number, record in enumerate(self.read()):
            halves[number >= self.records // 2].add_record(record.key, record.value, record.headers)
        return halves
