"""Checks that a text is a filter for given event types: every field exists, types fit, and the result is a boolean."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from eventstreams.catalog import Catalog, SchemaVersion
from eventstreams.control.records import SubscribedType
from eventstreams.filters.descriptions import OUTERMOST, Description
from eventstreams.filters.filter import ATTRIBUTE_TYPES, DATA, Filter
from eventstreams.filters.language import ANYTHING, Dialect, FilterError, LibraryRefusal, message_type, refuse_unfit
from eventstreams.filters.refusals import in_words

_ANY_DATA: Final = Dialect({**ATTRIBUTE_TYPES, DATA: ANYTHING})
_KNOWN_BOUND: Final = 250  # schema versions cached, some 110 KiB each; the catalogue has half as many


class FilterChecker:
    """Checks filters against the catalogue. Not thread-safe."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: dict[tuple[str, int], tuple[Dialect, Mapping[str, Sequence[str]]]] = {}

    def check(self, text: str, types: Iterable[SubscribedType]) -> Filter:
        """``text`` as a filter, if it fits the data of each of ``types`` in the version that the subscriber gets.

        Without types any field is accepted: check again once there is one.

        Raises:
            FilterError: it does not fit. The text says where, for which event type, and what would be right.
        """
        refuse_unfit(text)
        schemas = self._schemas(types)
        for schema, event_type in schemas.items():
            dialect, fields = self._of(schema)
            _check(text, dialect, fields, about=f"{event_type} in version {schema.version}")
        if not schemas:
            _check(text, _ANY_DATA, {}, about="")
        return Filter(text)

    def _schemas(self, types: Iterable[SubscribedType]) -> Mapping[SchemaVersion, str]:
        """The distinct schema versions of ``types``, each with the first type that has it."""
        found: dict[SchemaVersion, str] = {}
        for each in types:
            known = self._catalog.types.get(each.type)
            schema = None if known is None else self._catalog.schemas[known.schema_id].version(each.schema_version)
            if schema is not None:  # a type that was removed from the catalogue has no events
                found.setdefault(schema, each.type)
        return found

    def _of(self, schema: SchemaVersion) -> tuple[Dialect, Mapping[str, Sequence[str]]]:
        key = schema.schema_id, schema.version
        found = self._known.get(key)
        if found is None:
            description = Description(schema.avro)
            dialect = Dialect({**ATTRIBUTE_TYPES, DATA: message_type(OUTERMOST)}, messages=description.pool)
            found = dialect, description.fields
            if len(self._known) < _KNOWN_BOUND:
                self._known[key] = found
        return found


def _check(text: str, dialect: Dialect, fields: Mapping[str, Sequence[str]], *, about: str) -> None:
    try:
        program = dialect.compile(text)
    except LibraryRefusal as refusal:
        raise FilterError(in_words(refusal, fields=fields, about=about)) from None
    if not program.is_boolean:
        raise FilterError("it must evaluate to true or false: add a comparison")
