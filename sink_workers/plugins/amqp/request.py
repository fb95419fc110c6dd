"""Builds AMQP messages from events. Pure. See docs/sinks/amqp.md."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from aio_pika import DeliveryMode, Message

from eventstreams.sinks import OutboundEvent

_SHORT: Final = 255  # bytes of a message's id
_JSON: Final = "application/cloudevents+json"


def as_message(event: OutboundEvent, *, app_id: str) -> Message:
    """The message for ``event``, the same at each attempt."""
    fits = len(event.id.encode()) <= _SHORT
    return Message(
        event.json(),
        content_type=_JSON,
        delivery_mode=DeliveryMode.PERSISTENT,
        message_id=event.id if fits else hashlib.sha256(event.id.encode()).hexdigest(),
        type=event.type,
        timestamp=_timestamp(event.time),
        app_id=app_id,
    )


def different_ids(batch: Sequence[OutboundEvent]) -> Sequence[Sequence[int]]:
    """Split the positions in ``batch``, in order, so that no two events of a part have the same id. Usually one part.

    A message that the broker returns is identified by its id alone: of two with the same id, the client might regard
    the wrong one as returned, and the other one, which is in no queue, as delivered.
    """
    parts: list[list[int]] = []
    times: dict[str, int] = {}
    for position, event in enumerate(batch):
        part = times.get(event.id, 0)
        times[event.id] = part + 1
        if part == len(parts):
            parts.append([])
        parts[part].append(position)
    return parts


def _timestamp(time: str) -> datetime | None:
    """``time`` as a timestamp of the protocol; None if it is before 1970 or not a valid time."""
    try:
        found = datetime.fromisoformat(time)
    except ValueError:
        return None
    found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return found if found.timestamp() >= 0 else None
