"""Parses the ``Types`` of a subscription from JSON objects, and checks them against the catalogue. Pure."""

import difflib
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import orjson

from control_api.http.codes import Code, refused
from eventstreams.catalog import Catalog, EventTypeStatus, Schema
from eventstreams.control.records import SubscribedType
from eventstreams.http import RefusedError

MAX_TYPES: Final = 1000  # per subscription: far more than there are; bounds the work of one request
_MAX_SHOWN: Final = 200
_NEAR: Final = 0.8  # all names begin alike; at difflib's 0.6, any two of a product are near
_KEYS: Final = frozenset({"type", "schema_version"})
_TOLD: Final = frozenset(
    {"account_sid", "subscription_sid", "url"}
)  # further keys in the API's lists of subscribed events


def parse_types(values: Sequence[str], catalog: Catalog, *, sink_type: str) -> tuple[SubscribedType, ...]:
    """Parse the types to subscribe to; without a schema version, the newest is taken.

    Args:
        values: A JSON object each: ``{"type": …, "schema_version": …?}``, or as the API lists them.
        catalog: The existing types.
        sink_type: The type of the sink that is to receive them.

    Raises:
        RefusedError: the list is empty, an item is malformed, or a type cannot be subscribed to.
    """
    if not values:
        raise refused(Code.NO_EVENT_TYPES, "Subscription not created: the list of event types is empty")
    if len(values) > MAX_TYPES:
        raise refused(Code.SUBSCRIPTION_NOT_CREATED, f"Subscription not created: more than {MAX_TYPES} event types")
    types = tuple(_parse_item(index, value, catalog, sink_type) for index, value in enumerate(values))
    names = [each.type for each in types]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise refused(Code.SUBSCRIPTION_NOT_CREATED, f"Subscription not created: event type {twice} is listed twice")
    return types


def _parse_item(index: int, value: str, catalog: Catalog, sink_type: str) -> SubscribedType:
    where = f"event_types[{index}]"
    try:
        item = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise RefusedError(f'{where} is not JSON: it must be like {{"type": "…", "schema_version": 1}}') from None
    name = item.get("type") if isinstance(item, dict) else None
    if not isinstance(name, str) or not name:
        raise RefusedError(f"Missing required input parameter {where}.type")
    if others := sorted(item.keys() - _KEYS - _TOLD):  # with a misspelt schema_version, the newest would be taken
        raise RefusedError(f"{where} must not have {others[0][:_MAX_SHOWN]}: only type and schema_version")
    version = item.get("schema_version")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        raise RefusedError(f"{where}.schema_version must be an integer")
    return subscribable(name, version, catalog, sink_type=sink_type)


def subscribable(name: str, version: int | None, catalog: Catalog, *, sink_type: str) -> SubscribedType:
    """Event type ``name`` in schema ``version``, by default the newest, for a sink of ``sink_type``.

    Raises:
        RefusedError: there is no such type or version, or it may not be subscribed to.
    """
    found = catalog.types.get(name)
    if found is None or found.internal:
        raise _not_found(name, catalog)
    match found.status:
        case EventTypeStatus.RESTRICTED:
            raise RefusedError(f"Type {name} is restricted", status=HTTPStatus.CONFLICT)
        case EventTypeStatus.DISCONTINUED:
            raise _discontinued(name)
        case EventTypeStatus.AVAILABLE | EventTypeStatus.DEPRECATED:
            pass
    schema = catalog.schemas[found.schema_id]
    # The catalogue lists sink types of the reference; other sink types take everything.
    listed = {each for known in catalog.types.values() for each in known.sinks}
    if sink_type in listed and sink_type not in found.sinks:
        raise refused(
            Code.SUBSCRIPTION_NOT_CREATED,
            f"Type {name} cannot be delivered to {sink_type} sinks, only to {', '.join(found.sinks)}",
        )
    chosen = schema.latest.version if version is None else _existing(version, schema)
    return SubscribedType(type=name, schema_version=chosen)


def pinnable(name: str, version: int, catalog: Catalog) -> int:
    """Return ``version`` if the subscribed event type ``name`` can be delivered in it.

    Raises:
        RefusedError: there is no such version, or the type is no longer delivered.
    """
    found = catalog.types.get(name)
    if found is None:
        raise _not_found(name, catalog)
    if found.status is EventTypeStatus.DISCONTINUED:
        raise _discontinued(name)
    return _existing(version, catalog.schemas[found.schema_id])


def _not_found(name: str, catalog: Catalog) -> RefusedError:
    """The reference's words, and the name that was probably meant, which takes some milliseconds to find."""
    names = [each.name for each in catalog.types.values() if not each.internal]
    near = difflib.get_close_matches(name[:_MAX_SHOWN], names, n=1, cutoff=_NEAR)
    hint = f": did you mean {near[0]}?" if near else ""
    return refused(Code.EVENT_TYPE_NOT_FOUND, f"Type not found in the system: {name[:_MAX_SHOWN]}{hint}")


def _existing(version: int, schema: Schema) -> int:
    if schema.version(version) is None:
        raise RefusedError(
            f"Schema version {version} of {schema.id} does not exist: there are 1 to {schema.latest.version}"
        )
    return version


def _discontinued(name: str) -> RefusedError:
    return refused(Code.EVENT_TYPE_NOT_FOUND, f"Type is discontinued: {name}")
