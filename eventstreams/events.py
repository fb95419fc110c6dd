"""A product event as its producer states it, before it is encoded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from eventstreams.sids import SidKind, new_sid


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of the catalogue.

    Attributes:
        type: The event type, such as ``com.twilio.messaging.message.sent``.
        source: REST path of the resource that it is about.
        account_sid: The owner; decides which subscriptions can match.
        data: The fields of the type's schema, by their exact names. Optional fields without a value are left out, here
            and in what is delivered.
        id: De-duplication key, stable across retries.
        time: When it happened; aware. Kept to the millisecond.
        subject: CloudEvents' ``subject``; most products have none.
        partition_key: Events with the same key keep their order up to the router. Default: ``source``,
            so that all events of one call or message stay together.
        schema_version: Version of the schema that ``data`` follows. Default: the newest.
        traceparent: W3C Trace Context of the trace that it is part of; an invalid one is left out.
        tracestate: The matching ``tracestate``, if any.
    """

    type: str
    source: str
    account_sid: str
    data: Mapping[str, object]
    id: str = field(default_factory=lambda: new_sid(SidKind.EVENT))
    time: datetime = field(default_factory=_now)
    subject: str | None = None
    partition_key: str | None = None
    schema_version: int | None = None
    traceparent: str | None = None
    tracestate: str | None = None
