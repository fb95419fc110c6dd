"""Writes events as an Avro container file, for sinks that store files. Pure.

A row has an event's attributes by their CloudEvents names, and ``data`` in the event's own schema. The file is written
here rather than by fastavro so that data that is already Avro is copied as it is; the result is the same.
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
_BLOCK: Final = 1000  # events per block; readers hold one block at a time
_ATTRIBUTES: Final = ("id", "type", "source", "time", "dataschema", "accountsid")
_OPTIONAL: Final = ("subject", "partitionkey")
_NONE, _SOME = b"\x00", b"\x02"  # the union branches of an optional string
_SCHEMAS: Final = 256  # cached; a worker sees one for each version of each event type that it delivers


class NoSchemaError(ValueError):
    """The event does not say which Avro schema its data has."""


def avro_rows(events: Sequence[OutboundEvent]) -> Sequence[bytes]:
    """One row for each of ``events``, which must have the same type and schema.

    This holds the interpreter lock for every event, so it makes few calls for each.

    Raises:
        NoSchemaError: an event has neither Avro data nor a schema to encode it with.
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
    """The container file of ``rows``.

    Args:
        event: One of the events that the rows were made from.
        rows: The rows from ``avro_rows``.
        sync: The sync marker: sixteen bytes that do not occur in the data by chance. The same bytes make the same file.
        deflate: Compresses a block as raw deflate (RFC 1951), without header or checksum.

    Raises:
        NoSchemaError: ``event`` has no schema.
    """
    parts = [_MAGIC, b"\x04", *map(_sized, (b"avro.schema", _row_schema(_schema(event)), b"avro.codec", b"deflate"))]
    parts += [b"\x00", sync]
    for first in range(0, len(rows), _BLOCK):
        block = rows[first : first + _BLOCK]
        parts += [varint(len(block)), _sized(deflate(b"".join(block))), sync]
    return b"".join(parts)


def _data(event: OutboundEvent) -> bytes:
    """Encode the data as Avro, for an event that was projected from another schema version."""
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
    # Without a namespace, because the event's own schema would inherit it.
    return orjson.dumps({"type": "record", "name": "EventStreamsEvent", "fields": fields})


@lru_cache(_SCHEMAS)
def _parsed(schema: str) -> Schema:
    return fastavro.parse_schema(orjson.loads(schema))


def _sized(value: bytes) -> bytes:
    return _LENGTHS[len(value)] + value


class _Lengths(dict[int, bytes]):
    """Lengths encoded as Avro varints; those above 255 are rare, and encoded each time."""

    def __missing__(self, length: int) -> bytes:
        return varint(length)


_LENGTHS: Final = _Lengths({length: varint(length) for length in range(256)})
