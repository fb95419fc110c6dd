"""Whether a process is alive and ready, and the small server that reports it: /livez, /readyz, /metrics.

Kubernetes restarts a process that is not alive, and sends no traffic to one that is not ready. So a process is not
alive only if a restart would help: one of its threads is stuck (if the event loop is, it does not even answer). It is
not ready also if it has work and makes no progress, for whatever reason: while Kafka is down, a restart would not help.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from socket import socket
from ssl import SSLContext
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from eventstreams.http.connections import BoundedHandler, Connections, most_connections
from eventstreams.process.work import Work
from eventstreams.telemetry.metrics import Metrics

_NO_TURN_S: Final = 180.0  # twice what a thread of ours may wait in one call for a silent broker (60 + 30 s)
_NO_PROGRESS_S: Final = 30.0  # a broker's failover takes up to 20 s
_LOOK_S: Final = 1.0
_BACKLOG: Final = 128  # aiohttp's own
_IDLE_S: Final = 75.0  # longer than load balancers keep a connection (60 s); aiohttp's own is an hour


class Health:
    """Collects what decides whether a process is ready and alive.

    It is ready once every expected condition is met, as long as every watched part makes progress and has no problem.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock``: a monotonic clock, in seconds."""
        self._clock = clock
        self._waiting_for: dict[str, None] = {}
        self._turns: dict[str, Callable[[], float]] = {}
        self._work: dict[str, Work] = {}
        self._problems: list[Callable[[], str | None]] = []
        self.draining = False

    def expect(self, condition: str) -> None:
        """Not ready until ``met(condition)``. ``condition`` completes "waiting for …", such as "the control topic"."""
        self._waiting_for[condition] = None

    def met(self, condition: str) -> None:
        self._waiting_for.pop(condition, None)

    def watch_turns(self, what: str, last_turn: Callable[[], float]) -> None:
        """Not alive once ``last_turn()``, a time by the clock, is three minutes ago."""
        self._turns[what] = last_turn

    def watch_work(self, what: str, *, waiting: Callable[[], int], done: Callable[[], int]) -> None:
        """Not ready while there has been work for half a minute without progress; see ``Work``."""
        self._work[what] = Work(waiting, done)

    def watch_problem(self, problem: Callable[[], str | None]) -> None:
        """Not ready while ``problem()`` returns a sentence that says why."""
        self._problems.append(problem)

    async def keep_looking(self) -> None:
        """Check the progress of watched work every second, forever."""
        while True:
            for work in self._work.values():
                work.look(self._clock())
            await asyncio.sleep(_LOOK_S)

    def not_ready(self) -> str | None:
        """Why it is not ready; None if it is."""
        if self.draining:
            return "draining"
        problems = [said for problem in self._problems if (said := problem())]
        if self._waiting_for:
            return "; ".join([f"waiting for {', '.join(self._waiting_for)}", *problems])
        now = self._clock()
        idle = {what: work.idle_s(now) for what, work in self._work.items()}
        stuck = [f"{what}: no progress for {for_s:.0f} s" for what, for_s in idle.items() if for_s > _NO_PROGRESS_S]
        return "; ".join([*problems, *stuck]) or None

    def not_alive(self) -> str | None:
        """What is stuck; None if it is alive."""
        now = self._clock()
        stuck = [what for what, last in self._turns.items() if now - last() > _NO_TURN_S]
        return f"stuck: {', '.join(stuck)}" if stuck else None


def health_routes(health: Health) -> list[web.RouteDef]:
    """/livez and /readyz: 200, or 503 with the reason."""

    def answer(problem: str | None) -> web.Response:
        return web.Response(status=200 if problem is None else 503, text=f"{problem or 'ok'}\n")

    async def livez(_: web.Request) -> web.Response:
        return answer(health.not_alive())

    async def readyz(_: web.Request) -> web.Response:
        return answer(health.not_ready())

    return [web.get("/livez", livez), web.get("/readyz", readyz)]


@asynccontextmanager
async def serve_admin(listening: socket, health: Health, metrics: Metrics) -> AsyncIterator[None]:
    """Serve health and metrics on ``listening`` while inside."""

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([*health_routes(health), web.get("/metrics", show_metrics)])
    async with serve_app(app, listening):
        yield


@asynccontextmanager
async def serve_app(
    app: web.Application, listening: socket, *, drain_s: float = 2.0, tls: SSLContext | None = None
) -> AsyncIterator[None]:
    """Serve ``app`` on ``listening`` while inside; on exit, requests in progress get ``drain_s`` seconds to finish.

    If ``tls`` is None, serve plain HTTP.
    """
    runner = web.AppRunner(app, shutdown_timeout=drain_s)
    await runner.setup()
    try:
        server = await _listen(runner, listening, tls)
        try:
            yield
        finally:
            server.close()  # no new connections; `cleanup` ends the others
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, listening: socket, tls: SSLContext | None) -> asyncio.Server:
    """Listen like aiohttp's sites, but with our connection handler."""
    loop, manager = asyncio.get_running_loop(), runner.server
    assert manager is not None  # it is set up
    connections = Connections(most_connections())

    def connected() -> BoundedHandler:
        return BoundedHandler(manager, connections, keepalive_s=_IDLE_S)

    return await loop.create_server(connected, sock=listening, backlog=_BACKLOG, ssl=tls)
