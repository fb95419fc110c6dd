"""Events as an Avro container file: for sinks that store files. Pure.

A row has the attributes of an event as CloudEvents names them, and ``data`` of the event's own schema. Data that is
Avro already is copied as it is, so that the file is written here; what fastavro would write is the same.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from io import BytesIO
from typing import Final

import fastavro
import orjson
from fastavro.types import Schema

from eventstreams.avro.writer import varint
from eventstreams.sinks.event import OutboundEvent

_MAGIC: Final = b"Obj\x01"
_BLOCK: Final = 1000  # events of a block: readers hold one at a time
_ATTRIBUTES: Final = ("id", "type", "source", "time", "dataschema", "accountsid")
_OPTIONAL: Final = ("subject", "partitionkey")
_NONE, _SOME = b"\x00", b"\x02"  # the branches of an optional text
_SCHEMAS: Final = 256  # remembered; a worker sees as many as the types it delivers have versions


class NoSchemaError(ValueError):
    """The event does not say what Avro schema its data has."""


def avro_rows(events: Sequence[OutboundEvent]) -> Sequence[bytes]:
    """A row for each of ``events``, which are of one type and schema.

    Here every event costs time while no other thread runs: few calls for each.

    Raises:
        NoSchemaError: an event lacks what it takes.
    """
    kind, dataschema = _sized(events[0].type.encode()), _sized(events[0].dataschema.encode())
    lengths = _LENGTHS
    return [
        b"".join(
            (
                lengths[len(identity := event.id.encode())],
                identity,
                kind,
                lengths[len(source := event.source.encode())],
                source,
                lengths[len(time := event.time.encode())],
                time,
                dataschema,
                lengths[len(account := event.account_sid.encode())],
                account,
                _NONE if event.subject is None else _SOME + _sized(event.subject.encode()),
                _NONE if event.partition_key is None else _SOME + _sized(event.partition_key.encode()),
                _data(event) if event.avro is None else event.avro,
            )
        )
        for event in events
    ]


def avro_file(event: OutboundEvent, rows: Sequence[bytes], *, sync: bytes, deflate: Callable[[bytes], bytes]) -> bytes:
    """The file of ``rows``.

    Args:
        event: One of those that the rows are of.
        rows: As ``avro_rows`` makes them.
        sync: Sixteen bytes that come by chance in no data; the same ones make the same file.
        deflate: Compresses a block, without a head or a checksum: RFC 1951.

    Raises:
        NoSchemaError: as ``avro_rows``.
    """
    parts = [_MAGIC, b"\x04", *map(_sized, (b"avro.schema", _row_schema(_schema(event)), b"avro.codec", b"deflate"))]
    parts += [b"\x00", sync]
    for first in range(0, len(rows), _BLOCK):
        block = rows[first : first + _BLOCK]
        parts += [varint(len(block)), _sized(deflate(b"".join(block))), sync]
    return b"".join(parts)


def _data(event: OutboundEvent) -> bytes:
    """The data as Avro where it was projected from another version: encoded anew."""
    buffer = BytesIO()
    fastavro.schemaless_writer(buffer, _parsed(_schema(event)), dict(event.data))
    return buffer.getvalue()


def _schema(event: OutboundEvent) -> str:
    if event.avro_schema is None:
        raise NoSchemaError
    return event.avro_schema


@lru_cache(_SCHEMAS)
def _row_schema(schema: str) -> bytes:
    fields: list[object] = [{"name": name, "type": "string"} for name in _ATTRIBUTES]
    fields += [{"name": name, "type": ["null", "string"], "default": None} for name in _OPTIONAL]
    fields.append({"name": "data", "type": orjson.Fragment(schema)})
    # Without a namespace: the event's own schema would inherit it.
    return orjson.dumps({"type": "record", "name": "EventStreamsEvent", "fields": fields})


@lru_cache(_SCHEMAS)
def _parsed(schema: str) -> Schema:
    return fastavro.parse_schema(orjson.loads(schema))


def _sized(value: bytes) -> bytes:
    return _LENGTHS[len(value)] + value


class _Lengths(dict[int, bytes]):
    """As Avro has them; longer ones are rare, and made each time."""

    def __missing__(self, length: int) -> bytes:
        return varint(length)


_LENGTHS: Final = _Lengths({length: varint(length) for length in range(256)})
