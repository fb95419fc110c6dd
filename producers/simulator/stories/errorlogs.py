"""Error logs: something on the customer's side does not work until it is fixed."""

from typing import Final

from producers.simulator.scene import Scene
from producers.simulator.story import SimulatedProduct, Story

# Errors of customers' own servers, by the reference's codes, and the product that reports each.
_ERRORS: Final = (("11200", "Voice"), ("11205", "Messaging"), ("12100", "Voice"), ("93101", "Event Streams"))


def trouble(scene: Scene) -> Story:
    """The same error a few times, as long as its cause persists."""
    account = scene.company.account_sid
    code, product = scene.pick(_ERRORS)
    correlation = scene.sid("ZE")
    for _ in range(scene.rng.randrange(1, 5)):
        sid = scene.sid("NO")
        data = {
            "sid": sid,
            "account_sid": account,
            "date_created": scene.stamp,
            "level": "ERROR",
            "request_sid": scene.sid("RQ"),
            "service_sid": scene.company.sid("ZH"),
            "correlation_sid": correlation,
            "product_name": product,
            "error_code": code,
            "payload": '{"url":"https://customer.example/hook"}',
        }
        yield scene.event(
            "com.twilio.error-logs.error.logged", f"/v1/Alerts/{sid}", data, key=correlation, event_id=sid
        )
        scene.wait_about(20)


PRODUCT: Final = SimulatedProduct("errorlogs", 2, {trouble: 1})
