"""A webhook receiver for tests without an event loop: it answers with the status that is in the path."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import orjson
from typing_extensions import override


class PlainReceiver:
    """What arrived, and the statuses with which paths are answered instead of their own."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.events: list[Mapping[str, Any]] = []
        self.heads: list[tuple[str, Mapping[str, str]]] = []
        """Path with query, and headers, of each request."""
        self.answers: dict[str, int] = {}
        self.arrived = threading.Condition()


@contextmanager
def running_receiver() -> Iterator[PlainReceiver]:
    """Run a receiver inside the block. It answers ``POST /500`` with 500, unless ``answers`` has another status."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with receiver.arrived:
                receiver.heads.append((self.path, dict(self.headers)))
                receiver.events += found if isinstance(found, list) else [found]
                receiver.arrived.notify_all()
            path = urlsplit(self.path).path
            status = receiver.answers.get(path, int(path.split("/")[1]))
            answer = b"" if status == 200 else b"<script>alert('answer')</script> no such order"
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = PlainReceiver(server.server_port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
