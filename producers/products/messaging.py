"""Messaging: a class for each event type.

Written by ``eventstreams generate-producers`` from the catalogue: change it there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from typing_extensions import override

from eventstreams.events import Event
from producers.product_event import Data, ProductEvent, timestamp

Status: TypeAlias = Literal["QUEUED", "SENT", "DELIVERED", "UNDELIVERED", "FAILED", "READ"]
"""The status that was reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _MessageStatus(ProductEvent):
    """A message has reached another status (``Messaging.MessageStatus``, version 8)."""

    message_sid: str
    """SID of the message, SM or MM and 32 hexadecimal digits."""
    message_status: Status
    """The status that was reached."""
    api_version: str
    """Version of the API that the message was sent with."""
    from_: str
    """Sender, in E.164 or with a channel's prefix."""
    to: str
    """Recipient, in E.164 or with a channel's prefix."""
    messaging_service_sid: str | None = None
    """SID of the messaging service that chose the sender."""
    error_code: int | None = None
    """Why the message was not delivered; absent where it was."""
    body: str | None = None
    """Text of the message."""
    status_call_back_url: str | None = None
    """Where the status was called back, if anywhere."""
    tags: Mapping[str, str] | None = None
    """Labels that the sender attached to the message."""
    mcc: str | None = None
    """Mobile country code of the recipient's network."""
    mnc: str | None = None
    """Mobile network code of the recipient's network."""
    raw_dlr_done_date: str | None = None
    """When the carrier says that it was done, YYMMDDhhmm in the carrier's time zone."""
    number_of_segments: int | None = None
    """How many segments the text was sent in."""
    date_updated: str | None = None
    """When the message was last changed, RFC 3339."""

    @override
    def event(self) -> Event:
        data: Data = {
            "messageSid": self.message_sid,
            "accountSid": self.account_sid,
            "eventName": self.TYPE,
            "timestamp": timestamp(self.time),
            "messageStatus": self.message_status,
            "apiVersion": self.api_version,
            "from": self.from_,
            "to": self.to,
            "messagingServiceSid": self.messaging_service_sid,
            "errorCode": self.error_code,
            "body": self.body,
            "statusCallBackUrl": self.status_call_back_url,
            "tags": self.tags,
            "mcc": self.mcc,
            "mnc": self.mnc,
            "rawDlrDoneDate": self.raw_dlr_done_date,
            "numberOfSegments": self.number_of_segments,
            "dateUpdated": self.date_updated,
        }
        return self._event(
            data,
            version=8,
            source=f"/2010-04-01/Accounts/{self.account_sid}/Messages/{self.message_sid}.json",
            key=self.message_sid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDelivered(_MessageStatus):
    """A message has reached its recipient."""

    TYPE = "com.twilio.messaging.message.delivered"

    message_status: Literal["DELIVERED"] = field(default="DELIVERED", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFailed(_MessageStatus):
    """A message could not be sent."""

    TYPE = "com.twilio.messaging.message.failed"

    message_status: Literal["FAILED"] = field(default="FAILED", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageQueued(_MessageStatus):
    """A message was taken and waits to be sent."""

    TYPE = "com.twilio.messaging.message.queued"

    message_status: Literal["QUEUED"] = field(default="QUEUED", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRead(_MessageStatus):
    """The recipient has opened a message."""

    TYPE = "com.twilio.messaging.message.read"

    message_status: Literal["READ"] = field(default="READ", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(_MessageStatus):
    """A message was handed to the carrier or channel."""

    TYPE = "com.twilio.messaging.message.sent"

    message_status: Literal["SENT"] = field(default="SENT", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageUndelivered(_MessageStatus):
    """A message was sent but did not reach its recipient."""

    TYPE = "com.twilio.messaging.message.undelivered"

    message_status: Literal["UNDELIVERED"] = field(default="UNDELIVERED", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessageReceived(ProductEvent):
    """A message has come in (``Messaging.InboundMessageV1``, version 6)."""

    TYPE = "com.twilio.messaging.inbound-message.received"

    message_sid: str
    """SID of the message, SM or MM and 32 hexadecimal digits."""
    from_: str | None = None
    """Sender, in E.164 or with a channel's prefix."""
    to: str | None = None
    """Number or address that the message was sent to."""
    num_segments: int | None = None
    """How many segments the text came in."""
    num_media: int | None = None
    """How many media files came with it."""
    body: str | None = None
    """Text of the message."""
    to_country: str | None = None
    """Country of the number that it was sent to, ISO 3166."""
    to_state: str | None = None
    """State or province of the number that it was sent to."""
    to_city: str | None = None
    """City of the number that it was sent to."""
    to_zip: str | None = None
    """Postal code of the number that it was sent to."""
    from_country: str | None = None
    """Country of the sender's number, ISO 3166."""
    from_state: str | None = None
    """State or province of the sender's number."""
    from_city: str | None = None
    """City of the sender's number."""
    from_zip: str | None = None
    """Postal code of the sender's number."""
    mcc: str | None = None
    """Mobile country code of the sender's network."""
    mnc: str | None = None
    """Mobile network code of the sender's network."""
    messaging_service_sid: str | None = None
    """SID of the messaging service that the number belongs to."""
    referral_ctwa_clid: str | None = None
    """Click identifier, where the conversation began with a click on an advertisement."""
    recipients: Sequence[str] | None = None
    """All recipients, where the message went to a group."""
    opt_out_type: str | None = None
    """What the sender asked for with a keyword, such as STOP, START or HELP."""

    @override
    def event(self) -> Event:
        data: Data = {
            "messageSid": self.message_sid,
            "accountSid": self.account_sid,
            "eventName": self.TYPE,
            "timestamp": timestamp(self.time),
            "from": self.from_,
            "to": self.to,
            "numSegments": self.num_segments,
            "numMedia": self.num_media,
            "body": self.body,
            "toCountry": self.to_country,
            "toState": self.to_state,
            "toCity": self.to_city,
            "toZip": self.to_zip,
            "fromCountry": self.from_country,
            "fromState": self.from_state,
            "fromCity": self.from_city,
            "fromZip": self.from_zip,
            "mcc": self.mcc,
            "mnc": self.mnc,
            "messagingServiceSid": self.messaging_service_sid,
            "referralCtwaClid": self.referral_ctwa_clid,
            "recipients": self.recipients,
            "optOutType": self.opt_out_type,
        }
        return self._event(
            data,
            version=6,
            source=f"/2010-04-01/Accounts/{self.account_sid}/Messages/{self.message_sid}.json",
            key=self.message_sid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReassignedNumberDetected(ProductEvent):
    """A number that the account writes to has a new owner.

    A number that the account sends to has a new owner, who may never have agreed to be written to
    (``DemandGrowth.ReassignedPhoneNumberDetectedEvent``, version 1).
    """

    TYPE = "com.twilio.messaging.reassigned-number.detected"

    source: str
    """REST path of the resource it speaks of."""
    phone_number: str | None = None
    """The number that changed hands, in E.164."""
    message_sid: str | None = None
    """SID of the last message sent to it; absent where it was found without one."""
    messaging_service_sid: str | None = None
    """SID of the messaging service that wrote to it; absent where none did."""

    @override
    def event(self) -> Event:
        data: Data = {
            "account_sid": self.account_sid,
            "phone_number": self.phone_number,
            "detected_at": timestamp(self.time),
            "message_sid": self.message_sid,
            "messaging_service_sid": self.messaging_service_sid,
        }
        return self._event(data, version=1, key=self.phone_number)
