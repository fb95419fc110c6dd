"""What ``helm test`` runs, against an API of the test's own: where something fails, it ends with what failed first."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typing_extensions import override

from tools.chart_readme import CHART


class Server(ThreadingHTTPServer):
    """Answers as the API and the gateway do, but with 503 to the requests in ``refused``; keeps what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.refused: set[str] = set()
        self.asked: list[str] = []

    def answer(self, asked: str) -> tuple[int, object]:
        self.asked.append(asked)
        if asked in self.refused:
            return 503, {"message": f"not now: {asked}"}
        waiting = {"subscription_sid": "DF1", "state": "waiting"}
        found = {
            "POST /v1/Sinks": {"sid": "DG1"},
            "POST /v1/Subscriptions": {"sid": "DF1"},
            "POST /v1/Events": {"ids": ["EZ1"]},
            "GET /v1/Events/EZ1": {"deliveries": [waiting]},
        }
        return 200, found.get(asked, {"type": "a type"})


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self._tell()

    def do_POST(self) -> None:
        self._tell()

    def do_DELETE(self) -> None:
        self._tell()

    def _tell(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, found = self.server.answer(f"{self.command} {self.path}")
        body = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Nothing for each request."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def smoke(server: Server) -> "subprocess.CompletedProcess[str]":
    env = {"API": server.url, "GATEWAY": server.url, "ACCOUNT_SID": "AC1", "AUTH_TOKEN": "token"}
    script = CHART / "files" / "smoke.py"
    return subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, timeout=60, check=False)


REMOVED = ["DELETE /v1/Subscriptions/DF1", "DELETE /v1/Sinks/DG1"]


def test_it_removes_what_it_has_made(server: Server) -> None:
    done = smoke(server)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "all is well"
    assert server.asked[-2:] == REMOVED


def test_a_clean_up_that_fails_does_not_hide_what_failed_first(server: Server) -> None:
    server.refused = {"POST /v1/Events", *REMOVED}

    done = smoke(server)

    assert done.returncode == 1
    assert done.stderr.startswith(f"POST {server.url}/v1/Events was answered 503: ")
    left = [line.partition(" was answered 503: ")[0] for line in done.stdout.splitlines() if "left behind" in line]
    assert left == [f"left behind: {each.replace(' ', f' {server.url}')}" for each in REMOVED]
    assert server.asked[-2:] == REMOVED


def test_a_clean_up_that_fails_is_a_failure_itself(server: Server) -> None:
    server.refused = {REMOVED[1]}

    done = smoke(server)

    assert done.returncode == 1
    assert done.stderr.startswith(f"DELETE {server.url}/v1/Sinks/DG1 was answered 503: ")
    assert "all is well" not in done.stdout
