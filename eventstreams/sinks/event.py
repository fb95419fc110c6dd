"""An event on its way to a destination: its attributes, and its data in the subscription's schema version."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson

_JSON: Final = "application/json"


@dataclass(slots=True, kw_only=True)
class OutboundEvent:
    """One event as a destination should see it. Read-only for plugins.

    Attributes:
        time: RFC 3339 in UTC with milliseconds, as the producer wrote it.
        dataschema: Names the schema version that ``data`` was projected to.
        data: The fields; absent optional ones are left out. For a sink that uses Avro (``Capabilities.sized_as_avro``)
            this is a mapping other than ``dict``, decoded on first access.
        attempt: Number of this attempt, from 1.
        identity_fields: Maps a kind of identity, such as "phone", to the field of ``data`` that identifies whom the
            event is about, if the event's schema marks one. The field can be absent.
        avro_schema: The Avro schema of ``data``, as JSON; None if the event was not made by a worker.
        avro: ``data`` as Avro binary of that schema, as the producer wrote it; None if ``data`` was projected from
            another version of the schema.
    """

    id: str
    type: str
    source: str
    time: str
    dataschema: str
    account_sid: str
    data: Mapping[str, object]
    subject: str | None = None
    partition_key: str | None = None
    attempt: int = 1
    identity_fields: Mapping[str, str] = field(default_factory=dict)
    avro_schema: str | None = None
    avro: bytes | None = field(default=None, repr=False)
    _json: bytes | None = None

    def json(self) -> bytes:
        """The event as one CloudEvents JSON object in UTF-8. Encoded once, however often it is called."""
        if self._json is None:
            attributes: dict[str, object] = {
                "specversion": "1.0",
                "type": self.type,
                "source": self.source,
                "id": self.id,
                "dataschema": self.dataschema,
                "datacontenttype": _JSON,
                "time": self.time,
            }
            if self.subject is not None:
                attributes["subject"] = self.subject
            attributes["data"] = self.data
            self._json = orjson.dumps(attributes, default=_as_dict)
        return self._json


def _as_dict(data: object) -> dict[str, object]:
    """Convert ``data`` that is not a dict, the only thing that orjson needs help with here."""
    if isinstance(data, Mapping):
        return dict(data)
    raise TypeError
