"""Calls: initiated, ringing, answered, completed, or not answered at all; the summary comes later."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum
from random import Random
from typing import Final

from eventstreams.events import Event
from eventstreams.times import rfc3339_ms, rfc3339_s
from producers.simulator.company import Company, Phone
from producers.simulator.story import Step, Story, new_id

_CALLBACK_URL: Final = "https://voice.example.com/status"
_CARRIERS: Final = ("Example Mobile", "Example Wireless", "Example Landline")
_PARTIAL_AFTER_S: Final = 600.0  # the reference: the first summary ten minutes after the call, the last after thirty
_COMPLETE_AFTER_S: Final = 1200.0


class _End(StrEnum):
    """How a call ends, in the words of its last status."""

    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"


_ENDS: Final = (_End.COMPLETED, _End.NO_ANSWER, _End.BUSY, _End.FAILED)
_ENDS_OF_100: Final = (80, 11, 6, 3)
_SUMMARY_STATES: Final = {
    _End.COMPLETED: "completed",
    _End.BUSY: "busy",
    _End.NO_ANSWER: "noanswer",
    _End.FAILED: "fail",
}
_SIP_CODES: Final = {_End.COMPLETED: 200, _End.BUSY: 486, _End.NO_ANSWER: 487, _End.FAILED: 503}


@dataclass(frozen=True, slots=True)
class _Call:
    sid: str
    company: Company
    ours: Phone
    theirs: Phone
    created: datetime

    def status(self, rng: Random, name: str, status: str, at: datetime, **more: str) -> Event:
        """What the customer's status callback got, and what it answered."""
        owner, event_sid = self.company.account_sid, new_id(rng, "VW")
        parameters = {
            "CallSid": self.sid,
            "AccountSid": owner,
            "From": self.ours.number,
            "To": self.theirs.number,
            "Direction": "outbound-api",
            "CallStatus": status,
        }
        asked = format_datetime(at)
        data: dict[str, object] = {
            "sid": self.sid,
            "eventSid": event_sid,
            "requestDateCreated": asked,
            "timestamp": rfc3339_ms(at),
            "request": {"method": "POST", "url": _CALLBACK_URL, "parameters": parameters | more},
            "response": {
                "responseCode": 200,
                "requestDuration": rng.randrange(20, 300),
                "contentType": "text/xml",
                "responseBody": "PFJlc3BvbnNlLz4=",  # <Response/>
                "dateCreated": asked,
            },
        }
        return Event(
            type=f"com.twilio.voice.status-callback.call.{name}",
            source=f"/2010-04-01/Accounts/{owner}/Calls/{self.sid}.json",
            account_sid=owner,
            data=data,
            id=event_sid,
            time=at,
        )


def call(company: Company, rng: Random, at: datetime) -> Story:
    """A call to a customer, from its initiation to its complete summary."""
    made = _Call(new_id(rng, "CA"), company, rng.choice(company.phones), Phone.some(rng), created=at)
    end = rng.choices(_ENDS, _ENDS_OF_100)[0]
    at = yield Step(made.status(rng, "initiated", "initiated", at), rng.uniform(0.3, 1.5))
    dialed = at - made.created
    if end is not _End.FAILED:
        rings_for_s = 30.0 if end is _End.NO_ANSWER else rng.uniform(2, 12)
        at = yield Step(made.status(rng, "ringing", "ringing", at), rings_for_s)
    answered: datetime | None = None
    if end is _End.COMPLETED:
        answered = at
        at = yield Step(made.status(rng, "answered", "in-progress", at), rng.uniform(5, 180))
    ended, talked_s = at, round((at - answered).total_seconds()) if answered else 0
    last = made.status(rng, "completed", end, ended, CallDuration=str(talked_s))
    at = yield Step(last, _PARTIAL_AFTER_S)
    summary = _Summary(made, end, answered, ended, dialed=dialed, carrier=rng.choice(_CARRIERS))
    at = yield Step(summary.event(rng, "partial", at), _COMPLETE_AFTER_S)
    yield Step(summary.event(rng, "complete", at), None)


@dataclass(frozen=True, slots=True)
class _Summary:
    call: _Call
    end: _End
    answered: datetime | None
    ended: datetime
    dialed: timedelta
    carrier: str

    def event(self, rng: Random, processing_state: str, at: datetime) -> Event:
        call, owner = self.call, self.call.company.account_sid
        began = self.answered or self.ended
        data: dict[str, object] = {
            "call_sid": call.sid,
            "account_sid": owner,
            "created_time": rfc3339_s(call.created),
            "start_time": rfc3339_s(call.created),
            "end_time": rfc3339_s(self.ended),
            "duration": round((self.ended - call.created).total_seconds()),
            "connect_duration": round((self.ended - began).total_seconds()),
            "call_type": "carrier",
            "call_state": _SUMMARY_STATES[self.end],
            "from": _party(call.ours, "caller", carrier="Event Streams", connection="voip"),
            "to": _party(call.theirs, "callee", carrier=self.carrier, connection="mobile"),
            "processing_state": processing_state,
            "processing_version": 1,
            "properties": {
                "last_sip_response_num": _SIP_CODES[self.end],
                "pdd_ms": self.dialed // timedelta(milliseconds=1),
                "queue_time": 0,
                "disconnected_by": "callee" if self.answered else "caller",
                "direction": "outbound_api",
            },
        }
        return Event(
            type=f"com.twilio.voice.insights.call-summary.{processing_state}",
            source=f"/v1/Voice/{call.sid}/Summary",
            account_sid=owner,
            data=data,
            id=new_id(rng, "EZ"),
            time=at,
        )


def _party(phone: Phone, role: str, *, carrier: str, connection: str) -> dict[str, object]:
    place = phone.place
    return {
        role: phone.number,
        "carrier": carrier,
        "connection": connection,
        "number_prefix": phone.number[1:5],
        "location": {"lat": place.latitude, "lon": place.longitude},
        "city": place.city.title(),
        "country_code": "US",
        "country_subdivision": place.state,
    }
