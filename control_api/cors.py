"""The CORS headers that the reference puts on every answer, and the answer to a preflight request."""

from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

# Any page may ask, for nobody gets in by a cookie: each request brings its own Authorization.
_HEADERS: Final = {
    hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
    hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST, DELETE, OPTIONS",
    hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Accept, Authorization, Content-Type, Idempotency-Key",
    hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS: "true",
    hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: "Retry-After",
}


@web.middleware
async def add_cors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer preflight requests; let all other answers carry the headers."""
    if request.method == hdrs.METH_OPTIONS:
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=_HEADERS)
    answer = await handler(request)
    answer.headers.update(_HEADERS)
    return answer
