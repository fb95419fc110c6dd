"""Events as objects: which belong together, what the object is called and holds. Pure.

An object's name says what is in it: the same events make the same object, so that to store it again changes nothing.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import quote

import orjson
from isal import isal_zlib

from eventstreams.sinks import NoSchemaError, OutboundEvent, avro_file, avro_rows
from sink_workers.plugins.s3.config import S3Config

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\dT", re.ASCII)
_DAY_AND_T: Final = 11  # characters
_NO_DAY: Final = "unknown"  # of a time that is none; also such an event is kept
# Of ISA-L's, which takes a fifth of zlib's time for 3 to 4 % more bytes: see docs/performance-measurements.md.
_LEVEL: Final = 2
_RAW, _GZIP = -15, 31  # what stands around it: nothing, as in Avro, or gzip's head, without a time


class Partition(NamedTuple):
    """What events of one object have in common. An event that comes again has the same one."""

    day: str
    type: str
    dataschema: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as it is sent.

    Attributes:
        md5: The header's value by which S3 sees that it came whole.
        sha256: Of the body, in hexadecimal: what is signed of it.
    """

    key: str
    body: bytes
    md5: str
    sha256: str
    content_type: str


def partitions(batch: Sequence[OutboundEvent]) -> Mapping[Partition, Sequence[int]]:
    """The positions in ``batch`` of the events of each object, in order."""
    days: dict[str, str] = {}  # by the start of a time: of all there are one or two
    found: dict[tuple[str, str, str], list[int]] = {}
    for position, event in enumerate(batch):
        start = event.time[:_DAY_AND_T]
        day = days.get(start) or days.setdefault(start, start[:-1] if _DAY.fullmatch(start) else _NO_DAY)
        found.setdefault((day, event.type, event.dataschema), []).append(position)
    return {Partition(*each): positions for each, positions in found.items()}


def pack_all(config: S3Config, batch: Sequence[OutboundEvent]) -> Sequence[tuple[StoredObject | None, Sequence[int]]]:
    """The objects of ``batch``, and the positions of the events of each; None of those that cannot be Avro."""
    found: list[tuple[StoredObject | None, Sequence[int]]] = []
    for partition, positions in partitions(batch).items():
        try:
            packed = pack(config, partition, [batch[position] for position in positions])
        except NoSchemaError:
            packed = None
        found.append((packed, positions))
    return found


def pack(config: S3Config, partition: Partition, events: Sequence[OutboundEvent]) -> StoredObject:
    """The object of ``events``, which are all of ``partition``.

    Raises:
        NoSchemaError: it is to be Avro, and an event lacks what it takes.
    """
    is_avro = config.format == "avro"
    rows = avro_rows(events) if is_avro else [_line(event) for event in events]
    digest = hashlib.sha256(b"".join((*map(str.encode, partition), *rows))).digest()
    name = f"{_stamp(events)}-{digest[:16].hex()}.{'avro' if is_avro else 'jsonl.gz'}"
    body = avro_file(events[0], rows, sync=digest[16:], deflate=_deflate) if is_avro else _gzip(b"".join(rows))
    return StoredObject(
        key=f"{config.folder}day={partition.day}/type={quote(partition.type, safe='')}/{name}",
        body=body,
        md5=base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode(),
        sha256=hashlib.sha256(body).hexdigest(),
        content_type="application/avro" if is_avro else "application/gzip",
    )


def _stamp(events: Sequence[OutboundEvent]) -> str:
    """When the first of them happened, so that names sort by time."""
    first = min(event.time for event in events)
    return re.sub(r"[^0-9TZ]", "", first)[:30]


def _line(event: OutboundEvent) -> bytes:
    more = {"accountsid": event.account_sid}
    if event.partition_key is not None:
        more["partitionkey"] = event.partition_key
    return event.json()[:-1] + b"," + orjson.dumps(more)[1:] + b"\n"


def _deflate(rows: bytes) -> bytes:
    return isal_zlib.compress(rows, _LEVEL, wbits=_RAW)


def _gzip(lines: bytes) -> bytes:
    return isal_zlib.compress(lines, _LEVEL, wbits=_GZIP)
