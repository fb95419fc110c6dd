"""Connections of sinks: to the address that the guard judged, and to no other."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from eventstreams.sinks import DestinationForbiddenError, DestinationGuard, open_connection
from eventstreams.testing.certificates import self_signed

LOOPBACK = DestinationGuard((ip_network("127.0.0.0/8"), ip_network("::1/128")))


@asynccontextmanager
async def greeter(tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on loopback that says hello; its port."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_allowed_address_is_connected_to(host: str) -> None:
    async with greeter() as port:
        reader, writer = await open_connection(host, port, guard=LOOPBACK)

        assert await reader.readline() == b"hello\r\n"
        writer.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433"])
async def test_a_forbidden_address_is_not_however_it_is_spelled(host: str) -> None:
    async with greeter() as port:
        with pytest.raises(DestinationForbiddenError, match="is not public"):
            await open_connection(host, port, guard=DestinationGuard())


async def test_nobody_there_is_an_os_error() -> None:
    async with greeter() as port:
        pass

    with pytest.raises(ConnectionRefusedError):
        await open_connection("127.0.0.1", port, guard=LOOPBACK)


async def test_with_tls_the_name_is_what_the_certificate_must_say(tmp_path: Path) -> None:
    certificate, key = self_signed("localhost", tmp_path)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate, key)
    ours = ssl.create_default_context(cafile=str(certificate))

    async with greeter(theirs) as port:
        reader, writer = await open_connection("localhost", port, guard=LOOPBACK, ssl=ours)
        assert await reader.readline() == b"hello\r\n"
        writer.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            await open_connection("127.0.0.1", port, guard=LOOPBACK, ssl=ours)
