"""Decodes an archive's objects into events, and removes duplicates."""

import gzip
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from types import TracebackType
from typing import Final, Self

import fastavro
import orjson

from eventstreams.avro.absent_fields import compile_prune
from sink_workers.archive.bucket import Archive, ArchiveError, StoredAt, Wanted

_UNREADABLE: Final = (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, IndexError, StopIteration)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedEvent:
    """One event as it was stored. Absent optional fields are left out of ``data``."""

    id: str
    type: str
    source: str
    time: str
    dataschema: str
    account_sid: str
    subject: str | None
    partition_key: str | None
    data: Mapping[str, object]

    def json(self) -> bytes:
        """The event as one CloudEvents JSON object."""
        attributes: dict[str, object] = {
            "specversion": "1.0",
            "type": self.type,
            "source": self.source,
            "id": self.id,
            "dataschema": self.dataschema,
            "datacontenttype": "application/json",
            "time": self.time,
            "subject": self.subject,
            "accountsid": self.account_sid,
            "partitionkey": self.partition_key,
        }
        return orjson.dumps(
            {**{name: value for name, value in attributes.items() if value is not None}, "data": self.data}
        )


@dataclass(slots=True)
class Tally:
    """Counts of what has been read so far: of ``rows``, ``repeated`` were duplicates of earlier ones."""

    objects: int = 0
    read_bytes: int = 0
    rows: int = 0
    repeated: int = 0


def read_object(key: str, body: bytes) -> Iterator[ArchivedEvent]:
    """Decode the events of one object, in the order they are stored in.

    Raises:
        ArchiveError: the object is damaged or was not written by an S3 sink; names the object.
    """
    rows = _avro_rows(body) if key.endswith(".avro") else _json_rows(body)
    try:
        yield from map(_event, rows)
    except _UNREADABLE as error:
        raise ArchiveError(
            f"{key} cannot be read: it is damaged, or was not written by an S3 sink ({type(error).__name__})"
        ) from error


def distinct_events(
    archive: Archive, wanted: Wanted, tally: Tally, progress: Callable[[], None] = lambda: None
) -> Iterator[ArchivedEvent]:
    """Yield each selected event of the archive once: by day and type, and within these in the order of the objects.

    Two rows are the same event if their account, source and id are equal. ``progress`` is called after each object,
    when ``tally`` is up to date. Not safe for use by two threads at once.
    """
    for part in archive.parts(wanted):
        with _Seen() as seen:
            for stored in archive.objects(part):
                for event in _read(archive, stored, tally):
                    if seen.is_new(event):
                        yield event
                    else:
                        tally.repeated += 1
                progress()


def _read(archive: Archive, stored: StoredAt, tally: Tally) -> Iterator[ArchivedEvent]:
    body = archive.read(stored)
    tally.objects += 1
    tally.read_bytes += len(body)
    for event in read_object(stored.key, body):
        tally.rows += 1
        yield event


class _Seen:
    """The set of events of a part that were read before, in a private temporary SQLite file: it may exceed memory."""

    def __enter__(self) -> Self:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(
            "CREATE TABLE seen (id TEXT, source TEXT, account TEXT, PRIMARY KEY (id, source, account)) WITHOUT ROWID"
        )
        self._database.execute("BEGIN")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def is_new(self, event: ArchivedEvent) -> bool:
        row = event.id, event.source, event.account_sid
        return self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", row).rowcount == 1


def _avro_rows(body: bytes) -> Iterator[Mapping[str, object]]:
    reader = fastavro.reader(BytesIO(body))
    schema = reader.writer_schema
    if not isinstance(schema, dict):
        raise TypeError(schema)
    [of_data] = [each["type"] for each in schema["fields"] if each["name"] == "data"]
    prune = compile_prune(of_data)
    for row in reader:
        if not isinstance(row, dict):
            raise TypeError(row)
        yield {**row, "data": prune(row["data"])}


def _json_rows(body: bytes) -> Iterator[Mapping[str, object]]:
    with gzip.GzipFile(fileobj=BytesIO(body)) as lines:
        for line in lines:
            row = orjson.loads(line)
            if not isinstance(row, dict):
                raise TypeError(row)
            yield row


def _event(row: Mapping[str, object]) -> ArchivedEvent:
    data = row["data"]
    if not isinstance(data, Mapping):
        raise TypeError(data)
    return ArchivedEvent(
        id=_text(row, "id"),
        type=_text(row, "type"),
        source=_text(row, "source"),
        time=_text(row, "time"),
        dataschema=_text(row, "dataschema"),
        account_sid=_text(row, "accountsid"),
        subject=None if row.get("subject") is None else _text(row, "subject"),
        partition_key=None if row.get("partitionkey") is None else _text(row, "partitionkey"),
        data=data,
    )


def _text(row: Mapping[str, object], name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value
