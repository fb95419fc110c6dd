"""Notes what is settled after the first unsettled record, as the metadata of a committed offset. Pure.

The next owner of the partition reads from the committed offset on and skips what is settled already. If the text is
missing, not ours, or belongs to another commit or to other records, it is ignored, and all of it is delivered again.
"""

from base64 import b64decode, b64encode
from collections import deque
from io import BytesIO
from typing import Final, NamedTuple, TypedDict, cast
from zlib import crc32

from fastavro import parse_schema, schemaless_reader, schemaless_writer

from eventstreams.kafka.commits import NOTE_CHARS
from eventstreams.kafka.records import Partition, Record

_VERSION: Final = "es1."
_SEAL_BYTES: Final = 4
_SCHEMA: Final = parse_schema(
    {
        "type": "record",
        "name": "SettledAhead",
        "fields": [
            {"name": "first", "type": "long"},
            {"name": "first_ms", "type": "long"},
            {"name": "newest_ms", "type": "long"},
            {"name": "epoch", "type": "long"},
            {"name": "runs", "type": {"type": "array", "items": "long"}},
        ],
    }
)


class SettledAhead(NamedTuple):
    """Records that are settled although an earlier one is not.

    Attributes:
        first: The offset of the first unsettled record, which is the committed offset.
        first_ms: The timestamp of that record. If the topic was created again, the record at this offset has another.
        newest_ms: The timestamp of the last settled record.
        epoch: The leader epoch of that record. Records written in place of those that Kafka has lost have a later one.
        runs: From ``first`` on: the number of unsettled offsets, then of settled ones, and so on alternately. Offsets
            without a record, such as a transaction's marker, count as settled.
    """

    first: int
    first_ms: int
    newest_ms: int
    epoch: int
    runs: tuple[int, ...]


class _Fields(TypedDict):
    first: int
    first_ms: int
    newest_ms: int
    epoch: int
    runs: list[int]


def to_note(ahead: SettledAhead | None, partition: Partition) -> str:
    """``ahead`` as the metadata of a commit of ``partition``, truncated to as many runs as fit; empty for None."""
    while ahead is not None and ahead.runs:
        text = _text(ahead, partition)
        if len(text) <= NOTE_CHARS:
            return text
        ahead = ahead._replace(runs=ahead.runs[: len(ahead.runs) * NOTE_CHARS // len(text) // 2 * 2])
    return ""


def from_note(text: str, partition: Partition, offset: int) -> SettledAhead | None:
    """Parse the metadata that was committed with ``offset`` of ``partition``; None if it is not ours or not of that."""
    if not text.startswith(_VERSION):
        return None
    try:
        sealed = b64decode(text[len(_VERSION) :], validate=True)
        payload, seal = sealed[:-_SEAL_BYTES], sealed[-_SEAL_BYTES:]
        if seal != _seal(payload, partition):
            return None
        found = cast("_Fields", schemaless_reader(BytesIO(payload), _SCHEMA, None))
    except Exception:  # noqa: BLE001 - the text may be anything, and fastavro may raise anything
        return None
    ahead = SettledAhead(found["first"], found["first_ms"], found["newest_ms"], found["epoch"], tuple(found["runs"]))
    return ahead if ahead.first == offset else None


def _text(ahead: SettledAhead, partition: Partition) -> str:
    out = BytesIO()
    schemaless_writer(out, _SCHEMA, ahead._asdict())
    payload = out.getvalue()
    return _VERSION + b64encode(payload + _seal(payload, partition)).decode()


def _seal(payload: bytes, partition: Partition) -> bytes:
    """A checksum that shows that ``payload`` is intact and belongs to ``partition``."""
    return crc32(payload, crc32(f"{partition.topic}/{partition.number}".encode())).to_bytes(_SEAL_BYTES, "big")


class AlreadySettled:
    """Says of each record from the committed offset on whether the partition's previous owner settled it."""

    def __init__(self, ahead: SettledAhead) -> None:
        self._ahead = ahead
        self._spans: deque[range] = deque()
        at = ahead.first
        for unsettled, settled in zip(ahead.runs[::2], ahead.runs[1::2], strict=True):
            self._spans.append(range(at + unsettled, at + unsettled + settled))
            at += unsettled + settled
        self._next: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether no further record is settled already."""
        return not self._spans

    def has(self, record: Record) -> bool:
        """Whether ``record`` is settled already. Call it for every record, in order."""
        # If Kafka lost records, those written in their place have a later epoch and time. Epochs never decrease, so
        # after one that is too late none is one of those that were settled.
        if not self._follows(record) or record.leader_epoch > self._ahead.epoch:
            self._spans.clear()
        self._next = record.offset + 1
        while self._spans and record.offset >= self._spans[0].stop:
            self._spans.popleft()
        return bool(self._spans) and record.offset in self._spans[0] and record.timestamp_ms <= self._ahead.newest_ms

    def beyond(self, ahead: SettledAhead) -> SettledAhead:
        """``ahead``, which is about the records that ``has`` was called for, with what is settled after the last one.

        So what one owner has settled is not forgotten if its successor does not come to read all of it.
        """
        runs, at = [*ahead.runs], ahead.first + sum(ahead.runs)
        for span in self._spans:
            begin = span.start if self._next is None else max(span.start, self._next)
            if begin >= span.stop:  # the record before ``_next`` was its last
                continue
            if runs and begin == at:
                runs[-1] += span.stop - at
            else:
                runs += (begin - at, span.stop - begin)
            at = span.stop
        if at == ahead.first + sum(ahead.runs):
            return ahead
        return ahead._replace(newest_ms=self._ahead.newest_ms, epoch=self._ahead.epoch, runs=tuple(runs))

    def _follows(self, record: Record) -> bool:
        """Whether ``record`` can be the next: first the very one at the committed offset, then any after it."""
        if self._next is None:
            return (record.offset, record.timestamp_ms) == (self._ahead.first, self._ahead.first_ms)
        return record.offset >= self._next
