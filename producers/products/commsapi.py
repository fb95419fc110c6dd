"""Comms API: a class for each event type.

Written by ``eventstreams generate-producers`` from the catalogue: change it there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from typing_extensions import override

from eventstreams.events import Event
from producers.product_event import Data, ProductEvent, timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class _OperationEvent(ProductEvent):
    """An operation, such as a sending to many, was scheduled, has begun or is done (``CommsApi.OperationEvent``,
    version 2).
    """

    operation_id: str
    """Id of the operation."""
    status: str | None = None
    """SCHEDULED, PROCESSING or COMPLETED."""
    created_at: str | None = None
    """When it was asked for, RFC 3339 with milliseconds."""
    updated_at: str | None = None
    """When it reached the status, RFC 3339 with milliseconds."""
    scheduled_for: str | None = None
    """When it is to begin, RFC 3339; absent where that is at once."""
    total: int | None = None
    """Messages that it is to send; absent until that is known."""

    @override
    def event(self) -> Event:
        data: Data = {
            "operation_id": self.operation_id,
            "account_sid": self.account_sid,
            "status": self.status,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "scheduled_for": self.scheduled_for,
            "total": self.total,
        }
        return self._event(data, version=2, source=f"/v1/Operations/{self.operation_id}", key=self.operation_id)


class OperationCompleted(_OperationEvent):
    """An operation is done."""

    TYPE = "com.twilio.comms-api.operation.completed"


class OperationProcessing(_OperationEvent):
    """An operation has begun."""

    TYPE = "com.twilio.comms-api.operation.processing"


class OperationScheduled(_OperationEvent):
    """An operation was taken and waits for its time."""

    TYPE = "com.twilio.comms-api.operation.scheduled"


@dataclass(frozen=True, slots=True, kw_only=True)
class _MessageEvent(ProductEvent):
    """A message of the Comms API has reached another status, or has come in (``CommsApi.MessageEvent``, version 2)."""

    message_id: str
    """Id of the message."""
    operation_id: str | None = None
    """Id of the operation that sent it; absent where it came in."""
    status: str | None = None
    """The status, such as QUEUED, SENT, DELIVERED, READ or FAILED."""
    channel: str | None = None
    """What it went by, such as SMS, RCS or WHATSAPP."""
    from_: str | None = None
    """Sender: a number or an address of the channel."""
    to: str | None = None
    """Recipient: a number or an address of the channel."""
    text: str | None = None
    """Its text; absent where the account did not ask for it."""
    error_code: str | None = None
    """Why it was not delivered, as text; absent where it was."""
    tags: Mapping[str, str] | None = None
    """Labels that the account attached to it."""

    @override
    def event(self) -> Event:
        data: Data = {
            "message_id": self.message_id,
            "operation_id": self.operation_id,
            "account_sid": self.account_sid,
            "status": self.status,
            "channel": self.channel,
            "from": self.from_,
            "to": self.to,
            "text": self.text,
            "error_code": self.error_code,
            "timestamp": timestamp(self.time),
            "tags": self.tags,
        }
        return self._event(data, version=2, source=f"/v1/Messages/{self.message_id}", key=self.message_id)


class MessageDelivered(_MessageEvent):
    """A message has reached its recipient."""

    TYPE = "com.twilio.comms-api.message.delivered"


class MessageFailed(_MessageEvent):
    """A message could not be sent."""

    TYPE = "com.twilio.comms-api.message.failed"


class MessageInbound(_MessageEvent):
    """A message has come in."""

    TYPE = "com.twilio.comms-api.message.inbound"


class MessageQueued(_MessageEvent):
    """A message was taken and waits to be sent."""

    TYPE = "com.twilio.comms-api.message.queued"


class MessageRead(_MessageEvent):
    """The recipient has opened a message."""

    TYPE = "com.twilio.comms-api.message.read"


class MessageSent(_MessageEvent):
    """A message was handed to its channel."""

    TYPE = "com.twilio.comms-api.message.sent"


class MessageUndelivered(_MessageEvent):
    """A message was sent but did not reach its recipient."""

    TYPE = "com.twilio.comms-api.message.undelivered"
