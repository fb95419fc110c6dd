"""What a customer does, in a pod of its own: publishes and uses the API all the time, receives, and keeps count.

Runs in the product's image and shares no code with what it judges. Each call is made on a new connection, which meets
every pod that a Service still names. ``GET /report`` says what was found; ``GET /stop`` ends the load first.
"""

import base64
import json
import os
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from typing_extensions import override

API, GATEWAY, ADDRESS = os.environ["API"], os.environ["GATEWAY"], os.environ["ADDRESS"]
SID = os.environ["ACCOUNT_SID"]
BASIC = base64.b64encode(f"{SID}:{os.environ['AUTH_TOKEN']}".encode()).decode()
EVENT_TYPE = "com.twilio.messaging.message.sent"
PORT = 8000
BATCH = 5  # events of a request
PAUSE_S = 0.05  # of each thread, between two calls
TRIES, WAIT_S = 20, 0.5  # of one call: ten seconds, as clients of an API have it
AGAIN = {429, 502, 503, 504}


class Refused(Exception):  # noqa: N818 - an answer, which retries do not change
    """An answer that says no."""


class Book:
    """All that has happened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.accepted: dict[str, float] = {}  # when the request was begun that brought the event in
        self.arrived: dict[str, float] = {}
        self.arrivals: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.tried_again: Counter[str] = Counter()
        self.failed: list[str] = []

    def accept(self, ids: list[str], began: float) -> None:
        with self._lock:
            self.accepted |= dict.fromkeys(ids, began)

    def arrive(self, ids: list[str]) -> None:
        with self._lock:
            for each in ids:
                self.arrived.setdefault(each, time.monotonic())
            self.arrivals.update(ids)

    def count(self, counter: Counter[str], what: str) -> None:
        with self._lock:
            counter[what] += 1

    def report(self) -> Mapping[str, object]:
        with self._lock:
            missing = self.accepted.keys() - self.arrived.keys()
            took = sorted(self.arrived[each] - at for each, at in self.accepted.items() if each in self.arrived)
            return {
                "accepted": len(self.accepted),
                "missing": len(missing),
                "duplicates": sum(self.arrivals[each] - 1 for each in self.arrived),
                "calls": dict(self.calls),
                "tried_again": dict(self.tried_again),
                "failed": self.failed[:10],
                "seconds": {f"p{share}": round(took[len(took) * share // 100], 2) for share in (50, 99)}
                if took
                else {},
                "slowest": round(took[-1], 2) if took else 0,
            }


BOOK, STOPPING = Book(), threading.Event()
WORKING: list[threading.Thread] = []


class Receiver(BaseHTTPRequestHandler):
    """Takes deliveries, and answers the test that asks."""

    def do_POST(self) -> None:
        events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        BOOK.arrive([each["id"] for each in events])
        self.send_response(204)
        self.end_headers()

    def do_GET(self) -> None:
        if self.path == "/stop":
            STOPPING.set()
            for each in WORKING:
                each.join()
        body = json.dumps(BOOK.report()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Nothing for each request."""


class Server(ThreadingHTTPServer):
    request_queue_size = 128


def ask(what: str, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Mapping[str, object]:
    """The answer to one call, tried again as any client would; counted and told where nothing helps."""
    last = ""
    BOOK.count(BOOK.calls, what)
    for _ in range(TRIES):
        request = urllib.request.Request(
            url, body, {"Authorization": f"Basic {BASIC}", "Connection": "close", **headers}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                found: dict[str, object] = json.loads(answer.read() or b"{}")
                return found
        except urllib.error.HTTPError as error:
            last = str(error.code)
            if error.code not in AGAIN:
                raise Refused(f"{what} was answered {error.code}: {error.read()[:300]!r}") from None
        except OSError as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            last = type(cause).__name__
        except Exception as error:  # noqa: BLE001 - half an answer comes as many kinds of error
            last = type(error).__name__
        BOOK.count(BOOK.tried_again, f"{what}: {last}")
        time.sleep(WAIT_S)
    raise Refused(f"{what} failed {TRIES} times, at last with {last}")


def form(what: str, path: str, **fields: str) -> Mapping[str, object]:
    body = urllib.parse.urlencode(fields).encode()
    return ask(what, "POST", f"{API}{path}", body, {"Content-Type": "application/x-www-form-urlencoded"})


def event(event_type: str) -> Mapping[str, object]:
    sid = f"SM{secrets.token_hex(16)}"
    data = {
        "messageSid": sid,
        "accountSid": SID,
        "eventName": event_type,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "messageStatus": event_type.rpartition(".")[2].upper(),
        "apiVersion": "2010-04-01",
        "from": "+15005550006",
        "to": "+15005550010",
    }
    return {"specversion": "1.0", "type": event_type, "source": f"/messages/{sid}", "data": data}


def publish(events: int = BATCH, event_type: str = EVENT_TYPE) -> None:
    """One batch. Its key keeps the events' ids the same where it is sent again."""
    began = time.monotonic()
    headers = {"Content-Type": "application/cloudevents-batch+json", "Idempotency-Key": secrets.token_hex(16)}
    body = json.dumps([event(event_type) for _ in range(events)]).encode()
    ids = ask("publish", "POST", f"{GATEWAY}/v1/Events", body, headers)["ids"]
    assert isinstance(ids, list)
    BOOK.accept(ids, began)


def all_the_time(work: Callable[[], object]) -> None:
    def loop() -> None:
        while not STOPPING.is_set():
            try:
                work()
            except Exception as error:  # noqa: BLE001 - found by the test, which asks for the report
                BOOK.failed.append(f"{type(error).__name__}: {error}")
            STOPPING.wait(PAUSE_S)

    thread = threading.Thread(target=loop)
    thread.start()
    WORKING.append(thread)


def main() -> None:
    server = Server(("", PORT), Receiver)
    configuration = json.dumps({"destination": f"http://{ADDRESS}:{PORT}/events", "batch_events": True})
    sink = form("write", "/v1/Sinks", Description="load", SinkType="webhook", SinkConfiguration=configuration)["sid"]
    types = json.dumps({"type": EVENT_TYPE})
    form("write", "/v1/Subscriptions", Description="load", SinkSid=str(sink), Types=types)
    all_the_time(publish)
    all_the_time(publish)
    all_the_time(lambda: ask("read", "GET", f"{API}/v1/Sinks/{sink}", None, {}))
    all_the_time(lambda: form("write", f"/v1/Sinks/{sink}", Description=f"load {time.time()}"))
    server.serve_forever()  # the pod is ready from here on


if __name__ == "__main__":
    main()
