"""Converts CloudEvents in JSON (structured mode) to events and back. A problem is a value, never an exception."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from eventstreams.catalog import Catalog
from eventstreams.events import Event
from eventstreams.sids import SidKind, new_sid
from eventstreams.times import parse_rfc3339, rfc3339_ms
from producers.outcomes import Invalid

SPECVERSION: Final = "1.0"
_REQUIRED: Final = ("specversion", "type", "source")
_OPTIONAL: Final = ("id", "time", "subject", "dataschema", "datacontenttype", "accountsid", "partitionkey")
_NAME: Final = re.compile(r"[a-z0-9]+")  # CloudEvents 1.0: Attribute Naming Convention
_JSON_TYPE: Final = re.compile(r"[\w.+-]+/([\w.+-]+\+)?json(\s*;.*)?", re.IGNORECASE | re.ASCII)
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_MAX_SHOWN: Final = 60  # characters of a name from outside that are shown in a problem's path

_Attributes = dict[str, str]


class CloudEventParser:
    """Parses CloudEvents of the catalogue's types."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def parse(self, value: object, *, account_sid: str | None) -> Event | Invalid:
        """The event that the JSON object ``value`` describes.

        It is not checked here whether type and data fit the catalogue. A missing id or time is generated. The last two
        segments of ``dataschema`` choose the schema version; without it, the newest is used. Attributes that are null
        count as absent; unknown extensions are ignored, as CloudEvents consumers do.

        Args:
            value: Parsed JSON.
            account_sid: The event's account if it has no ``accountsid`` extension.
        """
        if not isinstance(value, dict):
            return Invalid("$", f"must be a JSON object, not {_kind_of(value)}")
        attributes = _attributes(value)
        if isinstance(attributes, Invalid):
            return attributes
        data = _data(value)
        if isinstance(data, Invalid):
            return data
        at = _time(attributes)
        if isinstance(at, Invalid):
            return at
        version = self._schema_version(attributes)
        if isinstance(version, Invalid):
            return version
        owner = attributes.get("accountsid", account_sid)
        if owner is None:
            return Invalid("$.accountsid", "is missing: give the account that the event belongs to")
        return Event(
            type=attributes["type"],
            source=attributes["source"],
            account_sid=owner,
            data=data,
            id=attributes["id"] if "id" in attributes else new_sid(SidKind.EVENT),
            time=at,
            subject=attributes.get("subject"),
            partition_key=attributes.get("partitionkey"),
            schema_version=version,
        )

    def _schema_version(self, attributes: _Attributes) -> int | Invalid | None:
        dataschema = attributes.get("dataschema")
        event_type = self._catalog.types.get(attributes["type"])
        if dataschema is None or event_type is None:  # the encoder refuses unknown types
            return None
        _, schema_id, number = ("", "", *dataschema.rsplit("/", 2))[-3:]
        if schema_id != event_type.schema_id or not re.fullmatch("[1-9][0-9]{0,8}", number):
            return Invalid(
                "$.dataschema", f"must end in /{event_type.schema_id}/ and a version for events of this type"
            )
        return int(number)


def render(event: Event) -> dict[str, object]:
    """``event`` as a JSON object that ``parse`` accepts. It does not include ``schema_version``."""
    attributes = {
        "specversion": SPECVERSION,
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "time": rfc3339_ms(event.time),
        "accountsid": event.account_sid,
        "subject": event.subject,
        "partitionkey": event.partition_key,
        "datacontenttype": "application/json",
    }
    return {name: text for name, text in attributes.items() if text is not None} | {"data": event.data}


def _attributes(value: Mapping[str, object]) -> _Attributes | Invalid:
    for name in value:
        if not _NAME.fullmatch(name) and name != "data_base64":
            return Invalid(f"$.{name[:_MAX_SHOWN]}", "is not a valid attribute name: use lower-case letters and digits")
    found: _Attributes = {}
    for name in (*_REQUIRED, *_OPTIONAL):
        text = value.get(name)
        if isinstance(text, str):
            found[name] = text
        elif text is not None:
            return Invalid(f"$.{name}", f"must be a string, not {_kind_of(text)}")
        elif name in _REQUIRED:
            return Invalid(f"$.{name}", "is missing")
    if found["specversion"] != SPECVERSION:
        return Invalid("$.specversion", f'must be "{SPECVERSION}"')
    if not _JSON_TYPE.fullmatch(found.get("datacontenttype", "application/json")):
        return Invalid("$.datacontenttype", "must be application/json: data is checked against a schema")
    return found


def _data(value: Mapping[str, object]) -> dict[str, object] | Invalid:
    if value.get("data_base64") is not None:
        return Invalid("$.data_base64", "is not supported: data must be a JSON object")
    data = value.get("data")
    if isinstance(data, dict):
        return data
    return Invalid("$.data", "is missing" if data is None else f"must be an object, not {_kind_of(data)}")


def _time(attributes: _Attributes) -> datetime | Invalid:
    text = attributes.get("time")
    if text is None:
        return datetime.now(UTC)
    wrong = Invalid("$.time", "must be an RFC 3339 time, such as 2026-03-29T04:01:02.345Z")
    if not _RFC3339.fullmatch(text):
        return wrong
    try:
        return parse_rfc3339(text.upper())
    except (ValueError, OverflowError):  # such as the 30th of February, or before the year 1
        return wrong


def _kind_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case _:
            return "an object"
