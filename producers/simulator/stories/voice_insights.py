"""Measurements of a call: metrics and notable events during it, and summaries after its end."""

from dataclasses import dataclass
from typing import Final

from eventstreams.events import Event
from producers.simulator.company import Phone
from producers.simulator.scene import Scene
from producers.simulator.story import Story

# The reference: the first summary ten minutes after the call, the last after thirty.
_PARTIAL_AFTER_MS: Final = 600_000
_PREDICTED_AFTER_MS: Final = 900_000
_COMPLETE_AFTER_MS: Final = 1_800_000
_P_PREDICTED: Final = 0.3
_P_NOTICED: Final = 0.4
_P_SDK: Final = 0.4  # of the measurements: the company's end is a client library
_CARRIERS: Final = ("Example Mobile", "Example Wireless", "Example Landline")
_STATES: Final = {"completed": "completed", "busy": "busy", "no-answer": "noanswer", "failed": "fail"}
_SIP_CODES: Final = {"completed": 200, "busy": 486, "no-answer": 487, "failed": 503}
_PREFIX: Final = "com.twilio.voice.insights"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A call that is over."""

    sid: str
    ours: Phone
    theirs: Phone
    end: str
    direction: str
    created: str
    ended: str
    duration_s: int
    talked_s: int


def measured(scene: Scene, call_sid: str) -> Story:
    """Metrics of ten seconds of a call, and perhaps a notable event."""
    kind, edge = ("sdk", "sdk_edge") if scene.happens(_P_SDK) else ("gateway", "carrier_edge")
    lost, jitter = scene.rng.randrange(6), round(scene.rng.uniform(0.5, 45), 2)
    common = {"call_sid": call_sid, "account_sid": scene.company.account_sid, "edge": edge}
    source = f"/v1/Voice/{call_sid}/Metrics"
    interval = {"packets_received": 500 - lost, "packets_lost": lost, "jitter": jitter}
    figures = {**common, "timestamp": scene.stamp, "direction": "both", edge: {"interval": interval}}
    yield scene.event(f"{_PREFIX}.call-metrics.{kind}", source, figures, key=call_sid)
    if scene.happens(_P_NOTICED):
        scene.wait(0.1, 1)
        about: dict[str, object] = {
            **common,
            "timestamp": scene.stamp,
            "name": "high-jitter",
            "group": "network-quality-warning-raised",
            "level": "WARNING",
        }
        if kind == "sdk":
            about[edge] = {"metric": {"threshold": 30.0, "values": [jitter]}}
        else:
            about[edge] = {"metadata": {"region": "us1", "edge_location": "ashburn"}}
        yield scene.event(f"{_PREFIX}.call-event.{kind}", f"/v1/Voice/{call_sid}/Events", about, key=call_sid)


def summaries(scene: Scene, call: Ended, *, over_ms: int) -> Story:
    """The summaries of a call that ended at ``over_ms``."""
    carrier, pdd_ms = scene.pick(_CARRIERS), scene.rng.randrange(400, 6000)
    states = {"partial": _PARTIAL_AFTER_MS, "complete": _COMPLETE_AFTER_MS}
    if scene.happens(_P_PREDICTED):
        states = {
            "partial": _PARTIAL_AFTER_MS,
            "predicted-complete": _PREDICTED_AFTER_MS,
            "complete": _COMPLETE_AFTER_MS,
        }
    for state, after_ms in states.items():
        scene.wait(max(0, over_ms + after_ms - scene.now_ms) / 1000)
        yield _summary(scene, call, state, carrier, pdd_ms)


def _summary(scene: Scene, call: Ended, state: str, carrier: str, pdd_ms: int) -> Event:
    inbound = call.direction == "inbound"
    ours = _party(call.ours, "callee" if inbound else "caller", carrier="Event Streams", connection="voip")
    theirs = _party(call.theirs, "caller" if inbound else "callee", carrier=carrier, connection="mobile")
    data: dict[str, object] = {
        "call_sid": call.sid,
        "account_sid": scene.company.account_sid,
        "created_time": call.created,
        "start_time": call.created,
        "end_time": call.ended,
        "duration": call.duration_s,
        "connect_duration": call.talked_s,
        "call_type": "carrier",
        "call_state": _STATES[call.end],
        "from": theirs if inbound else ours,
        "to": ours if inbound else theirs,
        "processing_state": state,
        "processing_version": 1,
        "properties": {
            "last_sip_response_num": _SIP_CODES[call.end],
            "pdd_ms": pdd_ms,
            "queue_time": 0,
            "disconnected_by": "callee" if call.talked_s else "caller",
            "direction": call.direction.replace("-", "_"),
        },
    }
    return scene.event(f"{_PREFIX}.call-summary.{state}", f"/v1/Voice/{call.sid}/Summary", data, key=call.sid)


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
