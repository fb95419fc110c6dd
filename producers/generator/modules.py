"""Generates the modules of a catalogue, each with the classes of one product. Pure."""

import tokenize
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Final

from eventstreams.catalog import Catalog, EventType, EventTypeStatus, Schema
from eventstreams.catalog.event_rules import events_problems
from eventstreams.catalog.listing import FILE
from eventstreams.errors import CatalogError
from producers.generator.layout import docstring
from producers.generator.names import module_name
from producers.generator.record_code import IMPORTED, ModuleNames
from producers.generator.schema_code import SchemaCode, class_names

MARK: Final = "Written by ``eventstreams generate-producers``"
_IMPORTS: Final = (
    (
        ("collections.abc", ("Mapping", "Sequence")),
        ("dataclasses", ("dataclass", "field")),
        ("typing", ("Literal", "TypeAlias")),
    ),
    (("typing_extensions", ("deprecated", "override")),),
    (
        ("eventstreams.events", ("Event",)),
        ("producers.product_event", ("Data", "ProductEvent", "Record", "ids", "part", "path", "plain", "timestamp")),
    ),
)


def product_modules(catalog: Catalog, schemas: Sequence[Schema]) -> dict[str, str]:
    """The source of each module by file name, for each product with a publishable type in ``schemas``.

    Discontinued types get no class, since their events would not be delivered; nor do those that Event Streams makes
    itself.

    Raises:
        CatalogError: two types, or products, would have the same name in Python, or an ``events`` entry of the
            catalogue does not fit its schema.
    """
    found: dict[str, str] = {}
    for product, title in catalog.products.items():
        ours = [each for each in schemas if each.product == product]
        source = _module(catalog, product, title, ours)
        if source is None:
            continue
        name = f"{module_name(product)}.py"
        if name in found:
            raise CatalogError(f"product {product}: another product already has the module {name}: choose another id")
        found[name] = source
    return found


def _module(catalog: Catalog, product: str, title: str, schemas: Sequence[Schema]) -> str | None:
    by_schema = [
        (schema, [each for each in catalog.types.values() if each.schema_id == schema.id]) for schema in schemas
    ]
    names = ModuleNames({*_classes(product, [types for _, types in by_schema]), *IMPORTED})
    body: list[str] = []
    for schema, types in by_schema:
        if problem := next(events_problems(schema, types), None):
            raise CatalogError(f"{schema.latest.path.parents[1] / FILE}: {problem}")
        published = [each for each in types if _is_published(each)]
        if published:
            body += SchemaCode(schema, published, names).lines(types)
    if not body:
        return None
    if not body[2].startswith(("@", "class ")):
        body = body[1:]  # one blank line less before an alias than before a class
    head = docstring(f"{title}: a class for each event type.", f"{MARK} from the catalogue: change it there.", depth=0)
    return "\n".join([*head, *_imports("\n".join(body)), *body, ""])


def _is_published(event_type: EventType) -> bool:
    return not event_type.internal and event_type.status is not EventTypeStatus.DISCONTINUED


def _classes(product: str, types_of_schemas: Sequence[Sequence[EventType]]) -> dict[str, str]:
    """Maps each class to its event type."""
    found: dict[str, str] = {}
    for types in types_of_schemas:
        published = {each.name for each in types if _is_published(each)}
        for type_name, name in class_names(types).items() if types else ():
            if type_name not in published:
                continue
            if name in IMPORTED:
                raise CatalogError(f"event type {type_name} cannot be class {name}: give it another name_in_code")
            if name in found:
                raise CatalogError(
                    f"event types {found[name]} and {type_name} of product {product} would both be class {name}: "
                    "give one of them a name_in_code"
                )
            found[name] = type_name
    return found


def _imports(body: str) -> Iterator[str]:
    """The import lines for the names that ``body`` uses."""
    used = {each.string for each in tokenize.generate_tokens(StringIO(body).readline) if each.type == tokenize.NAME}
    for group in _IMPORTS:
        lines: list[str] = []
        for module, names in group:
            if needed := [each for each in names if each in used]:
                lines.append(f"from {module} import {', '.join(needed)}")
        if lines:
            yield from ("", *lines)
