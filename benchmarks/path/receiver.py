"""The receiver: accepts webhooks at little cost, and counts how often each event arrived and how late.

``python -m benchmarks.path.receiver`` prints its port. The path decides how it answers:

    POST /<name>/<delay in ms>/<failures in percent>     accepts events; a failing event fails the first time only
    POST /<any other>                                    accepts anything, and counts nothing
    POST /reset/<name>/<events>                          resets ``name``, and says how many events it will get
    GET  /stats/<name>                                   what arrived, as JSON; how late, once all events have arrived
    GET  /times/<name>                                   when each event was published and first arrived, in ns: pairs
                                                         of 64-bit numbers, 0 for an event that has not arrived

An event's id is ``EZ``, its number in 8 hexadecimal digits and its publishing time in ns in 16.
"""

import asyncio
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import httptools
import orjson
import uvloop
from typing_extensions import override

_ID: Final = b'"id":"EZ'
_HEAD: Final = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n"
_OK: Final = _HEAD % (200, 0)
_FAILED: Final = _HEAD % (500, 0)


def event_id(number: int, published_ns: int) -> bytes:
    """Return the id of event ``number``, published at ``published_ns``."""
    return b"EZ%08x%016x" % (number, published_ns)


@dataclass(slots=True)
class Counted:
    """What arrived for one name. Times are in seconds of ``time.time``, unless the name says ns."""

    expected: int
    times_ns: "array[int]" = field(default_factory=lambda: array("q"))  # by event number: published, first arrived
    late_ns: "array[int]" = field(default_factory=lambda: array("q"))
    last: float = 0.0
    longest_gap_s: float = 0.0
    distinct: int = 0
    nine_tenths_at: float = 0.0
    failed: set[int] = field(default_factory=set)

    def took(self, body: bytes, percent: int) -> bool:
        """Count the events of a request; return whether to answer with success. ``percent`` of the events fail once."""
        now_ns = time.time_ns()
        at = body.find(_ID) + len(_ID)
        if percent:
            number = int(body[at : at + 8], 16)
            if number * 2_654_435_761 % 100 < percent and number not in self.failed:
                self.failed.add(number)
                return False
        while at >= len(_ID):
            number, sent_ns = int(body[at : at + 8], 16), int(body[at + 8 : at + 24], 16)
            if not self.times_ns[2 * number]:
                self.distinct += 1
                self.times_ns[2 * number : 2 * number + 2] = array("q", (sent_ns, now_ns))
            self.late_ns.append(now_ns - sent_ns)
            at = body.find(_ID, at) + len(_ID)
        now = now_ns / 1e9
        if self.last:
            self.longest_gap_s = max(self.longest_gap_s, now - self.last)
        self.last = now
        if not self.nine_tenths_at and self.distinct >= self.expected * 0.9:
            self.nine_tenths_at = now
        return True

    def told(self) -> dict[str, object]:
        # A waiting client asks ten times a second, and sorting each time would delay arriving events.
        late = sorted(self.late_ns) if self.distinct == self.expected else []
        return {
            "expected": self.expected,
            "distinct": self.distinct,
            "nine_tenths_at": self.nine_tenths_at,
            "arrived": len(self.late_ns),
            "longest_gap_s": self.longest_gap_s,
            "p50_ms": _share(late, 0.5),
            "p99_ms": _share(late, 0.99),
        }


def _share(late: Sequence[int], share: float) -> float:
    return late[min(int(len(late) * share), len(late) - 1)] / 1e6 if late else 0.0


class Connection(asyncio.Protocol):
    """A client's connection."""

    def __init__(self, counted: dict[str, Counted]) -> None:
        self._counted = counted
        self._parser = httptools.HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._url, self._body = b"", b""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass

    @override
    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_body(self, body: bytes) -> None:
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        body, self._body = self._body, b""
        name, first, second = (*self._url.decode().partition("?")[0].strip("/").split("/"), "0", "0")[:3]
        if name in {"stats", "times"}:
            counted = self._counted[first]
            told = orjson.dumps(counted.told()) if name == "stats" else counted.times_ns.tobytes()
            self._transport.write(_HEAD % (200, len(told)) + told)
        elif name == "reset":
            self._counted[first] = Counted(int(second), array("q", bytes(16 * int(second))))
            self._transport.write(_OK)
        else:
            asked = self._counted.get(name)
            answer = _OK if asked is None or asked.took(body, int(second)) else _FAILED
            if first == "0":
                self._transport.write(answer)
            else:
                self._loop.call_later(int(first) / 1000, self._answer, answer)

    def _answer(self, answer: bytes) -> None:
        if not self._transport.is_closing():  # the client may have left meanwhile
            self._transport.write(answer)


async def main() -> None:
    counted: dict[str, Counted] = {}
    server = await asyncio.get_running_loop().create_server(lambda: Connection(counted), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
