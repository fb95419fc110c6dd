"""The HTTP client of one sink: guarded at each connection, and bounded in time and size. It does not judge answers.

Connections are kept alive. If the destination closes one just as it is reused, that is no failure of the destination:
if no byte of an answer has come, the request is sent once more, within the same five seconds. Receivers deduplicate
events by their ids, so nothing is lost and nothing counts twice.

The client is our own, on top of an existing parser, because it determines the cost of a delivery: ADR 0022.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from aiohttp.abc import AbstractResolver

from eventstreams.sinks import DestinationGuard, RetryLater, RetryReason
from sink_workers.plugins.webhook.connection import Answer, BadAnswerError, Connection, LostError
from sink_workers.plugins.webhook.dialer import ConnectError, Dialer, Origin, origin_of
from sink_workers.plugins.webhook.semaphore import Semaphore

__all__ = ["MAX_IN_FLIGHT", "TIMEOUT_S", "Answer", "HttpClient", "HttpRequest"]

TIMEOUT_S: Final = 5.0  # as in the reference: for the whole answer
MAX_IN_FLIGHT: Final = 1024  # the worker's own limit is lower
_BODY_BYTES: Final = 16 * 1024  # the most that is read of a body, so that the connection can be used again
_BODY_S: Final = 1.0
_KEEPALIVE_S: Final = 4.0  # below the five seconds after which common servers close an idle connection
_CLOSE_S: Final = 1.0  # how long connections may take to close at the end
_TICK_S: Final = 0.001  # the possible resolution of a loop's clock


@dataclass(slots=True)  # not frozen: creating one would take three times as long
class HttpRequest:
    """One request, ready to send. Do not modify it.

    Attributes:
        method: The HTTP method.
        url: Sent exactly as it is spelled here.
        headers: Without Host and Content-Length, which the client adds.
        body: The body.
        lines: ``lines_of(headers)``, if the caller has it at hand; None: the client makes it.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    lines: str | None = field(default=None, repr=False)


def lines_of(headers: Mapping[str, str]) -> str:
    """``headers`` as they are sent, each with its line break."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


@dataclass(slots=True)
class _Place:
    """An origin and its idle connections, the most recently used one last.

    ``root``: the start of its URLs, up to and including the first slash of the path.
    """

    origin: Origin
    root: str
    idle: list[Connection] = field(default_factory=list)


class HttpClient:
    """Sends requests to the origins in a sink's configuration, of which there are one or two."""

    def __init__(
        self,
        guard: DestinationGuard,
        *,
        tls: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
        timeout_s: float = TIMEOUT_S,
        body_bytes: int = _BODY_BYTES,
        body_s: float = _BODY_S,
        at_once: int = MAX_IN_FLIGHT,
    ) -> None:
        """Create a client. Must be called on the event loop.

        Args:
            guard: Checks the address of each connection, after names are resolved.
            tls: None: the system's authorities, and no client certificate.
            resolver: None: the system's.
            timeout_s: The time limit for the head of the answer, and for as much of the body as is read.
            body_bytes: The most that is read of an answer's body.
            body_s: How long the body is read at most.
            at_once: The most requests under way; one more is allowed, for a token.
        """
        self._timeout_s = timeout_s
        self._dialer = Dialer(guard, tls, resolver)
        self._protocol = partial(Connection, body_bytes=body_bytes, body_s=body_s, on_lost=self._lost)
        self._loop = asyncio.get_running_loop()
        self._semaphore = Semaphore(at_once + 1)
        self._places: dict[str, _Place] = {}  # by the start of the URL
        self._last: _Place | None = None  # that of the previous request
        self._connections: set[Connection] = set()
        self._busy: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None  # for the first deadline
        self._sweeper: asyncio.TimerHandle | None = None  # for connections that have been idle for a while

    async def exchange(self, request: HttpRequest) -> Answer | RetryLater:
        """Send ``request``; return the answer, whatever its status, or why there is none."""
        deadline_s = self._loop.time() + self._timeout_s
        try:
            place, wire = self._made(request)
            if not self._semaphore.try_acquire():
                async with asyncio.timeout_at(deadline_s):
                    await self._semaphore.acquire()
            try:
                return await self._exchange(place, wire, deadline_s)
            finally:
                self._semaphore.release()
        except TimeoutError:
            return RetryLater(RetryReason.TIMED_OUT, f"no answer within {self._timeout_s:g} s")
        except ConnectError as error:
            return RetryLater(error.reason, str(error))
        except LostError as error:
            return RetryLater(RetryReason.CONNECT_FAILED, f"the connection was lost before an answer: {error}")
        except BadAnswerError:
            return RetryLater(
                RetryReason.BAD_ANSWER, "the answer is not valid HTTP, or its header section is too large"
            )

    async def aclose(self) -> None:
        for timer in (self._timer, self._sweeper):
            if timer is not None:
                timer.cancel()
        left = list(self._connections)
        for connection in left:
            connection.close()
        if left:
            await asyncio.wait([connection.lost for connection in left], timeout=_CLOSE_S)
        for connection in list(self._connections):
            connection.abort()
        await self._dialer.aclose()

    async def _exchange(self, place: _Place, wire: bytes, deadline_s: float) -> Answer:
        is_again = False
        while True:
            connection = self._idle(place) or await self._connected(place, deadline_s)
            self._busy.add(connection)
            if (
                self._timer is None or self._timer.when() > deadline_s
            ):  # the deadline may come first if the request began early and then had to connect
                self._look_at(deadline_s)
            try:
                answer = await connection.exchange(wire, deadline_s)
            except LostError as error:
                if is_again or not (connection.was_used and error.is_silent):
                    raise
                is_again = True
                continue
            except asyncio.CancelledError:
                connection.abort()  # its answer may still arrive, for nobody
                raise
            finally:
                self._busy.discard(connection)
            if connection.is_reusable:
                connection.idle_since_s = self._loop.time()
                place.idle.append(connection)
                if self._sweeper is None:
                    self._sweeper = self._loop.call_later(_KEEPALIVE_S, self._sweep)
            return answer

    def _idle(self, place: _Place) -> Connection | None:
        """The most recently used connection that can be used again; closes those that are too old."""
        youngest_s = self._loop.time() - _KEEPALIVE_S
        while place.idle:
            connection = place.idle.pop()
            if connection.is_reusable and connection.idle_since_s > youngest_s:
                return connection
            connection.close()
        return None

    async def _connected(self, place: _Place, deadline_s: float) -> Connection:
        async with asyncio.timeout_at(deadline_s):
            connection = await self._dialer.connect(place.origin, self._protocol)
        if not connection.lost.done():
            self._connections.add(connection)
        return connection

    def _made(self, request: HttpRequest) -> tuple[_Place, bytes]:
        """The origin that ``request`` goes to, and the bytes to send.

        Raises:
            ValueError: a header or the URL has a line break.
        """
        url, place = request.url, self._last
        if place is not None and url.startswith(place.root):
            target = url[len(place.root) - 1 :]
        else:
            path_at = _path_at(url)
            start, target = url[:path_at], url[path_at:] or "/"
            place = self._places.get(start)
            if place is None:
                place = self._places[start] = _Place(origin_of(url), f"{start}/")
            self._last = place
        lines = lines_of(request.headers) if request.lines is None else request.lines
        head = (
            f"{request.method} {target} HTTP/1.1\r\nHost: {place.origin.shown}\r\n{lines}"
            f"Content-Length: {len(request.body)}\r\n\r\n"
        )
        expected = len(request.headers) + 4
        if head.count("\n") != expected or head.count("\r") != expected:
            raise ValueError("a header or the URL has a line break")
        return place, head.encode() + request.body

    def _look(self) -> None:
        """Time out the requests that have reached their deadline.

        One timer serves all, as requests that begin later usually have later deadlines.
        """
        self._timer = None
        now_s = self._loop.time() + _TICK_S
        soonest_s: float | None = None
        for connection in list(self._busy):
            if connection.deadline_s <= now_s:
                connection.time_out()
            elif soonest_s is None or connection.deadline_s < soonest_s:
                soonest_s = connection.deadline_s
        if soonest_s is not None:
            self._look_at(soonest_s)

    def _look_at(self, deadline_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline_s, self._look)

    def _sweep(self) -> None:
        """Close connections that have been idle for so long that the other side may close them soon."""
        self._sweeper = None
        oldest_s = self._loop.time() - _KEEPALIVE_S + _TICK_S
        is_left = False
        for place in self._places.values():
            for connection in place.idle:
                if connection.idle_since_s <= oldest_s:
                    connection.close()
            place.idle = [each for each in place.idle if each.is_reusable]
            is_left = is_left or bool(place.idle)
        if is_left:
            self._sweeper = self._loop.call_later(_KEEPALIVE_S / 2, self._sweep)

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)


def _path_at(url: str) -> int:
    """Where the path or the query of ``url`` begins: after scheme and authority."""
    begin = url.index("://") + 3
    slash, query = url.find("/", begin), url.find("?", begin)
    if slash < 0:
        return query if query >= 0 else len(url)
    return slash if query < 0 else min(slash, query)
