"""Push notifications: one is sent to each device of a person, and arrives or fails."""

from typing import Final

from producers.simulator.scene import Scene
from producers.simulator.story import SimulatedProduct, Story

_P_FAILED: Final = 0.08
_NOT_REGISTERED: Final = 52143
_DEVICES: Final = (1, 1, 2)


def notification(scene: Scene) -> Story:
    """A notification, until its result is known for every device."""
    sid, identity = scene.sid("NT"), scene.pick(scene.company.people)
    for number in range(scene.pick(_DEVICES)):
        scene.wait_about(0.6)
        failed = scene.happens(_P_FAILED)
        data: dict[str, object] = {
            "account_sid": scene.company.account_sid,
            "service_sid": scene.company.sid("IS"),
            "notification_sid": sid,
            "binding_sid": scene.company.sid("BS", f"{identity} {number}"),
            "identity": identity,
            "binding_type": ("fcm", "apn")[number],
            "status": "failed" if failed else "delivered",
            "timestamp": scene.stamp,
        }
        if failed:
            data["error_code"] = _NOT_REGISTERED
        yield scene.event("com.twilio.notify.notification.delivered", f"/v1/Notifications/{sid}", data)


PRODUCT: Final = SimulatedProduct("notify", 3, {notification: 1})
