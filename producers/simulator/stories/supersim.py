"""Super SIM: a device attaches to a network, opens a data session, reports its usage, and ends it. Discontinued."""

from typing import Final

from eventstreams.events import Event
from producers.simulator.scene import Scene
from producers.simulator.story import SimulatedProduct, Story

_P_REJECTED: Final = 0.05
_P_FAILED: Final = 0.03
_DEVICES: Final = ("pump-1", "pump-2", "meter-1", "meter-2", "van-1", "van-2")
_NETWORKS: Final = (("310", "410", "AT&T"), ("310", "260", "T-Mobile US"))
_UPDATE_EVERY_S: Final = 360.0  # the reference reports on a running session every six minutes
_PREFIX: Final = "com.twilio.iot.supersim.connection"


def connection(scene: Scene) -> Story:
    """A device from its attachment to the end of its data session."""
    device, network = scene.pick(_DEVICES), scene.pick(_NETWORKS)
    chance = scene.rng.random()
    if chance < _P_REJECTED + _P_FAILED:
        name = "rejected" if chance < _P_REJECTED else "failed"
        yield _event(scene, f"attachment.{name}", device, network, error={"code": 48104, "message": "Not allowed"})
        return
    yield _event(scene, "attachment.accepted", device, network)
    scene.wait_about(3)
    session = scene.sid("PD")
    if scene.happens(_P_FAILED):
        error = {"code": 48205, "message": "No such access point"}
        yield _event(scene, "data-session.failed", device, network, data_session_sid=session, error=error)
        return
    began = scene.stamp_s
    about: dict[str, object] = {
        "data_session_sid": session,
        "data_session_start_time": began,
        "ip_address": f"100.64.0.{scene.rng.randrange(1, 255)}",
    }
    yield _event(scene, "data-session.started", device, network, **about)
    up, down = 0, 0
    names = ["data-session.updated"] * scene.rng.randrange(3) + ["data-session.ended"]
    for name in names:
        since, more_up, more_down = scene.stamp_s, scene.rng.randrange(5_000), scene.rng.randrange(20_000)
        scene.wait(_UPDATE_EVERY_S)
        up, down = up + more_up, down + more_down
        figures: dict[str, object] = {
            "data_session_update_start_time": since,
            "data_session_update_end_time": scene.stamp_s,
            "data_upload": more_up,
            "data_download": more_down,
            "data_total": more_up + more_down,
            "data_session_data_upload": up,
            "data_session_data_download": down,
            "data_session_data_total": up + down,
        }
        if name.endswith("ended"):
            figures["data_session_end_time"] = scene.stamp_s
        yield _event(scene, name, device, network, **about, **figures)


PRODUCT: Final = SimulatedProduct("supersim", 2, {connection: 1}, by_default=False)


def _event(scene: Scene, name: str, device: str, network: tuple[str, str, str], **more: object) -> Event:
    company, (country, code, network_name) = scene.company, network
    sim, event_sid = company.sid("HS", device), scene.sid("EZ")
    data: dict[str, object] = {
        "event_sid": event_sid,
        "event_type": f"{_PREFIX}.{name}",
        "account_sid": company.account_sid,
        "sim_sid": sim,
        "sim_iccid": f"8988307000000000{_DEVICES.index(device):04}",
        "sim_unique_name": device,
        "timestamp": scene.stamp_s,
        "fleet_sid": company.sid("HF"),
        "network": {"mcc": country, "mnc": code, "sid": company.sid("HW", code), "friendly_name": network_name},
        "rat_type": "4G",
        "apn": "super",
        **more,
    }
    return scene.event(f"{_PREFIX}.{name}", f"/v1/Sims/{sim}", data, event_id=event_sid)
