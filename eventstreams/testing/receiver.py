"""A webhook receiver on loopback that records what it gets and answers as told."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import orjson
from aiohttp import web

from eventstreams.process.health import serve_app
from eventstreams.process.listen import address_of, open_socket

_MAX_BODY: Final = 8 << 20
_PATIENCE_S: Final = 90.0  # a machine that is busy with other tests can stall for seconds


@dataclass(frozen=True, slots=True)
class Received:
    """One request.

    Attributes:
        at: ``time.time()`` of its arrival.
        url: As a receiver reconstructs it to check the signature: scheme, Host header, raw path and query.
        events: The CloudEvents in the body; empty if that is not a JSON array.
    """

    at: float
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    events: Sequence[Mapping[str, object]]

    @property
    def ids(self) -> list[str]:
        return [str(event["id"]) for event in self.events]


Answer = int | web.StreamResponse
"""A status, or a complete response."""


class Receiver:
    """Use as ``async with``. Everything that it answered with 2xx counts as accepted."""

    def __init__(
        self,
        answer: Callable[[Received], Answer | Awaitable[Answer]] = lambda _: 200,
        *,
        listen: str = "127.0.0.1:0",
    ) -> None:
        """A receiver.

        Args:
            answer: Called for each request, and awaited if it is asynchronous. May be replaced at any time
                (``receiver.answer = …``).
            listen: Address to listen on, ``host:port``.
        """
        self.answer = answer
        self.received: list[Received] = []
        self.accepted: Counter[str] = Counter()
        self._listen = listen
        self._changed = asyncio.Event()
        self._stack = AsyncExitStack()
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._take)
        listening = open_socket(self._listen, setting="listen")
        self.url = f"http://{address_of(listening)}/hook"
        await self._stack.enter_async_context(serve_app(app, listening))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def wait_for(self, condition: Callable[[], bool], *, timeout_s: float = _PATIENCE_S) -> None:
        """Return once ``condition()`` holds, which is checked after each request.

        Raises:
            TimeoutError: it did not hold within ``timeout_s``; the text says what had been received.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            self._changed.clear()
            try:
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + deadline - time.monotonic()):
                    await self._changed.wait()
            except TimeoutError:
                got = f"{len(self.received)} requests, {len(self.accepted)} events accepted"
                raise TimeoutError(f"not within {timeout_s:g} s: {got}") from None

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        received = Received(
            at=time.time(),
            method=request.method,
            url=f"{request.scheme}://{request.host}{request.raw_path}",
            headers=request.headers,
            body=body,
            events=_events(body),
        )
        self.received.append(received)
        given = self.answer(received)
        answer = await given if isinstance(given, Awaitable) else given
        status = answer if isinstance(answer, int) else answer.status
        if 200 <= status < 300:  # noqa: PLR2004 - success, as HTTP defines it
            self.accepted.update(received.ids)
        self._changed.set()
        return web.Response(status=answer) if isinstance(answer, int) else answer


def _events(body: bytes) -> Sequence[Mapping[str, object]]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ()
    return parsed if isinstance(parsed, list) else ()
