"""What pages of other sites may do: the reference's CORS headers, but no writes without the user's knowledge."""

from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from eventstreams.http import RefusedError
from eventstreams.http.auth import is_below

# Any page may send requests with an Authorization that it was given. But a browser adds by itself the password that a
# person once typed at its prompt: see refuse_cross_site.
_HEADERS: Final = {
    hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
    hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST, DELETE, OPTIONS",
    hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Accept, Authorization, Content-Type, Idempotency-Key",
    hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS: "true",
    hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: "Retry-After",
}
_SITE: Final = "Sec-Fetch-Site"
_ELSEWHERE: Final = frozenset({"cross-site", "same-site"})
_MODE: Final = "Sec-Fetch-Mode"
_SCRIPT: Final = "cors"
_READING: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


@web.middleware
async def add_cors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer preflight requests; add the headers to all other answers."""
    if request.method == hdrs.METH_OPTIONS:
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=_HEADERS)
    answer = await handler(request)
    answer.headers.update(_HEADERS)
    return answer


def refuse_cross_site(operator: str) -> Middleware:
    """A middleware that refuses writes that a page of another site made a browser send.

    Browsers say so in ``Sec-Fetch-Site``; other clients do not send it. For accounts, scripts of other sites may write,
    as in the reference, but forms and links may not; below ``operator``, where no page has any business, none of them
    may.
    """

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        elsewhere = request.headers.get(_SITE) in _ELSEWHERE and request.method not in _READING
        if elsewhere and (request.headers.get(_MODE) != _SCRIPT or is_below(request, (operator,))):
            message = "Requests from web pages of other sites are refused: send it from a program"
            raise RefusedError(message, status=HTTPStatus.FORBIDDEN)
        return await handler(request)

    return refuse
