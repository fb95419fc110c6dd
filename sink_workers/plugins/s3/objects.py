"""Builds objects from events: groups them, and makes the objects' names and contents. Pure.

An object's name is derived from its content: the same events make the same object, so storing it again changes nothing.
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
_NO_DAY: Final = "unknown"  # for events with an invalid time, which are kept as well
# ISA-L's compression level. It takes a fifth of zlib's time for 3 to 4 % more bytes: docs/performance-measurements.md.
_LEVEL: Final = 2
_RAW, _GZIP = -15, 31  # the framing: none, as in Avro, or a gzip header without a time


class Partition(NamedTuple):
    """What the events of one object have in common. A redelivered event has the same partition."""

    day: str
    type: str
    dataschema: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as it is uploaded.

    Attributes:
        key: Its name in the bucket.
        body: Its content.
        md5: The value of Content-MD5, by which S3 checks that the body arrived intact.
        sha256: SHA-256 of the body in hexadecimal, for the signature.
        content_type: The value of Content-Type.
    """

    key: str
    body: bytes
    md5: str
    sha256: str
    content_type: str


def partitions(batch: Sequence[OutboundEvent]) -> Mapping[Partition, Sequence[int]]:
    """The positions in ``batch`` of the events of each object, in order."""
    days: dict[str, str] = {}  # by the first characters of a time; a batch usually has one or two days
    found: dict[tuple[str, str, str], list[int]] = {}
    for position, event in enumerate(batch):
        start = event.time[:_DAY_AND_T]
        day = days.get(start) or days.setdefault(start, start[:-1] if _DAY.fullmatch(start) else _NO_DAY)
        found.setdefault((day, event.type, event.dataschema), []).append(position)
    return {Partition(*each): positions for each, positions in found.items()}


def pack_all(config: S3Config, batch: Sequence[OutboundEvent]) -> Sequence[tuple[StoredObject | None, Sequence[int]]]:
    """The objects of ``batch``, each with the positions of its events; None instead of an object if Avro is impossible.

    That is the case if an event's Avro schema is not known.
    """
    found: list[tuple[StoredObject | None, Sequence[int]]] = []
    for partition, positions in partitions(batch).items():
        try:
            packed = pack(config, partition, [batch[position] for position in positions])
        except NoSchemaError:
            packed = None
        found.append((packed, positions))
    return found


def pack(config: S3Config, partition: Partition, events: Sequence[OutboundEvent]) -> StoredObject:
    """Build the object of ``events``, all of which belong to ``partition``.

    Raises:
        NoSchemaError: the format is Avro, and an event's Avro schema is not known.
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
    """The time of the earliest event, so that names sort by time."""
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
