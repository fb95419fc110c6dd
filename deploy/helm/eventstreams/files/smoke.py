"""What ``helm test`` runs: signs in, subscribes with a paused sink, publishes, and follows the event past the router.

Nothing leaves the cluster: the sink delivers nothing while it is paused, and is removed at the end.
"""

import base64
import http
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

API, GATEWAY = os.environ["API"], os.environ.get("GATEWAY")
SINK_TYPES = os.environ.get("SINK_TYPES", "webhook").replace(" ", "").split(",")
SID = os.environ["ACCOUNT_SID"]
BASIC = base64.b64encode(f"{SID}:{os.environ['AUTH_TOKEN']}".encode()).decode()
EVENT_TYPE = "com.twilio.messaging.message.sent"
MESSAGE = "SM00000000000000000000000000000001"
TIMEOUT_S = 120.0


def ask(
    method: str, url: str, body: bytes | None = None, content_type: str = "", *, may_be_missing: bool = False
) -> dict[str, object]:
    """The answer, as JSON; ends the test with what was answered where that is an error."""
    headers = {"Authorization": f"Basic {BASIC}"} | ({"Content-Type": content_type} if body is not None else {})
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            found: dict[str, object] = json.loads(answer.read() or b"{}")
            return found
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.NOT_FOUND and may_be_missing:
            return {}
        sys.exit(f"{method} {url} was answered {error.code}: {error.read().decode(errors='replace')[:1000]}")
    except OSError as error:
        sys.exit(f"{method} {url} was not answered: {error}")


def post(path: str, **form: str) -> dict[str, object]:
    """The answer of the API to a form."""
    body = urllib.parse.urlencode(form).encode()
    return ask("POST", f"{API}{path}", body, "application/x-www-form-urlencoded")


def main() -> None:
    """Ends with one sentence where something fails."""
    found = ask("GET", f"{API}/v1/Types/{EVENT_TYPE}")
    print(f"the API at {API} lets us in and knows {found['type']}")
    if GATEWAY is None:
        print("no gateway is installed, so nothing is published")
        print("all is well")
        return
    if "webhook" not in SINK_TYPES:
        print("no sinks of type webhook can be created, so nothing is followed")
        publish()
        print("all is well")
        return
    configuration = json.dumps({"destination": "https://example.com/"})
    sink = post("/v1/Sinks", Description="helm test", SinkType="webhook", SinkConfiguration=configuration)
    with removed_after(f"/v1/Sinks/{sink['sid']}"):
        post(f"/v1/Sinks/{sink['sid']}/Delivery", Paused="true")
        types = json.dumps({"type": EVENT_TYPE})
        subscription = post("/v1/Subscriptions", Description="helm test", SinkSid=str(sink["sid"]), Types=types)
        with removed_after(f"/v1/Subscriptions/{subscription['sid']}"):
            follow(publish(), str(subscription["sid"]))
    print("all is well")


@contextmanager
def removed_after(path: str) -> Iterator[None]:
    """Remove what is at ``path`` at the end. If that fails, the test still ends with what failed first."""
    try:
        yield
    except BaseException:
        try:
            ask("DELETE", f"{API}{path}")
        except SystemExit as error:
            print(f"left behind: {error}")
        raise
    ask("DELETE", f"{API}{path}")


def publish() -> str:
    """The id of an event that the gateway took."""
    data = {
        "messageSid": MESSAGE,
        "accountSid": SID,
        "eventName": EVENT_TYPE,
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
        "messageStatus": "SENT",
        "apiVersion": "2010-04-01",
        "from": "+15005550006",
        "to": "+15005550010",
    }
    event = {"specversion": "1.0", "type": EVENT_TYPE, "source": f"/messages/{MESSAGE}", "data": data}
    answer = ask("POST", f"{GATEWAY}/v1/Events", json.dumps(event).encode(), "application/cloudevents+json")
    print(f"the gateway at {GATEWAY} answered {json.dumps(answer)}")
    [event_id] = answer["ids"]  # type: ignore[misc]
    return str(event_id)


def follow(event_id: str, subscription_sid: str) -> None:
    """Return once a router has copied the event to the subscription's topic."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        # Not there: the delivery log has not read so far yet.
        found = ask("GET", f"{API}/v1/Events/{event_id}", may_be_missing=True)
        deliveries: list[dict[str, object]] = found.get("deliveries", [])  # type: ignore[assignment]
        states = [each["state"] for each in deliveries if each["subscription_sid"] == subscription_sid]
        if states == ["waiting"]:
            print("a router has copied it to its subscription")
            return
        if time.monotonic() > deadline:
            sys.exit(f"no router has copied it in {TIMEOUT_S:.0f} s: {states or 'the delivery log does not know it'}")
        time.sleep(1)


if __name__ == "__main__":
    main()
