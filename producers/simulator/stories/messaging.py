"""Messages: queued, sent, then delivered or not, and perhaps read; and those that customers send."""

from dataclasses import dataclass
from typing import Final

from eventstreams.events import Event
from producers.simulator.company import Phone
from producers.simulator.scene import Scene
from producers.simulator.story import SimulatedProduct, Story

_P_FAILED: Final = 0.02  # before it is sent
_P_UNDELIVERED: Final = 0.05
_P_READ: Final = 0.3  # of those delivered; only some channels report it
_P_ANSWERED: Final = 0.5  # of the inbound ones
_P_STOP: Final = 0.05  # of the inbound ones: the customer opts out
_P_REASSIGNED: Final = 0.3  # of numbers that are unreachable or unknown: another person has them now
# The reference's codes: unreachable, unknown, landline, filtered; and its codes for other failures.
_UNDELIVERED: Final = {30003: 5, 30005: 3, 30006: 1, 30007: 2}
_FAILED: Final = {30008: 3, 30034: 1}
_GONE: Final = (30003, 30005)
_SEGMENTS: Final = {1: 6, 2: 2, 3: 1}
_QUESTIONS: Final = ("hello", "Where is my order?", "Can I come an hour later?", "Thanks!")
CARRIERS: Final = (("310", "260"), ("310", "410"), ("311", "480"))  # mobile country and network codes


def to_a_customer(scene: Scene) -> Story:
    """A message that the company sends."""
    return _sent(scene, scene.pick(scene.company.phones), scene.customer())


def from_a_customer(scene: Scene) -> Story:
    """An inbound message, which may be answered."""
    ours, theirs = scene.pick(scene.company.phones), scene.customer()
    stop = scene.happens(_P_STOP)
    yield _received(scene, ours, theirs, "STOP" if stop else scene.pick(_QUESTIONS), stop=stop)
    if not stop and scene.happens(_P_ANSWERED):
        scene.wait_about(12)
        yield from _sent(scene, ours, theirs)


PRODUCT: Final = SimulatedProduct("messaging", 40, {to_a_customer: 4, from_a_customer: 1})


@dataclass(frozen=True, slots=True)
class _Message:
    sid: str
    ours: Phone
    theirs: Phone
    segments: int

    def status(self, scene: Scene, status: str, **more: object) -> Event:
        account = scene.company.account_sid
        event_type = f"com.twilio.messaging.message.{status}"
        data: dict[str, object] = {
            "messageSid": self.sid,
            "accountSid": account,
            "eventName": event_type,
            "timestamp": scene.stamp,
            "apiVersion": "2010-04-01",
            "from": self.ours.number,
            "to": self.theirs.number,
            "messageStatus": status.upper(),
            "messagingServiceSid": scene.company.sid("MG"),
            "numberOfSegments": self.segments,
            **more,
        }
        return scene.event(event_type, f"/2010-04-01/Accounts/{account}/Messages/{self.sid}.json", data)


def _sent(scene: Scene, ours: Phone, theirs: Phone) -> Story:
    message = _Message(scene.sid("SM"), ours, theirs, scene.pick_weighted(_SEGMENTS))
    yield message.status(scene, "queued")
    scene.wait_about(0.2)
    if scene.happens(_P_FAILED):
        yield message.status(scene, "failed", errorCode=scene.pick_weighted(_FAILED))
        return
    yield message.status(scene, "sent")
    scene.wait_about(2, spread=0.8)
    if scene.happens(_P_UNDELIVERED):
        code = scene.pick_weighted(_UNDELIVERED)
        yield message.status(scene, "undelivered", errorCode=code, **_receipt(scene))
        if code in _GONE and scene.happens(_P_REASSIGNED):
            scene.wait_about(60)
            yield _reassigned(scene, message)
        return
    yield message.status(scene, "delivered", **_receipt(scene))
    if scene.happens(_P_READ):
        scene.wait_about(25, spread=1)
        yield message.status(scene, "read")


def _receipt(scene: Scene) -> dict[str, object]:
    """The fields from the carrier's delivery receipt."""
    country, network = scene.pick(CARRIERS)
    return {"mcc": country, "mnc": network, "rawDlrDoneDate": f"{scene.time:%y%m%d%H%M}", "dateUpdated": scene.stamp}


def _received(scene: Scene, ours: Phone, theirs: Phone, body: str, *, stop: bool) -> Event:
    account, sid = scene.company.account_sid, scene.sid("SM")
    event_type = "com.twilio.messaging.inbound-message.received"
    country, network = scene.pick(CARRIERS)
    data: dict[str, object] = {
        "messageSid": sid,
        "accountSid": account,
        "eventName": event_type,
        "timestamp": scene.stamp,
        "from": theirs.number,
        "to": ours.number,
        "body": body,
        "numSegments": 1,
        "numMedia": 0,
        "messagingServiceSid": scene.company.sid("MG"),
        "mcc": country,
        "mnc": network,
        "fromCountry": "US",
        "fromState": theirs.place.state,
        "fromCity": theirs.place.city,
        "fromZip": theirs.place.zip,
        "toCountry": "US",
        "toState": ours.place.state,
        "toCity": ours.place.city,
        "toZip": ours.place.zip,
    }
    if stop:
        data["optOutType"] = "STOP"
    return scene.event(event_type, f"/2010-04-01/Accounts/{account}/Messages/{sid}.json", data)


def _reassigned(scene: Scene, message: _Message) -> Event:
    data = {
        "account_sid": scene.company.account_sid,
        "phone_number": message.theirs.number,
        "detected_at": scene.stamp,
        "message_sid": message.sid,
        "messaging_service_sid": scene.company.sid("MG"),
    }
    number = message.theirs.number
    return scene.event("com.twilio.messaging.reassigned-number.detected", f"/v1/PhoneNumbers/{number}", data)
