"""Messages: queued, sent, then delivered and perhaps read, or not; and those that customers send."""

from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Final

from eventstreams.events import Event
from eventstreams.times import rfc3339_ms
from producers.simulator.company import Company, Phone
from producers.simulator.story import Step, Story, new_id

_P_FAILED: Final = 0.02  # before it is sent
_P_UNDELIVERED: Final = 0.05
_P_READ: Final = 0.3  # of those delivered: only some channels tell
_P_INBOUND: Final = 0.2
_P_ANSWERED: Final = 0.5  # of the inbound ones
_UNDELIVERED_CODES: Final = (30003, 30005, 30006, 30007)  # unreachable, unknown, landline, filtered
_FAILED_CODE: Final = 30008  # unknown error
_CARRIERS: Final = (("310", "260"), ("310", "410"), ("311", "480"))  # mobile country and network codes
_SEGMENTS: Final = (1, 1, 1, 2, 3)
_QUESTIONS: Final = ("hello", "Where is my order?", "Can I come an hour later?", "Thanks!")


@dataclass(frozen=True, slots=True)
class _Message:
    sid: str
    company: Company
    ours: Phone
    theirs: Phone
    segments: int

    def event(self, rng: Random, name: str, data: dict[str, object], at: datetime) -> Event:
        owner = self.company.account_sid
        common = {
            "messageSid": self.sid,
            "accountSid": owner,
            "eventName": f"com.twilio.messaging.{name}",
            "timestamp": rfc3339_ms(at),
        }
        return Event(
            type=f"com.twilio.messaging.{name}",
            source=f"/2010-04-01/Accounts/{owner}/Messages/{self.sid}.json",
            account_sid=owner,
            data=common | data,
            id=new_id(rng, "EZ"),
            time=at,
        )

    def status(self, rng: Random, status: str, at: datetime, **more: object) -> Event:
        data: dict[str, object] = {
            "apiVersion": "2010-04-01",
            "from": self.ours.number,
            "to": self.theirs.number,
            "messageStatus": status.upper(),
            "messagingServiceSid": self.company.messaging_service_sid,
            "numberOfSegments": self.segments,
        }
        return self.event(rng, f"message.{status}", data | more, at)

    def received(self, rng: Random, at: datetime) -> Event:
        ours, theirs = self.ours.place, self.theirs.place
        data: dict[str, object] = {
            "from": self.theirs.number,
            "to": self.ours.number,
            "body": rng.choice(_QUESTIONS),
            "numSegments": self.segments,
            "numMedia": 0,
            "messagingServiceSid": self.company.messaging_service_sid,
            "fromCountry": "US",
            "fromState": theirs.state,
            "fromCity": theirs.city,
            "fromZip": theirs.zip,
            "toCountry": "US",
            "toState": ours.state,
            "toCity": ours.city,
            "toZip": ours.zip,
        }
        return self.event(rng, "inbound-message.received", data, at)


def message(company: Company, rng: Random, at: datetime) -> Story:
    """A message to a customer; or one from a customer, which may be answered."""
    ours, theirs = rng.choice(company.phones), Phone.some(rng)
    if rng.random() < _P_INBOUND:
        answered = rng.random() < _P_ANSWERED
        received = _Message(new_id(rng, "SM"), company, ours, theirs, segments=1).received(rng, at)
        at = yield Step(received, rng.uniform(2, 30) if answered else None)
        if not answered:
            return
    yield from _outbound(
        _Message(new_id(rng, "SM"), company, ours, theirs, segments=rng.choice((1, 1, 1, 2, 3))), rng, at
    )


def _outbound(message: _Message, rng: Random, at: datetime) -> Story:
    at = yield Step(message.status(rng, "queued", at), rng.uniform(0.05, 0.5))
    if rng.random() < _P_FAILED:
        yield Step(message.status(rng, "failed", at, errorCode=_FAILED_CODE), None)
        return
    at = yield Step(message.status(rng, "sent", at), rng.uniform(0.5, 4))
    if rng.random() < _P_UNDELIVERED:
        code = rng.choice(_UNDELIVERED_CODES)
        yield Step(message.status(rng, "undelivered", at, errorCode=code, **_receipt(rng, at)), None)
        return
    read = rng.random() < _P_READ
    delivered = message.status(rng, "delivered", at, **_receipt(rng, at))
    at = yield Step(delivered, rng.uniform(3, 60) if read else None)
    if read:
        yield Step(message.status(rng, "read", at), None)


def _receipt(rng: Random, at: datetime) -> dict[str, object]:
    """What the carrier tells with its delivery receipt."""
    country, network = rng.choice(_CARRIERS)
    return {"mcc": country, "mnc": network, "rawDlrDoneDate": f"{at:%y%m%d%H%M}", "dateUpdated": rfc3339_ms(at)}
