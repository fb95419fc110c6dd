"""Webhook sinks in a test, and servers for them that send what the test wants, HTTP or not."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Final

from aiohttp.abc import AbstractResolver

from eventstreams.sinks import DeliveryOutcome, DestinationGuard, OutboundEvent, SinkContext
from sink_workers.plugins.webhook.config import WebhookConfig
from sink_workers.plugins.webhook.sink import WebhookSink, open_sink

TOKEN: Final = "the-account-token"
LOOPBACK: Final = DestinationGuard((ip_network("127.0.0.0/8"),))


def context(guard: DestinationGuard = LOOPBACK) -> SinkContext:
    return SinkContext(
        sink_sid="DG1", account_sid="AC1", signing_tokens=(TOKEN,), guard=guard, user_agent="eventstreams/test"
    )


def event(number: int = 1, **data: object) -> OutboundEvent:
    """An event with the id ``EZ<number>``."""
    return OutboundEvent(
        id=f"EZ{number}",
        type="com.acme.thing.made",
        source="/things/1",
        time="2026-03-29T04:01:02.345Z",
        dataschema="https://schemas/Acme.Thing/1",
        account_sid="AC1",
        data=data,
    )


@asynccontextmanager
async def opened(
    destination: str,
    *,
    guard: DestinationGuard = LOOPBACK,
    resolver: AbstractResolver | None = None,
    **configuration: object,
) -> AsyncIterator[WebhookSink]:
    """Open a sink with ``configuration`` as a subscriber gives it; closed at the end."""
    config = WebhookConfig.model_validate({"destination": destination, **configuration})
    sink = await open_sink(config, context(guard), resolver=resolver)
    try:
        yield sink
    finally:
        await sink.aclose()


async def deliver(
    destination: str,
    *,
    guard: DestinationGuard = LOOPBACK,
    resolver: AbstractResolver | None = None,
    batches: Sequence[Sequence[OutboundEvent]] = ((event(),),),
    **configuration: object,
) -> list[DeliveryOutcome]:
    """Deliver ``batches`` one after the other by one sink; return their outcomes."""
    async with opened(destination, guard=guard, resolver=resolver, **configuration) as sink:
        return [outcome for batch in batches for outcome in await sink.deliver(batch)]


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(talk: Talk, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Run a server that calls ``talk`` on each connection, then closes it; ends with the test."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read the next request, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    return head + await reader.readexactly(length)
