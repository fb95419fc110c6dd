"""Verifications: a code is sent, and the right one is entered, or time or attempts run out."""

from dataclasses import dataclass, field
from typing import Final

from eventstreams.events import Event
from producers.simulator.scene import Scene
from producers.simulator.stories.messaging import CARRIERS
from producers.simulator.story import SimulatedProduct, Story

_P_FAILED: Final = 0.02  # of the messages: before they are sent
_P_UNDELIVERED: Final = 0.05
_P_READ: Final = 0.3
_P_RESENT: Final = 0.15  # the customer asks for another code
_P_WRONG: Final = 0.12  # of the codes that are entered
_ENDS: Final = {"approved": 85, "expired": 9, "canceled": 3, "max_attempts_reached": 3}
_CHANNELS: Final = {"SMS": 8, "CALL": 1, "WHATSAPP": 2}
_MAX_CHECKS: Final = 5  # the reference's limit
_EXPIRES_AFTER_S: Final = 600.0  # the reference: a code is valid for ten minutes
_CARRIERS_CODE: Final = {"30003": 3, "30005": 2, "30006": 1}


def verification(scene: Scene) -> Story:
    """A verification from its first code to its end."""
    made = _Verification(scene)
    began_ms = scene.now_ms
    yield from made.send_code(scene)
    if scene.happens(_P_RESENT):
        scene.wait_about(40)
        yield from made.send_code(scene)
    end = scene.pick_weighted(_ENDS)
    match end:
        case "expired":
            scene.wait(max(0.0, _EXPIRES_AFTER_S - (scene.now_ms - began_ms) / 1000))
        case "canceled":
            scene.wait_about(20)
        case "max_attempts_reached":
            for _ in range(_MAX_CHECKS):
                scene.wait_about(6)
                made.check_code(scene)
        case _:
            while scene.happens(_P_WRONG) and len(made.checks) < _MAX_CHECKS - 1:
                scene.wait_about(6)
                made.check_code(scene)
            scene.wait_about(15)
            made.check_code(scene)
    yield made.event(scene, end)


PRODUCT: Final = SimulatedProduct("verify", 10, {verification: 1})


@dataclass(slots=True)
class _Attempt:
    sid: str
    channel: str
    at: str
    status: str = "SENT"


@dataclass(slots=True)
class _Verification:
    scene: Scene
    sid: str = field(init=False)
    to: str = field(init=False)
    created: str = field(init=False)
    attempts: list[_Attempt] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sid, self.to, self.created = self.scene.sid("VE"), self.scene.customer().number, self.scene.stamp

    def check_code(self, scene: Scene) -> None:
        self.checks.append(scene.stamp)

    def send_code(self, scene: Scene) -> Story:
        attempt = _Attempt(scene.sid("VL"), scene.pick_weighted(_CHANNELS), scene.stamp)
        self.attempts.append(attempt)
        yield self.event(scene, "pending")
        scene.wait_about(0.5)
        if scene.happens(_P_FAILED):
            attempt.status = "FAILED"
            yield self._message(scene, attempt, error_code="30008")
            return
        yield self._message(scene, attempt)
        scene.wait_about(2)
        if scene.happens(_P_UNDELIVERED):
            attempt.status = "UNDELIVERED"
            yield self._message(scene, attempt, error_code=scene.pick_weighted(_CARRIERS_CODE))
            return
        attempt.status = "DELIVERED"
        yield self._message(scene, attempt)
        if scene.happens(_P_READ):
            scene.wait_about(8)
            attempt.status = "READ"
            yield self._message(scene, attempt)

    def event(self, scene: Scene, status: str) -> Event:
        data: dict[str, object] = {
            "account_sid": scene.company.account_sid,
            "service_sid": scene.company.sid("VA"),
            "verification_sid": self.sid,
            "friendly_name": "Login",
            "custom_code_enabled": False,
            "created_at": self.created,
            "to": self.to,
            "verification_status": status.upper(),
            "country": "US",
            "code_length": 6,
            "send_code_attempts": {
                "count": len(self.attempts),
                "attempts": [
                    {"time": each.at, "channel": each.channel, "attempt_sid": each.sid, "delivery_status": each.status}
                    for each in self.attempts
                ],
            },
            "check_code_attempts": {"count": len(self.checks), "attempts": [{"time": each} for each in self.checks]},
        }
        if status == "approved":
            data["verified_at"] = scene.stamp
        return self._event(scene, f"verification.{status}", data)

    def _message(self, scene: Scene, attempt: _Attempt, **more: object) -> Event:
        country, network = scene.pick(CARRIERS)
        data: dict[str, object] = {
            "account_sid": scene.company.account_sid,
            "service_sid": scene.company.sid("VA"),
            "verification_sid": self.sid,
            "attempt_sid": attempt.sid,
            "channel": attempt.channel,
            "created_at": scene.stamp,
            "message_status": attempt.status,
            "to": self.to,
            "mcc": country,
            "mnc": network,
            "number_segments": 1,
            "has_fallback": False,
            "is_fallback": False,
            **more,
        }
        return self._event(scene, f"message.{attempt.status.lower()}", data)

    def _event(self, scene: Scene, name: str, data: dict[str, object]) -> Event:
        company = scene.company
        source = f"/v1/Accounts/{company.account_sid}/Services/{company.sid('VA')}/Verifications/{self.sid}"
        event_id = f"{scene.rng.getrandbits(256):064x}"  # a hash, as in the reference
        return scene.event(f"com.twilio.accountsecurity.verify.{name}", source, data, event_id=event_id)
