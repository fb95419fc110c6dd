"""Checks the ``Host`` of a request, which URLs in answers begin with."""

import re
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from eventstreams.http import RefusedError
from eventstreams.http.auth import is_below

# A name or an address, and a port: RFC 3986, 3.2.2, without forms that no client uses.
_HOST: Final = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def check_host(*starts: str) -> Middleware:
    """A middleware that refuses requests with an invalid ``Host``, before they change anything.

    Its bytes would be in each URL of the answer, and might not be representable in JSON. Below ``starts``, the header
    is required: without it, aiohttp asks the resolver, which blocks the event loop.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if hdrs.HOST in request.headers:
            if _HOST.fullmatch(request.host) is None:
                raise RefusedError(
                    "Host must be a name or an address, optionally with a port, such as api.example.com:8080"
                )
        elif is_below(request, starts):
            raise RefusedError("The request has no Host: send it in HTTP/1.1")
        return await handler(request)

    return check
