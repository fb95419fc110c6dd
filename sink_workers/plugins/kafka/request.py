"""Builds Kafka records from events, by the CloudEvents Kafka binding. Pure. See docs/sinks/kafka.md."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from eventstreams.sinks import OutboundEvent
from sink_workers.plugins.kafka.config import Format, Key

Headers = Sequence[tuple[str, bytes]]

_STRUCTURED: Final = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
_JSON: Final = ("content-type", b"application/json")

_KEYS: Final[Mapping[Key, Callable[[OutboundEvent], str]]] = {
    "event_key": lambda event: event.partition_key or event.id,
    "event_id": lambda event: event.id,
    "account_sid": lambda event: event.account_sid,
    "subject": lambda event: event.subject or event.id,
}


@dataclass(frozen=True, slots=True)
class KafkaRecord:
    """One event as a Kafka record."""

    key: bytes
    value: bytes
    headers: Headers


def as_record(event: OutboundEvent, *, form: Format, key: Key) -> KafkaRecord:
    """The record for ``event``, the same at each attempt."""
    key_bytes = _KEYS[key](event).encode()
    if form == "structured":
        return KafkaRecord(key_bytes, event.json(), _STRUCTURED)
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": event.id,
        "ce_type": event.type,
        "ce_source": event.source,
        "ce_time": event.time,
        "ce_dataschema": event.dataschema,
    }
    if event.subject is not None:
        attributes["ce_subject"] = event.subject
    headers = [_JSON, *((name, value.encode()) for name, value in attributes.items())]
    return KafkaRecord(key_bytes, orjson.dumps(event.data), headers)
