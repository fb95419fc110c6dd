"""The catalogue: all event types, the schema that each follows, and every version of it.

On disk (``avro/``, and an operator's own folders in the same form): ``catalog.yaml`` and
``<Schema.Id>/<version>.avsc``. ``docs/adding-an-event-type.md`` explains it with an example.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Final, Self

from fastavro.schema import parse_schema
from fastavro.types import Schema as AvroSchema

from eventstreams.avro.named_types import fields_of
from eventstreams.catalog.listing import (
    FILE,
    EventsEntry,
    EventTypeStatus,
    SchemaEntry,
    TypeEntry,
    entry_problems,
    one_line,
    read_listing,
    version_file,
)
from eventstreams.catalog.schema_rules import IDENTITY, broken_rules
from eventstreams.errors import CatalogError

__all__ = ["Catalog", "EventType", "EventTypeStatus", "Schema", "SchemaVersion", "builtin_dir"]

_PACKAGED: Final = Path(__file__).parents[1] / "_avro"  # in a wheel
_CHECKOUT: Final = Path(__file__).parents[2] / "avro"


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type. ``schema_id`` names its schema, whose newest version it follows.

    Attributes:
        internal: Made by Event Streams itself, for one sink; nobody can subscribe to it.
        sinks: The reference's sink types that may receive it.
        data: Fields with the same value in all of its events.
        name_in_code: Name of its class in typed producers; None: derived from its own name.
    """

    name: str
    schema_id: str
    product: str
    description: str
    status: EventTypeStatus
    internal: bool
    sinks: Sequence[str]
    documentation_url: str | None
    created: date
    updated: date
    data: Mapping[str, str]
    name_in_code: str | None


@dataclass(frozen=True)
class SchemaVersion:
    """One version of a schema. ``avro`` is read from disk on first use."""

    schema_id: str
    version: int
    released: date
    changes: str
    path: Path

    @cached_property
    def avro(self) -> AvroSchema:
        """The parsed Avro record schema.

        Raises:
            CatalogError: the file is missing or is no Avro schema.
        """
        try:
            return parse_schema(json.loads(self.path.read_text("utf-8")))
        except OSError as error:
            raise CatalogError(f"{self.path} cannot be read: {error.strerror}") from error
        except KeyError as error:
            raise CatalogError(f"{self.path} is not an Avro schema: {error} is missing") from error
        except Exception as error:  # the parser raises what the file provokes
            raise CatalogError(f"{self.path} is not an Avro schema: {one_line(error)}") from error

    @cached_property
    def text(self) -> str:
        """The Avro record schema as JSON, without white space.

        Raises:
            CatalogError: for the reasons of ``avro``.
        """
        assert isinstance(self.avro, dict)  # every schema of the catalogue is a record
        return json.dumps(json.loads(self.path.read_text("utf-8")), ensure_ascii=False, separators=(",", ":"))

    @cached_property
    def identities(self) -> Mapping[str, str]:
        """Maps a kind of identity, such as "phone", to the field of the data that says whom the event is about."""
        assert isinstance(self.avro, dict)  # every schema of the catalogue is a record
        return {str(each[IDENTITY]): str(each["name"]) for each in fields_of(self.avro) if IDENTITY in each}


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema with all its versions, oldest first; version *n* is ``versions[n - 1]``."""

    id: str
    product: str
    title: str
    sinks: Sequence[str]
    versions: Sequence[SchemaVersion]
    events: EventsEntry = field(default_factory=EventsEntry)

    @property
    def latest(self) -> SchemaVersion:
        return self.versions[-1]

    def version(self, number: int) -> SchemaVersion | None:
        return self.versions[number - 1] if 1 <= number <= len(self.versions) else None

    @property
    def example(self) -> Path:
        """The file with example data for the newest version; not every schema has one."""
        return self.latest.path.with_name("example.json")

    def problems(self) -> Iterator[str]:
        """Every breach of the catalogue's rules (``schema_rules``) by a version: its file, then the rule."""
        previous: AvroSchema | None = None
        for version in self.versions:
            try:
                avro = version.avro
            except CatalogError as error:
                yield str(error)
                previous = None
                continue
            for problem in broken_rules(avro, previous):
                yield f"{version.path} {problem}"
            previous = avro


@dataclass(frozen=True, slots=True)
class Catalog:
    """All event types by name (ascending) and all schemas by id."""

    products: Mapping[str, str]
    types: Mapping[str, EventType]
    schemas: Mapping[str, Schema]

    @classmethod
    def load(cls, extra_dirs: Sequence[Path] = ()) -> Self:
        """Load the built-in catalogue together with those in ``extra_dirs``.

        The schemas of ``extra_dirs`` are checked here; the built-in ones are checked by a test, and read when needed.
        Without ``extra_dirs`` the result is cached, as nothing changes it and reading it takes 25 ms.

        Raises:
            CatalogError: a folder contradicts itself or another one, or a schema in it breaks a rule. The text names
                the file and the entry.
        """
        return cls._read(extra_dirs) if extra_dirs else cls._built_in()

    @classmethod
    @cache
    def _built_in(cls) -> Self:
        return cls._read(())

    @classmethod
    def _read(cls, extra_dirs: Sequence[Path]) -> Self:
        reading = CatalogReading()
        for folder in (builtin_dir(), *extra_dirs):
            added = reading.add(folder)
            if folder in extra_dirs and not reading.problems:
                reading.problems.extend(problem for schema in added for problem in schema.problems())
            if reading.problems:
                raise CatalogError(reading.problems[0])
        return cls(reading.products, dict(sorted(reading.types.items())), reading.schemas)

    def public_types(self) -> Sequence[str]:
        """The names of the event types that subscribers can see, ascending."""
        return [name for name, each in self.types.items() if not each.internal]

    def discontinued(self) -> frozenset[str]:
        """The event types that nobody receives any more, not even those who have subscribed to them."""
        return frozenset(name for name, each in self.types.items() if each.status is EventTypeStatus.DISCONTINUED)

    def newest_schema(self, event_type: str) -> SchemaVersion | None:
        """The newest version of the schema that ``event_type`` follows; None for an unknown type."""
        found = self.types.get(event_type)
        return None if found is None else self.schemas[found.schema_id].latest


@dataclass(slots=True)
class CatalogReading:
    """A catalogue while its folders are being read one by one, and every problem found in their listings."""

    products: dict[str, str] = field(default_factory=dict)
    types: dict[str, EventType] = field(default_factory=dict)
    schemas: dict[str, Schema] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, folder: Path) -> Sequence[Schema]:
        """Read ``folder`` and return its schemas; those with problems have the versions whose files exist."""
        listing, problems = read_listing(folder / FILE)
        self.problems += problems
        self.products |= listing.products
        return [self._add_schema(folder, schema_id, entry) for schema_id, entry in listing.schemas.items()]

    def _add_schema(self, folder: Path, schema_id: str, entry: SchemaEntry) -> Schema:
        where = f"{folder / FILE}: schema {schema_id}"
        schema = _schema(folder, schema_id, entry)
        if schema_id in self.schemas:
            self.problems.append(f"{where} is already defined in another folder: choose another id")
        self.schemas.setdefault(schema_id, schema)
        self.problems += entry_problems(folder, schema_id, entry, self.products)
        for name, type_entry in entry.types.items():
            if name in self.types:
                self.problems.append(f"{where}: type {name} is already in schema {self.types[name].schema_id}")
            elif schema.versions:
                self.types[name] = _event_type(name, schema, type_entry)
        return schema


def builtin_dir() -> Path:
    """The folder of the catalogue that is part of the product."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def _schema(folder: Path, schema_id: str, entry: SchemaEntry) -> Schema:
    versions = [
        SchemaVersion(schema_id, number, listed.released, listed.changes, version_file(folder, schema_id, number))
        for number, listed in sorted(entry.versions.items())
        if version_file(folder, schema_id, number).is_file()
    ]
    return Schema(schema_id, entry.product, entry.title, entry.sinks, versions, entry.events)


def _event_type(name: str, schema: Schema, entry: TypeEntry) -> EventType:
    return EventType(
        name=name,
        schema_id=schema.id,
        product=schema.product,
        description=entry.description,
        status=entry.status,
        internal=entry.internal,
        sinks=schema.sinks if entry.sinks is None else entry.sinks,
        documentation_url=entry.documentation_url,
        created=schema.versions[0].released,
        updated=schema.latest.released,
        data=entry.data,
        name_in_code=entry.name_in_code,
    )
