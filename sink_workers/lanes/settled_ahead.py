"""What is settled behind the first record that is not, as the text that Kafka keeps with a committed offset. Pure.

Whoever has the partition next reads from the committed offset on, and passes over what is settled already. Where the
text is missing, not ours, of another commit or of other records, it says nothing: then all is delivered again.
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
    """Records that are settled behind one that is not.

    Attributes:
        first: Offset of the first record that is not settled: the committed one.
        first_ms: That record's timestamp. Another record at its offset, of a topic that was made again, has another.
        newest_ms: Timestamp of the last record that is settled.
        epoch: Its leader epoch. What was written in place of records that Kafka has lost has a later one.
        runs: From ``first`` on: how many offsets are not settled, then how many are, and so on in turn. Offsets
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
    """``ahead`` as the text of a commit of ``partition``; of as many runs from the first on as it has room for."""
    while ahead is not None and ahead.runs:
        text = _text(ahead, partition)
        if len(text) <= NOTE_CHARS:
            return text
        ahead = ahead._replace(runs=ahead.runs[: len(ahead.runs) * NOTE_CHARS // len(text) // 2 * 2])
    return ""


def from_note(text: str, partition: Partition, offset: int) -> SettledAhead | None:
    """What ``text`` says that was committed with ``offset`` of ``partition``; None where it is none of ours."""
    if not text.startswith(_VERSION):
        return None
    try:
        sealed = b64decode(text[len(_VERSION) :], validate=True)
        payload, seal = sealed[:-_SEAL_BYTES], sealed[-_SEAL_BYTES:]
        if seal != _seal(payload, partition):
            return None
        found = cast("_Fields", schemaless_reader(BytesIO(payload), _SCHEMA, None))
    except Exception:  # noqa: BLE001 - any text may come; fastavro raises what it provokes
        return None
    ahead = SettledAhead(found["first"], found["first_ms"], found["newest_ms"], found["epoch"], tuple(found["runs"]))
    return ahead if ahead.first == offset else None


def _text(ahead: SettledAhead, partition: Partition) -> str:
    out = BytesIO()
    schemaless_writer(out, _SCHEMA, ahead._asdict())
    payload = out.getvalue()
    return _VERSION + b64encode(payload + _seal(payload, partition)).decode()


def _seal(payload: bytes, partition: Partition) -> bytes:
    """By which ``payload`` is known to be whole, and of ``partition``."""
    return crc32(payload, crc32(f"{partition.topic}/{partition.number}".encode())).to_bytes(_SEAL_BYTES, "big")


class AlreadySettled:
    """Tells of each record from the committed offset on whether it was settled before its partition came here."""

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
        """Whether no record that follows is."""
        return not self._spans

    def has(self, record: Record) -> bool:
        """Whether ``record`` is. To be asked of every record, in the order in which they come."""
        if not self._follows(record):
            self._spans.clear()
        self._next = record.offset + 1
        while self._spans and record.offset >= self._spans[0].stop:
            self._spans.popleft()
        # What Kafka had lost, and then wrote something else in its place, is of a later epoch and time.
        return (
            bool(self._spans)
            and record.offset in self._spans[0]
            and record.leader_epoch <= self._ahead.epoch
            and record.timestamp_ms <= self._ahead.newest_ms
        )

    def _follows(self, record: Record) -> bool:
        """Whether ``record`` can be next: first the one that was committed, then any behind it."""
        if self._next is None:
            return (record.offset, record.timestamp_ms) == (self._ahead.first, self._ahead.first_ms)
        return record.offset >= self._next
