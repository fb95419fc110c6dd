"""Bounds connections to our servers in number and time, so that clients with many or slow ones keep nobody else out.

aiohttp itself bounds the size of a request's head and, with ``keepalive_timeout``, how long a connection may be idle.
Bodies are bounded where they are read.
"""

import asyncio
import resource
import socket
import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from typing_extensions import override

from eventstreams.http.unreadable import ConnectionHandler
from eventstreams.telemetry.logging import get_logger

HEAD_S: Final = 10.0  # from the first byte of a request's head to its last: it is a few packets at most
TAKEN_S: Final = 60.0  # for the client to receive an answer: the largest has some megabytes
_MOST: Final = 4096  # at once; some 100 MB, and more than load balancers open
_LEAST: Final = 64
_TELL_S: Final = 60.0  # how often to log that there are too many

_log = get_logger(__name__)


def most_connections() -> int:
    """The most connections of one server: a process has two servers, and half of its files are for other uses.

    The others are Kafka and destinations.
    """
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if open_files == resource.RLIM_INFINITY else max(min(_MOST, open_files // 4), _LEAST)


class Connections:
    """The open connections of one server. If there are too many, the one that has waited longest for its client closes.

    A connection waits for its client if it is idle, or if the client has not sent all of its request or does not read
    the answer. What it waits for does not matter, only for how long, so a new client is never closed before slow ones.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: OrderedDict[BoundedHandler, None] = OrderedDict()  # the longest without a change of turn first
        self._told_s = 0.0

    def opened(self, handler: "BoundedHandler") -> None:
        """Add ``handler``. If that is one too many, close another, or itself if all others are being served."""
        self._open[handler] = None
        if len(self._open) > self._most:
            waiting = next((each for each in self._open if each.waits_for_client), handler)
            self.closed(waiting)
            waiting.abort()
            self._tell()

    def turned(self, handler: "BoundedHandler") -> None:
        """Note that a request on ``handler`` has begun or was answered, so it waits for something else from now on."""
        if handler in self._open:  # a closed connection may still get events before it knows
            self._open.move_to_end(handler)

    def closed(self, handler: "BoundedHandler") -> None:
        self._open.pop(handler, None)

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator["BoundedHandler"]:
        return iter(tuple(self._open))

    def _tell(self) -> None:
        if time.monotonic() - self._told_s > _TELL_S:
            self._told_s = time.monotonic()
            _log.warning(
                "connections.too_many",
                most=self._most,
                follows="the one that has waited longest for its client is closed",
            )


class BoundedHandler(ConnectionHandler):
    """A connection that is closed if the head of a request does not arrive, or an answer is not received, in time."""

    def __init__(
        self,
        manager: web.Server,
        connections: Connections,
        *,
        keepalive_s: float,
        head_s: float = HEAD_S,
        taken_s: float = TAKEN_S,
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(manager, loop=loop, access_log_class=_NoAccessLog, keepalive_timeout=keepalive_s)
        self._connections = connections
        self._head_s = head_s
        self._taken_s = taken_s
        self._late: asyncio.TimerHandle | None = None
        self._wire: asyncio.Transport | None = None

    @property
    def is_at_work(self) -> bool:
        """Whether the whole head of a request has arrived, and the request is not answered yet."""
        return self._request_in_progress or bool(self._messages)

    @property
    def waits_for_client(self) -> bool:
        """Whether it is the client's turn: to send a request, the rest of a body, or to receive an answer."""
        if not self.is_at_work or self.writing_paused:
            return True
        request = self._current_request
        return request is not None and not request.content.is_eof()

    def abort(self) -> None:
        """Close it now, dropping whatever is still to be sent."""
        if self._wire is not None:
            self._wire.abort()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._wire = transport
        self._give_up_on_silence(transport)
        super().connection_made(transport)
        self._connections.opened(self)

    @override
    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.closed(self)
        self._in_time()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        awaited = self._waiter is not None and not self._waiter.done()
        super().data_received(data)
        if awaited and (self._waiter is None or self._waiter.done()):
            self._connections.turned(self)
        if self._waiter is None or self._waiter.done():  # it does not wait for a head, or has it
            self._in_time()
        elif self._late is None:
            self._late = self._loop.call_later(self._head_s, self.abort)

    @override
    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        try:
            async with asyncio.timeout(self._taken_s):
                answered = await super().finish_response(request, resp, start_time)
        except TimeoutError:
            self.abort()
            return resp, True
        self._connections.turned(self)
        if isinstance(resp, web.Response):
            resp.body = None  # aiohttp keeps the last answer until the connection's next request
        return answered

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up_on_silence(self, transport: asyncio.Transport) -> None:
        """Make the kernel drop the connection if the peer acknowledges nothing, even after it was closed here."""
        sock = transport.get_extra_info("socket")
        option = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux only
        if option is not None and sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, option, int(self._taken_s * 1000))


class _NoAccessLog(AbstractAccessLogger):
    """Disables aiohttp's access log: we log what matters ourselves."""

    @property
    @override
    def enabled(self) -> bool:
        return False

    @override
    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Never called."""
