"""Blocked addresses: a stranger tries an account's key a few times."""

from typing import Final

from producers.simulator.scene import Scene
from producers.simulator.story import SimulatedProduct, Story

_P_DRY_RUN: Final = 0.4
_NETWORKS: Final = ("192.0.2", "198.51.100", "203.0.113")  # reserved for documentation
_RESOURCES: Final = ("Messages.json", "Calls.json", "Usage/Records.json")


def stranger(scene: Scene) -> Story:
    """Requests from one address until it gives up."""
    account = scene.company.account_sid
    address = f"{scene.pick(_NETWORKS)}.{scene.rng.randrange(1, 255)}"
    event_type = f"com.twilio.iam.ip.blocked{'.dryrun' if scene.happens(_P_DRY_RUN) else ''}"
    for _ in range(scene.rng.randrange(1, 4)):
        data = {
            "timestamp": str(scene.now_ms),
            "account_sid": account,
            "request_sid": scene.sid("RQ"),
            "address": address,
            "action": scene.pick(("GET", "POST")),
            "resource": f"/2010-04-01/Accounts/{account}/{scene.pick(_RESOURCES)}",
            "authentication_method": "api_key",
            "auth_sid": scene.company.sid("SK"),
        }
        yield scene.event(event_type, f"/v1/Accounts/{account}", data)
        scene.wait_about(3)


PRODUCT: Final = SimulatedProduct("iam", 1, {stranger: 1})
