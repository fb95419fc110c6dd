"""The webhook sink: one HTTP client for each destination, with its connections kept alive."""

import asyncio
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import aiohttp
from yarl import URL

from eventstreams.sinks import (
    Capabilities,
    DeliveryOutcome,
    DestinationForbiddenError,
    DestinationGuard,
    OutboundEvent,
    RetryLater,
    RetryReason,
    SinkContext,
    SinkPlugin,
)
from sink_workers.plugins.webhook.config import WebhookConfig, public
from sink_workers.plugins.webhook.judge import judge
from sink_workers.plugins.webhook.request import RequestBuilder, WebhookRequest

TIMEOUT_S: Final = 5.0  # the reference's: the whole answer within five seconds
_HUNG_S: Final = 8.0  # above it, so that a slow receiver is told apart from a hung plugin
_MAX_IN_FLIGHT: Final = 64
_EXCERPT_BYTES: Final = 512  # of an answer's body; leaves room for the rest of a detail
_BODY_BYTES: Final = 16 * 1024  # read at most, so that the connection can be used again
_BODY_S: Final = 1.0
_KEEPALIVE_S: Final = 4.0  # below the five seconds after which common servers close: no request into a closing door
_DNS_S: Final = 10  # names are asked again after this; the guard looks at every connection anyhow


class WebhookSink:
    """Delivers to one destination."""

    def __init__(self, builder: RequestBuilder, guard: DestinationGuard) -> None:
        self._builder = builder
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=_MAX_IN_FLIGHT,
                keepalive_timeout=_KEEPALIVE_S,
                ttl_dns_cache=_DNS_S,
                socket_factory=_GuardedSockets(guard),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("Accept", "Accept-Encoding"),
        )

    async def deliver(self, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        """One request; its answer counts for every event of ``batch``."""
        return [await self._send(self._builder.build(batch))] * len(batch)

    async def probe(self) -> DeliveryOutcome:
        """An empty array: a receiver that iterates over it does nothing."""
        return await self._send(self._builder.build(()))

    async def aclose(self) -> None:
        await self._session.close()

    async def _send(self, request: WebhookRequest) -> DeliveryOutcome:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._exchange(request)
        except TimeoutError:
            return RetryLater(RetryReason.TIMED_OUT, f"no answer within {TIMEOUT_S:g} s")
        except aiohttp.ClientConnectorCertificateError as error:
            return RetryLater(RetryReason.CONNECT_FAILED, str(error.certificate_error))
        except aiohttp.ClientConnectorError as error:
            if error.os_error.errno == DestinationForbiddenError.ERRNO:
                return RetryLater(RetryReason.DESTINATION_FORBIDDEN, error.os_error.strerror or "")
            return RetryLater(RetryReason.CONNECT_FAILED, error.os_error.strerror or str(error.os_error))
        except aiohttp.ClientConnectionError as error:
            return RetryLater(RetryReason.CONNECT_FAILED, type(error).__name__)
        except aiohttp.ClientError as error:
            return RetryLater(RetryReason.BAD_ANSWER, type(error).__name__)

    async def _exchange(self, request: WebhookRequest) -> DeliveryOutcome:
        response = await self._session.request(
            request.method,
            URL(request.url, encoded=True),
            data=request.body,
            headers=request.headers,
            allow_redirects=False,
        )
        try:
            # The head of the answer decides. Of its body we keep what explains a failure, if that comes soon.
            body = await _read(response.content)
            return judge(
                response.status,
                retry_after=response.headers.get("Retry-After"),
                excerpt=_printable(body[:_EXCERPT_BYTES]),
                now=datetime.now(UTC),
            )
        finally:
            if response.content.at_eof():
                response.release()  # the connection serves the next request
            else:
                response.close()


class _GuardedSockets:
    """Makes the sockets for connections, to addresses that the guard lets pass: asked after the name is resolved."""

    def __init__(self, guard: DestinationGuard) -> None:
        self._guard = guard

    def __call__(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, where = address
        self._guard.check(str(where[0]))
        return socket.socket(family, kind, protocol)


async def _read(content: aiohttp.StreamReader) -> bytes:
    """The start of a body: up to ``_BODY_BYTES``, or what has come when ``_BODY_S`` are over or it breaks off."""
    body = b""
    try:
        async with asyncio.timeout(_BODY_S):
            while len(body) < _BODY_BYTES and not content.at_eof():
                body += await content.read(_BODY_BYTES - len(body))
    except (TimeoutError, aiohttp.ClientError):
        return body
    return body


def _printable(body: bytes) -> str:
    text = body.decode(errors="replace")
    return "".join(character if character.isprintable() else " " for character in text).strip()


async def _open(config: WebhookConfig, context: SinkContext) -> WebhookSink:
    return WebhookSink(RequestBuilder(config, context), context.guard)


def _capabilities(config: WebhookConfig) -> Capabilities:
    if not config.batch_events:
        return Capabilities(timeout_s=_HUNG_S, max_in_flight=_MAX_IN_FLIGHT)
    return Capabilities(
        timeout_s=_HUNG_S,
        max_in_flight=_MAX_IN_FLIGHT,
        max_batch_events=100,
        max_batch_bytes=64 * 1024,  # the reference's only documented bound of a batch
        linger_s=0.5,
    )


PLUGIN: Final = SinkPlugin(
    sink_type="webhook", config=WebhookConfig, capabilities=_capabilities, public=public, open=_open
)
