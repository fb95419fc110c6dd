"""A customer whose sinks are slow, and who publishes when a test asks for it; otherwise as ``customer.py``, beside it.

Each subscription has an event type and a sink of its own. A test asks by ``GET``:
``/publish/N/M`` N events for each of M subscriptions, ``/answers/S`` every delivery has the status S from now on,
``/retries/T`` a retry waits for T at most from now on, ``/paused/true`` or ``/paused/false`` for all sinks, ``/report``
what was found.
"""

import json
from collections.abc import Callable, Mapping
from typing import ClassVar

from typing_extensions import override

from tests.cluster.customer import ADDRESS, PORT, Receiver, Server, form, publish

EVENT_TYPES = [f"com.twilio.messaging.message.{each}" for each in ("sent", "delivered", "failed")]
RATE = 5  # events a second to each sink: then a burst lasts for as long as pods take to come
MOST = 300  # events of a request


class State:
    """What a test has asked for."""

    status: ClassVar[int] = 204
    sinks: ClassVar[list[str]] = []
    subscriptions: ClassVar[list[str]] = []


class Subscriber(Receiver):
    @override
    def do_POST(self) -> None:
        if State.status == 204:
            super().do_POST()
            return
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(State.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    @override
    def do_GET(self) -> None:
        what, *values = self.path.strip("/").split("/")
        if what in DONE:
            DONE[what](*values)
        super().do_GET()


def publish_each(count: str, types: str) -> None:
    for event_type in EVENT_TYPES[: int(types)]:
        for begun in range(0, int(count), MOST):
            publish(min(MOST, int(count) - begun), event_type)


def answer(status: str) -> None:
    State.status = int(status)


def set_retries(longest: str) -> None:
    for subscription in State.subscriptions:
        form("write", f"/v1/Subscriptions/{subscription}/Delivery", RetryDelays=longest)


def pause(whether: str) -> None:
    for sink in State.sinks:
        form("write", f"/v1/Sinks/{sink}/Delivery", Paused=whether)


DONE: Mapping[str, Callable[..., None]] = {
    "publish": publish_each,
    "answers": answer,
    "retries": set_retries,
    "paused": pause,
}


def subscribe(event_type: str) -> None:
    configuration = json.dumps({"destination": f"http://{ADDRESS}:{PORT}/events"})
    made = form("write", "/v1/Sinks", Description=event_type, SinkType="webhook", SinkConfiguration=configuration)
    sink = str(made["sid"])
    form("write", f"/v1/Sinks/{sink}/Delivery", RateLimit=str(RATE))
    State.sinks.append(sink)
    types = json.dumps({"type": event_type})
    made = form("write", "/v1/Subscriptions", Description=event_type, SinkSid=sink, Types=types)
    State.subscriptions.append(str(made["sid"]))


if __name__ == "__main__":
    for each in EVENT_TYPES:
        subscribe(each)
    Server(("", PORT), Subscriber).serve_forever()  # the pod is ready from here on
