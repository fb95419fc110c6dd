"""The former HTTP client of webhooks, on aiohttp: ours must give the same outcomes, and is benchmarked against it.

Connections are kept alive. If the destination closes one just as it is reused, that is not the destination's failure:
if no byte of a response has arrived, the request is sent once more, within the same five seconds. Receivers
deduplicate events by id, so that nothing is lost and nothing counts twice.
"""

import asyncio
import os
import socket
import ssl
import weakref
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from typing_extensions import override
from yarl import URL

from eventstreams.sinks import DestinationForbiddenError, DestinationGuard, RetryLater, RetryReason

TIMEOUT_S: Final = 5.0  # the reference's: the whole response within five seconds
MAX_IN_FLIGHT: Final = 64
_BODY_BYTES: Final = 16 * 1024  # most that is read, so that the connection can be reused
_BODY_S: Final = 1.0
_KEEPALIVE_S: Final = 4.0  # below the five seconds after which common servers close an idle connection
_DNS_S: Final = 10  # how long names are cached; the guard checks every connection anyway

_reused: ContextVar[bool] = ContextVar("reused", default=False)  # whether this task's connection had been used before


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, ready to send; ``url`` must be sent exactly as spelled here."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and the start of the body, as far as the client reads it; empty if it is compressed.

    ``retry_after`` and ``etag`` are the headers of these names.
    """

    status: int
    retry_after: str | None
    body: bytes
    etag: str | None = None


class HttpClient:
    """Sends requests to the destinations that sinks are configured with."""

    def __init__(
        self,
        guard: DestinationGuard,
        *,
        tls: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
        timeout_s: float = TIMEOUT_S,
        body_bytes: int = _BODY_BYTES,
        body_s: float = _BODY_S,
    ) -> None:
        """Create a client; must be called on the event loop.

        Args:
            guard: Called with the address of each connection, after names are resolved.
            tls: None for the system's CAs and no client certificate.
            resolver: None for the system's.
            timeout_s: Longest time from the start to the response's status and headers.
            body_bytes: Most bytes read of a response's body.
            body_s: Longest time spent on reading it.
        """
        self._timeout_s = timeout_s
        self._body_bytes = body_bytes
        self._body_s = body_s
        self._session = aiohttp.ClientSession(
            connector=_Connector(guard, tls, resolver),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,  # neither a proxy nor a password from this process's environment
            skip_auto_headers=("Accept", "Accept-Encoding"),
            middlewares=(_once_more,),
        )

    async def exchange(self, request: HttpRequest) -> Answer | RetryLater:
        """Return the response to ``request``, whatever its status, or why there is none."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(request)
        except TimeoutError:
            return RetryLater(RetryReason.TIMED_OUT, f"no answer within {self._timeout_s:g} s")
        except aiohttp.ClientConnectorCertificateError as error:
            return RetryLater(RetryReason.CONNECT_FAILED, f"the certificate was refused: {_verification(error)}")
        except aiohttp.ClientConnectorDNSError:
            return RetryLater(RetryReason.CONNECT_FAILED, "the host name does not resolve")
        except aiohttp.ClientConnectorError as error:
            if error.os_error.errno == DestinationForbiddenError.ERRNO:
                return RetryLater(RetryReason.DESTINATION_FORBIDDEN, error.os_error.strerror or "")
            return RetryLater(RetryReason.CONNECT_FAILED, f"no connection: {_words(error.os_error)}")
        except _LostError as error:
            return RetryLater(RetryReason.CONNECT_FAILED, f"the connection was lost before an answer: {error}")
        except aiohttp.ClientConnectionError as error:
            return RetryLater(RetryReason.CONNECT_FAILED, f"no connection: {type(error).__name__}")
        except aiohttp.ClientError:  # its text may repeat what the destination sent
            return RetryLater(
                RetryReason.BAD_ANSWER, "the answer is not valid HTTP, or its header section is too large"
            )

    async def aclose(self) -> None:
        await self._session.close()

    async def _exchange(self, request: HttpRequest) -> Answer:
        response = await self._session.request(
            request.method,
            URL(request.url, encoded=True),
            data=request.body,
            headers=request.headers,
            allow_redirects=False,
        )
        try:
            body = await _read(response.content, self._body_bytes, self._body_s)
            readable = response.headers.get("Content-Encoding", "identity").lower() == "identity"
            headers = response.headers
            return Answer(response.status, headers.get("Retry-After"), body if readable else b"", headers.get("ETag"))
        finally:
            if response.content.at_eof():
                response.release()  # the connection serves the next request
            else:
                response.close()


class _LostError(aiohttp.ClientError):
    """The connection ended before a response began. No ``ClientConnectionError``, as aiohttp would repeat a GET."""


class _Connector(aiohttp.TCPConnector):
    """Tells new connections from reused ones, and never reuses one on which unsolicited bytes have arrived."""

    def __init__(self, guard: DestinationGuard, tls: ssl.SSLContext | None, resolver: AbstractResolver | None) -> None:
        super().__init__(
            limit=MAX_IN_FLIGHT + 1,  # deliveries, and a request for a token
            keepalive_timeout=_KEEPALIVE_S,
            ttl_dns_cache=_DNS_S,
            resolver=resolver,
            ssl=True if tls is None else tls,
            socket_factory=_GuardedSockets(guard),
        )
        self._used: weakref.WeakSet[ResponseHandler] = weakref.WeakSet()

    @override
    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            assert protocol is not None
            if protocol not in self._used:
                self._used.add(protocol)
                _reused.set(False)
                return connection
            if not protocol.should_close:
                _reused.set(True)
                return connection
            connection.close()  # a response before the request would be taken for the next event's


class _GuardedSockets:
    """Creates sockets only for addresses that the guard allows; it is called after the name is resolved."""

    def __init__(self, guard: DestinationGuard) -> None:
        self._guard = guard

    def __call__(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, where = address
        self._guard.check(str(where[0]))
        return socket.socket(family, kind, protocol)


async def _once_more(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send, and once more if a reused connection was lost. aiohttp's own rule depends on the method instead."""
    try:
        return await _send(request, send)
    except _LostError:
        if not _reused.get():
            raise
    return await _send(request, send)


async def _send(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _LostError(_words(error)) from error


async def _read(content: aiohttp.StreamReader, most: int, within_s: float) -> bytes:
    """Return the start of a body. The status has decided already; a body that is cut off only explains less."""
    body = b""
    try:
        async with asyncio.timeout(within_s):
            while len(body) < most and not content.at_eof():
                body += await content.read(most - len(body))
    except (TimeoutError, aiohttp.ClientError):
        return body
    return body


def _verification(error: aiohttp.ClientConnectorCertificateError) -> str:
    reason = error.certificate_error
    return reason.verify_message if isinstance(reason, ssl.SSLCertVerificationError) else type(reason).__name__


def _words(error: Exception) -> str:
    """Describe a failed connection in a few words, none of which come from the other side."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "TLS failed").replace("_", " ").lower()
    if isinstance(error, OSError):
        return "none of its addresses can be reached" if error.errno is None else os.strerror(error.errno).lower()
    return "it was closed" if isinstance(error, aiohttp.ServerDisconnectedError) else type(error).__name__
