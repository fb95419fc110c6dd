"""Segment for tests: a real HTTP server with its documented limits, since no emulator exists."""

import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import orjson
from aiohttp import web

from eventstreams.testing.receiver import Answer, Received, Receiver

MAX_REQUEST: Final = 500_000
MAX_EVENT: Final = 32 << 10
MAX_EVENTS: Final = 2500
MAX_MESSAGE_ID: Final = 100


@dataclass(slots=True)
class Source:
    """A source in Segment.

    Attributes:
        receiver: The server.
        write_key: The key that is accepted.
        calls: What it has accepted.
        batches: Number of events in each request.
        answer: Response to give instead of its own; None for its own.
    """

    receiver: Receiver
    write_key: str = "write-key-of-the-test"
    calls: list[Mapping[str, object]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    answer: Callable[[], Answer] | None = None

    @property
    def endpoint(self) -> str:
        return self.receiver.url.removesuffix("/hook")

    def take(self, received: Received) -> Answer:
        """Answer as documented for the HTTP API: 400 if it is too large or not JSON, 200 otherwise.

        Anything that Segment would drop after its 200 fails the test.
        """
        if self.answer is not None:
            return self.answer()
        assert (received.method, received.url) == ("POST", f"{self.endpoint}/v1/batch")
        assert received.headers["Content-Type"] == "application/json"
        pair = base64.b64encode(f"{self.write_key}:".encode()).decode()
        if received.headers["Authorization"] != f"Basic {pair}":
            return 401
        if len(received.body) > MAX_REQUEST:
            return web.json_response({"success": False, "message": "request too large"}, status=400)
        calls: Sequence[Mapping[str, object]] = orjson.loads(received.body)["batch"]
        if any(len(orjson.dumps(call)) >= MAX_EVENT for call in calls):
            return web.json_response({"success": False, "message": "event too large"}, status=400)
        assert len(calls) <= MAX_EVENTS
        for call in calls:
            assert call["type"] == "track"
            assert call["event"]
            assert call.get("userId") or call.get("anonymousId")
            assert len(str(call["messageId"])) < MAX_MESSAGE_ID
        self.calls += calls
        self.batches.append(len(calls))
        return web.json_response({"success": True})


@asynccontextmanager
async def running_source() -> AsyncIterator[Source]:
    async with Receiver() as receiver:
        source = Source(receiver)
        receiver.answer = source.take
        yield source
