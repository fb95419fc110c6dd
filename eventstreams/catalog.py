"""The catalogue: which event types there are, which schema each follows, and every version of it.

On disk (``avro/``, and an operator's own folders in the same form): ``catalog.yaml`` and
``<Schema.Id>/<version>.avsc``. ``docs/adding-an-event-type.md`` explains it with an example.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Self

import yaml
from fastavro.schema import parse_schema
from fastavro.types import Schema as AvroSchema
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from eventstreams.avro_rules import broken_rule
from eventstreams.errors import CatalogError

_PACKAGED: Final = Path(__file__).parent / "_avro"  # in a wheel
_CHECKOUT: Final = Path(__file__).parent.parent / "avro"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # both are safe; the first is ten times as fast
FILE: Final = "catalog.yaml"
_TYPE_NAME: Final = r"[a-z0-9]+([._-][a-z0-9]+)*"
_SCHEMA_ID: Final = re.compile(r"[A-Za-z0-9]+(\.[A-Za-z0-9]+)+")


class EventTypeStatus(StrEnum):
    """Whether a type may be subscribed to, and whether it is still delivered (the reference's life cycle)."""

    AVAILABLE = "available"
    DEPRECATED = "deprecated"
    RESTRICTED = "restricted"
    DISCONTINUED = "discontinued"


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type. ``schema_id`` names its schema, whose newest version it follows.

    Attributes:
        internal: Made by Event Streams itself, for one sink; nobody can subscribe to it.
    """

    name: str
    schema_id: str
    product: str
    description: str
    status: EventTypeStatus
    internal: bool
    documentation_url: str | None
    created: date
    updated: date


@dataclass(frozen=True)
class SchemaVersion:
    """One version of a schema. ``avro`` is read from disk at its first use."""

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
            raise CatalogError(f"{self.path} is not an Avro schema: {_one_line(error)}") from error


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema with all its versions, oldest first; version *n* is ``versions[n - 1]``."""

    id: str
    product: str
    title: str
    sinks: Sequence[str]
    versions: Sequence[SchemaVersion]

    @property
    def latest(self) -> SchemaVersion:
        return self.versions[-1]

    def version(self, number: int) -> SchemaVersion | None:
        return self.versions[number - 1] if 1 <= number <= len(self.versions) else None

    def check(self) -> None:
        """Return if every version keeps the catalogue's rules (``eventstreams.avro_rules``).

        Raises:
            CatalogError: one does not; names its file and the rule.
        """
        previous: AvroSchema | None = None
        for version in self.versions:
            if problem := broken_rule(version.avro, previous):
                raise CatalogError(f"{version.path} {problem}")
            previous = version.avro


@dataclass(frozen=True, slots=True)
class Catalog:
    """All event types by name (ascending) and all schemas by id."""

    products: Mapping[str, str]
    types: Mapping[str, EventType]
    schemas: Mapping[str, Schema]

    @classmethod
    def load(cls, extra_dirs: Sequence[Path] = ()) -> Self:
        """The built-in catalogue, and those of ``extra_dirs`` beside it.

        The schemas of ``extra_dirs`` are checked here; a test checks the built-in ones, which are read when needed.

        Raises:
            CatalogError: a folder contradicts itself or another one, or a schema in it breaks a rule; names the
                file and the entry.
        """
        products: dict[str, str] = {}
        types: dict[str, EventType] = {}
        schemas: dict[str, Schema] = {}
        builtin = builtin_dir()
        for folder in (builtin, *extra_dirs):
            listing = _read(folder / FILE)
            products |= listing.products
            for schema_id, entry in listing.schemas.items():
                where = f"{folder / FILE}: schema {schema_id}"
                if schema_id in schemas:
                    raise CatalogError(f"{where} is already in another folder: choose another id")
                if entry.product not in products:
                    raise CatalogError(f"{where} is of product {entry.product!r}, which is not listed")
                schemas[schema_id] = _schema(folder, schema_id, entry, where)
                for name, type_entry in entry.types.items():
                    if name in types:
                        raise CatalogError(f"{where}: type {name} is already in schema {types[name].schema_id}")
                    types[name] = _event_type(name, schemas[schema_id], type_entry)
            if folder is not builtin:
                for schema_id in listing.schemas:
                    schemas[schema_id].check()
        return cls(products, dict(sorted(types.items())), schemas)

    def newest_schema(self, event_type: str) -> SchemaVersion | None:
        """The newest version of the schema that ``event_type`` follows; None for an unknown type."""
        found = self.types.get(event_type)
        return None if found is None else self.schemas[found.schema_id].latest


def builtin_dir() -> Path:
    """The catalogue that comes with the product."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _TypeEntry(_Strict):
    description: str = Field(min_length=1)
    status: EventTypeStatus = EventTypeStatus.AVAILABLE
    internal: bool = False
    documentation_url: str | None = None


class _VersionEntry(_Strict):
    released: date
    changes: str = Field(min_length=1)


def _described(value: object) -> object:
    return {"description": value} if isinstance(value, str) else value


class _SchemaEntry(_Strict):
    product: str
    title: str
    sinks: tuple[str, ...] = ("webhook", "kinesis")
    versions: dict[int, _VersionEntry] = Field(min_length=1)
    types: dict[
        Annotated[str, Field(pattern=f"^{_TYPE_NAME}$")], Annotated[_TypeEntry, BeforeValidator(_described)]
    ] = Field(min_length=1)


class _Listing(_Strict):
    products: dict[str, str]
    schemas: dict[str, _SchemaEntry]


def _read(path: Path) -> _Listing:
    try:
        return _Listing.model_validate(yaml.load(path.read_text("utf-8"), _LOADER))  # noqa: S506 - a safe one
    except OSError as error:
        raise CatalogError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = " / ".join(str(part) for part in first["loc"])
        raise CatalogError(f"{path}: {where}: {first['msg']}" if where else f"{path}: {first['msg']}") from error
    except (yaml.YAMLError, ValueError) as error:  # the latter of bytes that are no text and of days that are none
        raise CatalogError(f"{path} is not YAML: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _schema(folder: Path, schema_id: str, entry: _SchemaEntry, where: str) -> Schema:
    if not _SCHEMA_ID.fullmatch(schema_id):
        raise CatalogError(f"{where}: an id is Product.Name, of letters and digits")
    wanted = list(range(1, len(entry.versions) + 1))
    if sorted(entry.versions) != wanted:
        raise CatalogError(f"{where}: versions are {sorted(entry.versions)}, but must be {wanted} without a gap")
    versions = [
        SchemaVersion(schema_id, number, listed.released, listed.changes, folder / schema_id / f"{number}.avsc")
        for number, listed in sorted(entry.versions.items())
    ]
    for version in versions:
        if not version.path.is_file():
            raise CatalogError(f"{where}: {version.path} is missing")
    return Schema(schema_id, entry.product, entry.title, entry.sinks, versions)


def _event_type(name: str, schema: Schema, entry: _TypeEntry) -> EventType:
    return EventType(
        name=name,
        schema_id=schema.id,
        product=schema.product,
        description=entry.description,
        status=entry.status,
        internal=entry.internal,
        documentation_url=entry.documentation_url,
        created=schema.versions[0].released,
        updated=schema.latest.released,
    )
