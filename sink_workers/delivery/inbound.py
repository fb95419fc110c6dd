"""Reads a record of a subscription or retry topic: the event to deliver, or why it can never be delivered. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from eventstreams.codec import Codec, CodecProblem
from eventstreams.control.records import Subscription
from eventstreams.control.sink_tests import TEST_EVENT, is_stand_in
from eventstreams.headers import DeliveryProgress, Envelope, HeaderProblem
from eventstreams.reasons import DeadReason
from eventstreams.sinks import OutboundEvent

_TEST_SUFFIX: Final = ".json"  # as in the reference, which has it in test events only


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """Why the event can never be delivered."""

    reason: DeadReason
    detail: str


def read_progress(headers: Mapping[str, bytes]) -> DeliveryProgress | Undeliverable:
    """The progress of a delivery as its record's ``headers`` state it, or why they make it undeliverable."""
    progress = DeliveryProgress.parse(headers)
    return Undeliverable(progress.reason, progress.detail) if isinstance(progress, HeaderProblem) else progress


def read_event(
    headers: Mapping[str, bytes],
    value: bytes,
    progress: DeliveryProgress,
    subscription: Subscription,
    codec: Codec,
    *,
    as_avro: bool = False,
) -> OutboundEvent | Undeliverable:
    """Read the event in the schema version that ``subscription`` asks for now.

    ``as_avro``: its sink takes Avro, so the data is only checked now, and decoded if somebody looks at it.
    """
    envelope = Envelope.parse(headers)
    if isinstance(envelope, HeaderProblem):
        return Undeliverable(envelope.reason, envelope.detail)
    wanted = subscription.type_named(envelope.type)
    if wanted is None and not is_stand_in(subscription):
        return Undeliverable(
            DeadReason.TYPE_REMOVED, f"{envelope.type} was removed from its subscription before it was delivered"
        )
    version = None if wanted is None else wanted.schema_version
    is_test = envelope.type == TEST_EVENT
    projection = codec.projection(envelope.dataschema, version)
    if isinstance(projection, CodecProblem):
        return Undeliverable(projection.reason, projection.detail)
    data = projection.decode_later(value) if as_avro and projection.is_as_written else projection.decode(value)
    if isinstance(data, CodecProblem):
        return Undeliverable(data.reason, data.detail)
    return OutboundEvent(
        id=envelope.id,
        type=envelope.type,
        source=envelope.source,
        time=envelope.time,
        dataschema=projection.dataschema + _TEST_SUFFIX if is_test else projection.dataschema,
        account_sid=envelope.account_sid,
        data=data,
        subject=envelope.subject,
        partition_key=envelope.partition_key,
        attempt=progress.attempt,
        identity_fields=projection.identities,
        avro_schema=projection.avro_schema,
        avro=value if projection.is_as_written else None,
    )
