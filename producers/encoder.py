"""Encodes an event as a record, or says what is wrong with it. Pure: sends nothing."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from eventstreams.catalog import Catalog, SchemaVersion
from eventstreams.codec import Codec
from eventstreams.errors import InvalidEventError
from eventstreams.events import Event
from eventstreams.headers import event_headers
from eventstreams.sids import SidKind, is_sid
from eventstreams.telemetry.trace_context import TraceContext
from eventstreams.topics import MAX_EVENT_BYTES
from producers.nearest import Nearest
from producers.outcomes import Invalid

MAX_ATTRIBUTE_BYTES: Final = 1024  # attributes are headers of every copy; paths of resources are far shorter
_HEADER_OVERHEAD_BYTES: Final = 10  # two lengths of up to five bytes each
_SURELY_FITS_BYTES: Final = MAX_EVENT_BYTES - 16 * MAX_ATTRIBUTE_BYTES  # together with a key and ten headers
_RECORD_OVERHEAD_BYTES: Final = 200  # the overhead of a record batch (61) and of a record (35), rounded up
_MAX_PATH: Final = 200  # characters; keys of the data come from outside and may have any length
_MAX_REASON: Final = 1000
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # CloudEvents 1.0, section 3.1, String
_OPTIONAL: Final = frozenset({"subject", "partitionkey"})
_HINT_FOR_OWN: Final = ": one of your own must be in a folder of EVENTSTREAMS_CATALOG_DIRS"
_REMEMBERED_BOUND: Final = 1000  # unknown type names whose answer is cached: making it takes a millisecond


class EncodedEvent(NamedTuple):
    """A record for the events topic. A tuple because one is created for every event."""

    id: str
    type: str
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]

    def within(self, context: TraceContext | None) -> "EncodedEvent":
        """This record with the headers of ``context``, unless they might make it exceed the size limit."""
        if context is None or len(self.value) >= _SURELY_FITS_BYTES:
            return self
        return self._replace(headers=[*self.headers, *context.headers()])


class EventEncoder:
    """Checks events against the catalogue and encodes them, once and for all."""

    def __init__(self, catalog: Catalog, codec: Codec) -> None:
        self._catalog = catalog
        self._codec = codec
        self._nearest = Nearest(catalog.types)
        self._unknown: dict[str, Invalid] = {}

    def encode(self, event: Event) -> EncodedEvent | Invalid:
        """Encode ``event`` with the schema version that it names, or else the newest."""
        try:
            problem = _attribute_problem(event)
        except (AttributeError, TypeError):  # types are checked only after an attribute of a wrong type caused an error
            problem = _type_problem(event)
        if problem:
            return problem
        schema = self._schema(event)
        if isinstance(schema, Invalid):
            return schema
        try:
            value = self._codec.encode(schema, event.data)
        except InvalidEventError as error:
            reason = str(error).removeprefix(f"{error.path} ")
            return Invalid(error.path[:_MAX_PATH], reason[:_MAX_REASON])
        key = (event.partition_key or event.source).encode()
        headers = event_headers(event, dataschema=self._codec.dataschema(schema))
        size = _record_bytes(key, value, headers)
        if size > MAX_EVENT_BYTES:
            return Invalid("$", f"takes {size} bytes as a record: at most {MAX_EVENT_BYTES} are allowed")
        encoded = EncodedEvent(event.id, event.type, key, value, headers)
        if event.traceparent is None:
            return encoded
        return encoded.within(TraceContext.parse(event.traceparent, event.tracestate))

    def _schema(self, event: Event) -> SchemaVersion | Invalid:
        newest = self._catalog.newest_schema(event.type)
        if newest is None:
            return self._unknown.get(event.type) or self._unknown_type(event.type)
        if event.schema_version is None:
            return newest
        found = self._catalog.schemas[newest.schema_id].version(event.schema_version)
        return found or Invalid(
            "$.dataschema",
            f"specifies version {event.schema_version} of {newest.schema_id}, which has versions 1 to {newest.version}",
        )

    def _unknown_type(self, name: str) -> Invalid:
        near = self._nearest.to(name)
        hint = f": did you mean {near}?" if near else _HINT_FOR_OWN
        problem = Invalid("$.type", f"is not an event type of the catalogue{hint}")
        if len(self._unknown) >= _REMEMBERED_BOUND:
            self._unknown.clear()
        self._unknown[name] = problem
        return problem


def _attribute_problem(event: Event) -> Invalid | None:
    for name, text in (("id", event.id), ("type", event.type), ("source", event.source)):
        if reason := _text_problem(text):
            return Invalid(f"$.{name}", reason)
    for name, may_be in (("subject", event.subject), ("partitionkey", event.partition_key)):
        if may_be is not None and (reason := _text_problem(may_be)):
            return Invalid(f"$.{name}", reason)
    if not is_sid(event.account_sid, SidKind.ACCOUNT):
        return Invalid("$.accountsid", "must be AC and 32 hexadecimal digits")
    if reason := _time_problem(event.time):
        return Invalid("$.time", reason)
    return None


def _type_problem(event: Event) -> Invalid:
    """The problem with the first attribute whose value does not have the type that ``Event`` declares."""
    values: dict[str, object] = {
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "accountsid": event.account_sid,
        "subject": event.subject,
        "partitionkey": event.partition_key,
    }
    for name, value in values.items():
        if not isinstance(value, str) and (value is not None or name not in _OPTIONAL):
            return Invalid(f"$.{name}", f"must be a string, not {type(value).__name__}")
    return Invalid("$.time", f"must be a datetime, not {type(event.time).__name__}")


def _text_problem(text: str) -> str | None:
    if text.isascii() and text.isprintable() and 0 < len(text) <= MAX_ATTRIBUTE_BYTES:  # nearly always
        return None
    if not text:
        return "is empty"
    if _FORBIDDEN.search(text):
        return "contains a control character or a lone surrogate"
    if len(text.encode()) > MAX_ATTRIBUTE_BYTES:
        return f"is longer than {MAX_ATTRIBUTE_BYTES} bytes"
    return None


def _time_problem(at: datetime) -> str | None:
    if at.tzinfo is UTC:
        return None
    if at.tzinfo is None:
        return "has no time zone: specify one, as in datetime.now(UTC)"
    try:
        at.astimezone(UTC)
    except OverflowError:
        return "is outside the years 1 to 9999 of UTC"
    return None


def _record_bytes(key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> int:
    """An upper bound of the record's size without compression, or less if the record is far below the limit."""
    if len(value) < _SURELY_FITS_BYTES:
        return len(value)
    in_headers = sum(len(name) + len(text) + _HEADER_OVERHEAD_BYTES for name, text in headers)
    return len(key) + len(value) + in_headers + _RECORD_OVERHEAD_BYTES
