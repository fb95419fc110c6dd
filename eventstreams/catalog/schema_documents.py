"""Makes the JSON Schema document of each schema version, with an example; its ``$id`` is the events' ``dataschema``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import orjson

from eventstreams.catalog import Catalog, EventType, Schema, SchemaVersion
from eventstreams.catalog.json_schema import Json, json_schema
from eventstreams.catalog.listing import Filled
from eventstreams.codec import Codec, CodecProblem
from eventstreams.errors import CatalogError, InvalidEventError

MEDIA_TYPE: Final = "application/schema+json"


@dataclass(frozen=True, slots=True)
class SchemaDocument:
    """A JSON Schema as bytes, and an ``etag`` that changes with them."""

    body: bytes
    etag: str


class SchemaDocuments:
    """Makes documents on first use and caches them: at most one for each version in the catalogue."""

    def __init__(self, catalog: Catalog, *, schema_base_url: str) -> None:
        self._catalog = catalog
        self._codec = Codec(catalog, schema_base_url=schema_base_url)
        self._made: dict[tuple[str, int], SchemaDocument] = {}

    def document(self, version: SchemaVersion, event_type: EventType | None = None) -> SchemaDocument:
        """The document of ``version`` as served. With ``event_type``, its example is of that type; not cached then.

        Raises:
            CatalogError: the example does not fit its schema.
        """
        if event_type is not None:
            return _served(self.build(version, event_type))
        key = (version.schema_id, version.version)
        if key not in self._made:
            self._made[key] = _served(self.build(version))
        return self._made[key]

    def build(self, version: SchemaVersion, event_type: EventType | None = None) -> Json:
        """The JSON Schema of ``version``; its ``$id`` is the ``dataschema`` of such events.

        Raises:
            CatalogError: the example does not fit its schema.
        """
        example = self.example(version, event_type)
        return json_schema(
            version.avro,
            url=self._codec.dataschema(version),
            title=self._catalog.schemas[version.schema_id].title,
            examples=() if example is None else (example,),
        )

    def example(self, version: SchemaVersion, event_type: EventType | None = None) -> Mapping[str, object] | None:
        """The schema's example as subscribers of ``version`` would get it; None if there is none.

        It is the same for all types of the schema; with ``event_type``, that type's constant fields are filled in.

        Raises:
            CatalogError: the example does not fit its schema.
        """
        schema = self._catalog.schemas[version.schema_id]
        data = read_example(schema)
        if data is None:
            return None
        if event_type is not None:
            data = {**data, **_said_of(event_type, schema)}
        try:
            value = self._codec.encode(schema.latest, data)
        except InvalidEventError as error:
            raise CatalogError(f"{schema.example} does not fit: {error}") from None
        decoded = self._codec.decode(self._codec.dataschema(schema.latest), value, version=version.version)
        assert not isinstance(decoded, CodecProblem)  # versions that keep the rules can read each other
        return decoded


def _served(document: Json) -> SchemaDocument:
    body = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return SchemaDocument(body, sha256(body).hexdigest()[:32])


def _said_of(event_type: EventType, schema: Schema) -> Mapping[str, object]:
    """The fields of the data with the same value in all events of ``event_type``, including the type's name."""
    named = {name: event_type.name for name, filled in schema.events.filled.items() if filled is Filled.TYPE}
    return {**event_type.data, **named}


def read_example(schema: Schema) -> Mapping[str, object] | None:
    """The content of the schema's ``example.json``; None if it has none.

    Raises:
        CatalogError: the file cannot be read, or is no JSON object.
    """
    try:
        found = json.loads(schema.example.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CatalogError(f"{schema.example} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CatalogError(f"{schema.example} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise CatalogError(f"{schema.example} is not a JSON object, which an event's data must be")
    return found
