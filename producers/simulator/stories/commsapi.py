"""The Comms API: an operation is scheduled, then sends messages to some recipients in parallel."""

from functools import partial
from typing import Final

from eventstreams.events import Event
from producers.simulator.scene import Scene
from producers.simulator.story import SimulatedProduct, Story, together

_P_SCHEDULED: Final = 0.3
_P_FAILED: Final = 0.03
_P_UNDELIVERED: Final = 0.06
_P_READ: Final = 0.4
_UNDELIVERED: Final = {"30003": 3, "30005": 2, "30007": 1}
_CHANNELS: Final = {"SMS": 6, "WHATSAPP": 3, "RCS": 1}
_RECIPIENTS: Final = (1, 1, 2, 3, 5)


def campaign(scene: Scene) -> Story:
    """An operation from its beginning until all of its messages have ended."""
    operation = _Operation(scene, total=scene.pick(_RECIPIENTS))
    if scene.happens(_P_SCHEDULED):
        yield operation.event(scene, "scheduled", scheduled_for=scene.stamp)
        scene.wait_about(60)
    yield operation.event(scene, "processing")
    scene.wait(0.05, 0.3)
    channel = scene.pick_weighted(_CHANNELS)
    messages = [_message(scene.aside(), operation.id, channel) for _ in range(operation.total)]
    last = scene.now_ms
    for event in together(*messages):
        yield event
        last = round(event.time.timestamp() * 1000)
    scene.wait((last - scene.now_ms) / 1000 + 0.2)
    yield operation.event(scene, "completed")


def inbound(scene: Scene) -> Story:
    """An inbound message."""
    tell = partial(_told, scene, scene.sid("comms_message_"), None, scene.pick_weighted(_CHANNELS))
    yield tell("inbound", scene.customer().number, scene.pick(scene.company.phones).number, text="Yes, please")


PRODUCT: Final = SimulatedProduct("commsapi", 4, {campaign: 3, inbound: 1})


class _Operation:
    def __init__(self, scene: Scene, *, total: int) -> None:
        self.id = scene.sid("comms_operation_")
        self.total = total
        self._created = scene.stamp

    def event(self, scene: Scene, status: str, **more: object) -> Event:
        data: dict[str, object] = {
            "operation_id": self.id,
            "account_sid": scene.company.account_sid,
            "status": status.upper(),
            "created_at": self._created,
            "updated_at": scene.stamp,
            "total": self.total,
            **more,
        }
        return scene.event(f"com.twilio.comms-api.operation.{status}", f"/v1/Operations/{self.id}", data)


def _message(scene: Scene, operation: str, channel: str) -> Story:
    ours, theirs = scene.pick(scene.company.phones).number, scene.customer().number
    tell = partial(_told, scene, scene.sid("comms_message_"), operation, channel)
    yield tell("queued", ours, theirs)
    scene.wait_about(0.3)
    if scene.happens(_P_FAILED):
        yield tell("failed", ours, theirs, error_code="30008")
        return
    yield tell("sent", ours, theirs)
    scene.wait_about(2)
    if scene.happens(_P_UNDELIVERED):
        yield tell("undelivered", ours, theirs, error_code=scene.pick_weighted(_UNDELIVERED))
        return
    yield tell("delivered", ours, theirs)
    if scene.happens(_P_READ):
        scene.wait_about(30)
        yield tell("read", ours, theirs)


def _told(
    scene: Scene, message: str, operation: str | None, channel: str, status: str, ours: str, theirs: str, **more: object
) -> Event:
    data: dict[str, object] = {
        "message_id": message,
        "account_sid": scene.company.account_sid,
        "status": status.upper(),
        "channel": channel,
        "from": ours,
        "to": theirs,
        "timestamp": scene.stamp,
        **more,
    }
    if operation is not None:
        data["operation_id"] = operation
    return scene.event(f"com.twilio.comms-api.message.{status}", f"/v1/Messages/{message}", data)
