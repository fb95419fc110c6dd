"""Counts a server's answers and measures how long they took."""

import time
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from eventstreams.telemetry.metrics import Metrics

_ABANDONED: Final = "abandoned"
_PROBES: Final = frozenset({"/livez", "/readyz"})
_KNOWN: Final = frozenset(hdrs.METH_ALL)  # a method may be any word, but labels must come from a closed set


def metered(server: str, metrics: Metrics) -> Middleware:
    """The outermost middleware of ``server``. A request whose client went away has the status ``abandoned``.

    Probes are not counted, since a process that is not ready yet has not failed to answer.
    """
    seconds = metrics.request_seconds.labels(server)

    @web.middleware
    async def meter(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in _PROBES:
            return await handler(request)
        began = time.perf_counter()
        status = _ABANDONED
        try:
            answer = await handler(request)
            status = str(answer.status)
        except web.HTTPException as answered:
            status = str(answered.status)
            raise
        finally:
            method = request.method if request.method in _KNOWN else "other"
            metrics.requests.labels(server, method, status).inc()
            seconds.observe(time.perf_counter() - began)
        return answer

    return meter
