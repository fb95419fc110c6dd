"""The HTTP client of one sink: guarded at each connection, bounded in time and size, and it judges nothing.

Connections are kept alive. One that the destination closed just as we used it again is no failure of the
destination: where no byte of an answer has come, the request goes out once more, within the same five seconds.
Receivers tell events apart by their ids, so that nothing is lost by it and nothing counts twice.

It is our own, on a parser that is not, since it decides what a delivery costs: ADR 0022.
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

TIMEOUT_S: Final = 5.0  # the reference's: the whole answer within five seconds
MAX_IN_FLIGHT: Final = 1024  # the worker's own setting is below it
_BODY_BYTES: Final = 16 * 1024  # read at most, so that the connection can be used again
_BODY_S: Final = 1.0
_KEEPALIVE_S: Final = 4.0  # below the five seconds after which common servers close: no request into a closing door
_CLOSE_S: Final = 1.0  # for connections to say goodbye, at the end
_TICK_S: Final = 0.001  # a loop's clock may be so coarse


@dataclass(slots=True)  # not frozen, which would take three times as long for each
class HttpRequest:
    """One request, ready to send; ``url`` must go on the wire as it is spelled here. Nobody changes it.

    ``headers`` are without Host and Content-Length, which the client adds. ``lines``: they all, see ``lines_of``, by
    whoever sends many that are alike; None: the client makes them.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    lines: str | None = field(default=None, repr=False)


def lines_of(headers: Mapping[str, str]) -> str:
    """``headers`` as they go on the wire, each with its line's end."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


@dataclass(slots=True)
class _Place:
    """An origin, and its connections that wait for a request, the one that was used last at the end.

    ``root``: how URLs there begin, up to and with the slash of their path, where they have one.
    """

    origin: Origin
    root: str
    idle: list[Connection] = field(default_factory=list)


class HttpClient:
    """Sends requests to where a sink's configuration says, which are one or two origins."""

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
        """A client; must be made on the event loop.

        Args:
            guard: Asked for the address of each connection, after names are resolved.
            tls: None: the system's authorities, and no certificate of ours.
            resolver: None: the system's.
            timeout_s: From the start to the head of the answer, and, with the body, as far as it is read, at most.
            body_bytes: Most that is read of an answer's body.
            body_s: For how long it is read.
            at_once: Most requests under way, and one beside them, for a token.
        """
        self._timeout_s = timeout_s
        self._dialer = Dialer(guard, tls, resolver)
        self._protocol = partial(Connection, body_bytes=body_bytes, body_s=body_s, on_lost=self._lost)
        self._loop = asyncio.get_running_loop()
        self._semaphore = Semaphore(at_once + 1)
        self._places: dict[str, _Place] = {}  # by the start of the URL
        self._last: _Place | None = None  # of the request before
        self._connections: set[Connection] = set()
        self._busy: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None  # for the first deadline
        self._sweeper: asyncio.TimerHandle | None = None  # for connections that nobody has used for a while

    async def exchange(self, request: HttpRequest) -> Answer | RetryLater:
        """The answer to ``request``, whatever it is; or why there is none."""
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
            return RetryLater(RetryReason.BAD_ANSWER, "the answer is no HTTP, or its head is too large")

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
            ):  # it began before others, and connected meanwhile
                self._look_at(deadline_s)
            try:
                answer = await connection.exchange(wire, deadline_s)
            except LostError as error:
                if is_again or not (connection.was_used and error.is_silent):
                    raise
                is_again = True
                continue
            except asyncio.CancelledError:
                connection.abort()  # an answer may come that is nobody's
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
        """The connection that was used last of those that can be used again."""
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
        """Where ``request`` goes, and what goes on the wire.

        Raises:
            ValueError: a line of its head would end before its end.
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
        """End what has reached its deadline. One timer does for all, since what begins later mostly ends later."""
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
        """Close what has been idle for so long that the other side may be about to."""
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
