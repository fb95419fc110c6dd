"""Whether a process is alive and ready, and the small server that says so: /livez, /readyz, /metrics."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from socket import socket
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from eventstreams.telemetry.metrics import Metrics

_STALLED_S: Final = 30.0  # a loop that has not turned for so long will not turn again
_IDLE_S: Final = 75.0  # longer than load balancers keep a connection (60 s); aiohttp's own is an hour


class Health:
    """A process is ready once every condition that was announced is met; it is alive while it makes progress."""

    def __init__(self) -> None:
        self._waiting_for: dict[str, None] = {}
        self._progress: dict[str, Callable[[], float]] = {}
        self.draining = False

    def expect(self, condition: str) -> None:
        """Not ready until ``met(condition)``; ``condition`` is a sentence's object, such as "the control topic"."""
        self._waiting_for[condition] = None

    def met(self, condition: str) -> None:
        self._waiting_for.pop(condition, None)

    def watch(self, what: str, last_progress: Callable[[], float]) -> None:
        """Not alive once ``last_progress()``, of ``time.monotonic()``, is half a minute old."""
        self._progress[what] = last_progress

    def not_ready(self) -> str | None:
        """None when ready, else why not."""
        if self.draining:
            return "draining"
        return f"waiting for {', '.join(self._waiting_for)}" if self._waiting_for else None

    def not_alive(self) -> str | None:
        """None when alive, else what is stuck."""
        now = time.monotonic()
        stuck = [what for what, last in self._progress.items() if now - last() > _STALLED_S]
        return f"no progress: {', '.join(stuck)}" if stuck else None


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
    """Serve health and metrics on ``listening`` meanwhile."""

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([*health_routes(health), web.get("/metrics", show_metrics)])
    async with serve_app(app, listening):
        yield


@asynccontextmanager
async def serve_app(app: web.Application, listening: socket, *, drain_s: float = 2.0) -> AsyncIterator[None]:
    """Serve ``app`` on ``listening`` meanwhile; requests under way get ``drain_s`` seconds at the end."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=drain_s, keepalive_timeout=_IDLE_S)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        yield
    finally:
        await runner.cleanup()
