"""``GET /v1/Events`` at the gateway: forwarded to the API, so that one address can serve both.

Publishing and listing events use the same path, and an Ingress cannot distinguish methods.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from eventstreams.http import ACCOUNT, ErrorCode, RefusedError, unavailable
from eventstreams.http.connections import TAKEN_S
from eventstreams.telemetry.logging import get_logger
from eventstreams.trust import tls_to
from producers.gateway.admission import Admission

PATH: Final = "/v1/Events"
_ANSWER_S: Final = 30.0  # clients and load balancers give up then
_MOST: Final = 64  # requests at a time, so that listing events does not keep others from publishing
_CHUNK: Final = 64 << 10  # of an answer: a page of 1,000 events has at most some 5 MB, one of 50 some 20 KB
# Identifies gateways that forwarded a request or an answer, to detect loops (RFC 9110, 7.6.3). Any client can send it
# in a request, so there it is no sign of a failure of ours; in the API's answer only a gateway sets it.
_VIA: Final = "1.1 eventstreams-gateway"
_LOOPS: Final = (
    "The gateway's EVENTSTREAMS_API_URL leads back to a gateway: set it to the URL of the API itself, such as "
    "http://api:8080, not to a URL that a proxy routes to a gateway"
)
_PASSED: Final = (hdrs.AUTHORIZATION, hdrs.HOST, hdrs.ACCEPT)
# Headers of a single connection, and those that our own server sets.
_NOT_PASSED: Final = frozenset(
    name.lower()
    for name in (
        hdrs.CONNECTION, hdrs.KEEP_ALIVE, hdrs.TRANSFER_ENCODING, hdrs.CONTENT_LENGTH, hdrs.CONTENT_ENCODING,
        hdrs.DATE, hdrs.SERVER,
    )
)  # fmt: skip

_log = get_logger(__name__)


class Listing:
    """Forwards requests to the API. Use as ``async with``."""

    def __init__(self, api_url: str, *, customer_of: Callable[[str], str]) -> None:
        """``customer_of`` maps an account's SID to its owner's, or to itself if it has none."""
        self._url = URL(f"{api_url.rstrip('/')}{PATH}")
        self._customer_of = customer_of
        self._admission = Admission(max_requests=_MOST, max_bytes=0, what="requests for lists of events")
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(),  # ours, below
            connector=aiohttp.TCPConnector(limit=_MOST, ssl=tls_to(api_url)),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Forward ``request``, which is authenticated already, to the API; links in the answer lead back here.

        Raises:
            RefusedError: 503 if the API does not answer, 429 for too many concurrent requests, 508 if the configured
                API is a gateway, 421 if a gateway has forwarded ``request``.
        """
        via = request.headers.getall(hdrs.VIA, [])
        if any(_VIA in each for each in via):
            message = (
                "According to its Via header, a gateway has already forwarded this request: send it without that "
                "header. If it was sent by a gateway, set that gateway's EVENTSTREAMS_API_URL to the URL of the "
                "API itself"
            )
            raise RefusedError(message, status=HTTPStatus.MISDIRECTED_REQUEST, headers={hdrs.VIA: _VIA})
        url = self._url.update_query(request.query) if request.query_string else self._url
        headers = {name: request.headers[name] for name in _PASSED if name in request.headers}
        headers[hdrs.VIA] = ", ".join([*via, _VIA])
        with self._admission.admit(self._customer_of(request[ACCOUNT].sid), 0):
            try:
                async with asyncio.timeout(_ANSWER_S):
                    answer = await self._session.get(url, headers=headers, allow_redirects=False)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise unavailable("The API, which lists events, does not answer: try again later") from error
            async with answer:
                if any(_VIA in each for each in answer.headers.getall(hdrs.VIA, [])):
                    raise _misled(_LOOPS, HTTPStatus.LOOP_DETECTED)
                return await _hand_on(answer, request)


async def _hand_on(answer: aiohttp.ClientResponse, request: web.Request) -> web.StreamResponse:
    """Stream ``answer`` to the client of ``request``, without buffering more than the client is about to receive.

    If it breaks off, or is not received in time, the connection is closed, so that it cannot pass for complete.
    """
    passed = [(name, value) for name, value in answer.headers.items() if name.lower() not in _NOT_PASSED]
    told = web.StreamResponse(status=answer.status, headers=CIMultiDict(passed))
    if hdrs.CONTENT_ENCODING not in answer.headers:
        told.content_length = answer.content_length
    try:
        async with asyncio.timeout(TAKEN_S):
            await told.prepare(request)
            async for chunk in answer.content.iter_chunked(_CHUNK):
                await told.write(chunk)
            await told.write_eof()
    except (aiohttp.ClientError, ConnectionError, TimeoutError):
        request.protocol.force_close()
    return told


def _misled(message: str, status: int) -> RefusedError:
    """The answer if a setting of ours is wrong, which is logged for the operator to fix."""
    _log.error("listing.misled", problem=message, follows="GET /v1/Events is not answered; publishing continues")
    return RefusedError(message, status=status, code=ErrorCode.INTERNAL)
