"""Verify: a class for each event type.

Written by ``eventstreams generate-producers`` from the catalogue: change it there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from typing_extensions import override

from eventstreams.events import Event
from producers.product_event import Data, ProductEvent, Record, ids, plain

VerificationStatus: TypeAlias = Literal["PENDING", "APPROVED", "CANCELED", "EXPIRED", "MAX_ATTEMPTS_REACHED"]
"""How far a verification is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendCodeAttempt(Record):
    """One sending of the code."""

    time_: str | None = None
    """When it was sent, RFC 3339 with milliseconds."""
    channel: str | None = None
    """What it was sent by, such as SMS, VOICE, WHATSAPP or EMAIL."""
    attempt_sid: str | None = None
    """SID of the attempt, VL and 32 hexadecimal digits."""
    delivery_status: str | None = None
    """Always SENT; what became of it is in the message events."""

    @override
    def as_data(self) -> Data:
        return {
            "time": self.time_,
            "channel": self.channel,
            "attempt_sid": self.attempt_sid,
            "delivery_status": self.delivery_status,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SendCodeAttempts(Record):
    """How often the code was sent, and how."""

    count: int | None = None
    """Times that it was sent."""
    attempts: Sequence[SendCodeAttempt] | None = None
    """Each of them, oldest first."""

    @override
    def as_data(self) -> Data:
        return {
            "count": self.count,
            "attempts": plain(self.attempts),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckCodeAttempt(Record):
    """One try of a code."""

    time_: str | None = None
    """When it was tried, RFC 3339 with milliseconds."""

    @override
    def as_data(self) -> Data:
        return {
            "time": self.time_,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckCodeAttempts(Record):
    """How often a code was tried."""

    count: int | None = None
    """Times that one was tried."""
    attempts: Sequence[CheckCodeAttempt] | None = None
    """Each of them, oldest first."""

    @override
    def as_data(self) -> Data:
        return {
            "count": self.count,
            "attempts": plain(self.attempts),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _VerifyEventStreamEvent(ProductEvent):
    """A verification was begun, or has ended (``AccountSecurity.VerifyEventStreamEvent``, version 3)."""

    id: str = field(default_factory=ids("hash"))
    service_sid: str
    """SID of the Verify service, VA and 32 hexadecimal digits."""
    verification_sid: str
    """SID of the verification, VE and 32 hexadecimal digits."""
    friendly_name: str | None = None
    """Name of the service, as its owner sees it."""
    custom_code_enabled: bool | None = None
    """True where the account chose the code itself."""
    custom_friendly_name: str | None = None
    """Name that the recipient was shown; absent where it was the service's own."""
    created_at: str | None = None
    """When it was begun, RFC 3339 with milliseconds."""
    verified_at: str | None = None
    """When the right code came; absent until then."""
    to: str | None = None
    """Who is verified: a number in E.164 or, by e-mail, an address."""
    verification_status: VerificationStatus | None = None
    """How far it is."""
    country: str | None = None
    """Country of the number, ISO 3166; absent for addresses."""
    code_length: int | None = None
    """Digits of the code, 4 to 10."""
    send_code_attempts: SendCodeAttempts | None = None
    """How often the code was sent, and how."""
    check_code_attempts: CheckCodeAttempts | None = None
    """How often a code was tried; absent until one was."""

    @override
    def event(self) -> Event:
        data: Data = {
            "account_sid": self.account_sid,
            "service_sid": self.service_sid,
            "verification_sid": self.verification_sid,
            "friendly_name": self.friendly_name,
            "custom_code_enabled": self.custom_code_enabled,
            "custom_friendly_name": self.custom_friendly_name,
            "created_at": self.created_at,
            "verified_at": self.verified_at,
            "to": self.to,
            "verification_status": self.verification_status,
            "country": self.country,
            "code_length": self.code_length,
            "send_code_attempts": plain(self.send_code_attempts),
            "check_code_attempts": plain(self.check_code_attempts),
        }
        return self._event(
            data,
            version=3,
            source=f"/v1/Accounts/{self.account_sid}/Services/{self.service_sid}/Verifications/{self.verification_sid}",
            key=self.verification_sid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationApproved(_VerifyEventStreamEvent):
    """The right code was given."""

    TYPE = "com.twilio.accountsecurity.verify.verification.approved"

    verification_status: Literal["APPROVED"] = field(default="APPROVED", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationCanceled(_VerifyEventStreamEvent):
    """A verification was called off."""

    TYPE = "com.twilio.accountsecurity.verify.verification.canceled"

    verification_status: Literal["CANCELED"] = field(default="CANCELED", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationExpired(_VerifyEventStreamEvent):
    """A verification has ended without the right code in time."""

    TYPE = "com.twilio.accountsecurity.verify.verification.expired"

    verification_status: Literal["EXPIRED"] = field(default="EXPIRED", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationMaxAttemptsReached(_VerifyEventStreamEvent):
    """A verification has ended after too many wrong codes."""

    TYPE = "com.twilio.accountsecurity.verify.verification.max_attempts_reached"

    verification_status: Literal["MAX_ATTEMPTS_REACHED"] = field(default="MAX_ATTEMPTS_REACHED", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationPending(_VerifyEventStreamEvent):
    """A verification was begun, or its code was sent again."""

    TYPE = "com.twilio.accountsecurity.verify.verification.pending"

    verification_status: Literal["PENDING"] = field(default="PENDING", init=False)


MessageStatus: TypeAlias = Literal["SENT", "DELIVERED", "UNDELIVERED", "FAILED", "READ"]
"""The status that was reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _MessageStatusEvent(ProductEvent):
    """The message that carries a code has reached another status (``AccountSecurity.MessageStatusEvent``, version
    2).
    """

    id: str = field(default_factory=ids("hash"))
    service_sid: str
    """SID of the Verify service, VA and 32 hexadecimal digits."""
    verification_sid: str
    """SID of the verification, VE and 32 hexadecimal digits."""
    attempt_sid: str
    """SID of the attempt that sent it, VL and 32 hexadecimal digits."""
    channel: str | None = None
    """What it was sent by: SMS, WhatsApp, RCS or Voice."""
    created_at: str | None = None
    """When the status was reached, RFC 3339 with milliseconds."""
    message_status: MessageStatus | None = None
    """The status that was reached."""
    error_code: str | None = None
    """Why it was not delivered, as text; absent where it was."""
    to: str | None = None
    """Who was written to, in E.164."""
    mcc: str | None = None
    """Mobile country code of the recipient's network; absent where it is not known."""
    mnc: str | None = None
    """Mobile network code of the recipient's network; absent where it is not known."""
    number_segments: int | None = None
    """How many segments the text was sent in."""
    has_fallback: bool | None = None
    """True where another channel was to be tried if this one failed."""
    is_fallback: bool | None = None
    """True where this is that other channel."""
    tags: Mapping[str, str] | None = None
    """Labels that the account attached to the verification."""

    @override
    def event(self) -> Event:
        data: Data = {
            "account_sid": self.account_sid,
            "service_sid": self.service_sid,
            "verification_sid": self.verification_sid,
            "attempt_sid": self.attempt_sid,
            "channel": self.channel,
            "created_at": self.created_at,
            "message_status": self.message_status,
            "error_code": self.error_code,
            "to": self.to,
            "mcc": self.mcc,
            "mnc": self.mnc,
            "number_segments": self.number_segments,
            "has_fallback": self.has_fallback,
            "is_fallback": self.is_fallback,
            "tags": self.tags,
        }
        return self._event(
            data,
            version=2,
            source=f"/v1/Accounts/{self.account_sid}/Services/{self.service_sid}/Verifications/{self.verification_sid}",
            key=self.verification_sid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDelivered(_MessageStatusEvent):
    """The message with a code has reached its recipient."""

    TYPE = "com.twilio.accountsecurity.verify.message.delivered"

    message_status: Literal["DELIVERED"] = field(default="DELIVERED", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFailed(_MessageStatusEvent):
    """The message with a code could not be sent."""

    TYPE = "com.twilio.accountsecurity.verify.message.failed"

    message_status: Literal["FAILED"] = field(default="FAILED", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRead(_MessageStatusEvent):
    """The recipient has opened the message with a code."""

    TYPE = "com.twilio.accountsecurity.verify.message.read"

    message_status: Literal["READ"] = field(default="READ", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(_MessageStatusEvent):
    """The message with a code was handed to its channel."""

    TYPE = "com.twilio.accountsecurity.verify.message.sent"

    message_status: Literal["SENT"] = field(default="SENT", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageUndelivered(_MessageStatusEvent):
    """The message with a code was sent but did not arrive."""

    TYPE = "com.twilio.accountsecurity.verify.message.undelivered"

    message_status: Literal["UNDELIVERED"] = field(default="UNDELIVERED", init=False)


DlrStatus: TypeAlias = Literal["SENT", "DELIVERED", "UNDELIVERED", "FAILED", "READ"]
"""What the carrier reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _VerifyEventStreamDLREvent(ProductEvent):
    """The carrier has reported on one attempt to send a code (``AccountSecurity.VerifyEventStreamDLREvent``,
    version 1).
    """

    id: str = field(default_factory=ids("hash"))
    service_sid: str
    """SID of the Verify service, VA and 32 hexadecimal digits."""
    verification_sid: str
    """SID of the verification, VE and 32 hexadecimal digits."""
    attempt_sid: str
    """SID of the attempt, VL and 32 hexadecimal digits."""
    channel: str | None = None
    """What it was sent by: SMS, WhatsApp, RCS or Voice."""
    created_at: str | None = None
    """When the report came, RFC 3339 with milliseconds."""
    dlr_status: DlrStatus | None = None
    """What the carrier reports."""
    error_code: str | None = None
    """Why it was not delivered, as text; absent where it was."""
    to: str | None = None
    """Who was written to, in E.164."""
    mcc: str | None = None
    """Mobile country code of the recipient's network; absent where it is not known."""
    mnc: str | None = None
    """Mobile network code of the recipient's network; absent where it is not known."""

    @override
    def event(self) -> Event:
        data: Data = {
            "account_sid": self.account_sid,
            "service_sid": self.service_sid,
            "verification_sid": self.verification_sid,
            "attempt_sid": self.attempt_sid,
            "channel": self.channel,
            "created_at": self.created_at,
            "dlr_status": self.dlr_status,
            "error_code": self.error_code,
            "to": self.to,
            "mcc": self.mcc,
            "mnc": self.mnc,
        }
        return self._event(
            data,
            version=1,
            source=f"/v1/Accounts/{self.account_sid}/Services/{self.service_sid}/Verifications/{self.verification_sid}",
            key=self.verification_sid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptDlrDelivered(_VerifyEventStreamDLREvent):
    """A carrier reports that a code has arrived.

    Restricted: only who is subscribed to it already gets it.
    """

    TYPE = "com.twilio.accountsecurity.verify.attempt-dlr.delivered"

    dlr_status: Literal["DELIVERED"] = field(default="DELIVERED", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptDlrFailed(_VerifyEventStreamDLREvent):
    """A carrier reports that a code could not be sent.

    Restricted: only who is subscribed to it already gets it.
    """

    TYPE = "com.twilio.accountsecurity.verify.attempt-dlr.failed"

    dlr_status: Literal["FAILED"] = field(default="FAILED", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptDlrRead(_VerifyEventStreamDLREvent):
    """A carrier reports that a code was read.

    Restricted: only who is subscribed to it already gets it.
    """

    TYPE = "com.twilio.accountsecurity.verify.attempt-dlr.read"

    dlr_status: Literal["READ"] = field(default="READ", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptDlrSent(_VerifyEventStreamDLREvent):
    """A carrier reports that a code was sent.

    Restricted: only who is subscribed to it already gets it.
    """

    TYPE = "com.twilio.accountsecurity.verify.attempt-dlr.sent"

    dlr_status: Literal["SENT"] = field(default="SENT", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptDlrUndelivered(_VerifyEventStreamDLREvent):
    """A carrier reports that a code did not arrive.

    Restricted: only who is subscribed to it already gets it.
    """

    TYPE = "com.twilio.accountsecurity.verify.attempt-dlr.undelivered"

    dlr_status: Literal["UNDELIVERED"] = field(default="UNDELIVERED", init=False)
