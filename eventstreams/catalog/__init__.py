"""The catalogue of event types: its content, the rules for its schemas, and their JSON Schema."""

from eventstreams.catalog.catalog import (
    Catalog,
    CatalogReading,
    EventType,
    Schema,
    SchemaVersion,
    builtin_dir,
)
from eventstreams.catalog.listing import EventTypeStatus

__all__ = ["Catalog", "CatalogReading", "EventType", "EventTypeStatus", "Schema", "SchemaVersion", "builtin_dir"]
