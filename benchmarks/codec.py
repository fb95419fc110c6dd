"""Encodes event data to Avro, and decodes it with the writer's schema version and with the oldest one."""

from collections.abc import Sequence

from benchmarks.events import average_bytes, codec, encoded, events
from benchmarks.measure import Figure, best_of
from eventstreams.headers import DATASCHEMA


def measure(scale: float) -> tuple[str, Sequence[Figure]]:
    count = round(5_000 * scale)
    catalog, made = codec()
    written = [(catalog.newest_schema(event.type), event.data) for event in events(count)]
    values = [(dict(record.headers)[DATASCHEMA].decode(), record.value) for record in encoded(count)]

    def encode() -> int:
        for schema, data in written:
            assert schema is not None
            made.encode(schema, data)
        return count

    def decode(version: int | None) -> int:
        for dataschema, value in values:
            made.decode(dataschema, value, version=version)
        return count

    return f"{count:,} events, {average_bytes(encoded(count))}", [
        best_of("checked and encoded", encode),
        best_of("decoded", lambda: decode(None)),
        best_of("decoded as version 1", lambda: decode(1)),
    ]
