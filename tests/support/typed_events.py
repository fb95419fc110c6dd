"""The generated classes of ``producers.products``, and objects of them made of data by its names on the wire."""

import importlib
import pkgutil
import warnings
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, get_args, get_type_hints

from eventstreams.avro.named_types import fields_of
from eventstreams.catalog import Catalog, EventType, EventTypeStatus, Schema
from producers import products
from producers.generator.names import field_names
from producers.product_event import ProductEvent, Record


def modules() -> Iterator[ModuleType]:
    for each in pkgutil.iter_modules(products.__path__):
        yield importlib.import_module(f"producers.products.{each.name}")


def classes_of(module: ModuleType) -> dict[str, type[ProductEvent]]:
    """Event type → class."""
    return {
        each.TYPE: each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, ProductEvent) and hasattr(each, "TYPE")
    }


def published_types(catalog: Catalog) -> list[EventType]:
    """The types that products may publish and that anybody may get, by schema."""
    return [
        each
        for each in sorted(catalog.types.values(), key=lambda each: (each.schema_id, each.name))
        if not each.internal and each.status is not EventTypeStatus.DISCONTINUED
    ]


def stated(
    made: type[ProductEvent],
    schema: Schema,
    of_type: EventType,
    data: Mapping[str, object],
    attributes: Mapping[str, object],
) -> ProductEvent:
    """An object of the class ``made``, all of whose arguments come from ``data`` but for ``attributes``."""
    avro = schema.latest.avro
    assert isinstance(avro, dict)
    names = field_names(str(each["name"]) for each in fields_of(avro))
    hints = get_type_hints(made)
    arguments = {
        names[wire]: _value(hints[names[wire]], value)
        for wire, value in data.items()
        if wire not in schema.events.filled and wire not in of_type.data
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of deprecated types
        found = _called(made, {**arguments, **attributes})
    assert isinstance(found, made)
    return found


def _called(made: Any, arguments: Mapping[str, object]) -> Any:
    return made(**arguments)


def _value(hint: object, value: object) -> object:
    record = next((each for each in _parts(hint) if isinstance(each, type) and issubclass(each, Record)), None)
    if record is None:
        return value
    if isinstance(value, list):
        return [_value(record, each) for each in value]
    assert isinstance(value, dict)
    names, hints = field_names(_wire_names(record)), get_type_hints(record)
    return _called(record, {names[wire]: _value(hints[names[wire]], each) for wire, each in value.items()})


def _parts(hint: object) -> Iterator[object]:
    yield hint
    for each in get_args(hint):
        yield from _parts(each)


def _wire_names(record: type[Record]) -> list[str]:
    """By an object without anything in it: every record of the catalogue has its fields from ``as_data``."""
    empty = object.__new__(record)
    for name in get_type_hints(record):
        object.__setattr__(empty, name, None)
    return list(empty.as_data())
