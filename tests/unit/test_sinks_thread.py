"""The thread that client libraries run on: no connection but past the guard, and none that swells."""

import asyncio
import socket
import ssl
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import aiohttp
import pytest

from eventstreams.sinks import DestinationForbiddenError, DestinationGuard, GuardedThread
from eventstreams.testing.certificates import CertificateAuthority
from tests.support.silent import TWO, resolver_of, silent

LOOPBACK = DestinationGuard((ip_network("127.0.0.0/8"),))


@asynccontextmanager
async def thread(guard: DestinationGuard = LOOPBACK, *, unread_bytes: int = 1 << 20) -> AsyncIterator[GuardedThread]:
    made = GuardedThread(guard, name="of a test", unread_bytes=unread_bytes)
    try:
        yield made
    finally:
        await made.aclose()


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()


@asynccontextmanager
async def server(says: bytes, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that says ``says`` and keeps the connection; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def read(port: int, count: int, tls: ssl.SSLContext | None = None) -> bytes:
    reader, writer = await asyncio.open_connection("localhost", port, ssl=tls)
    try:
        return await reader.readexactly(count)
    finally:
        writer.close()


async def test_what_is_run_runs_in_a_thread_of_its_own_and_returns_what_it_returns() -> None:
    async def name() -> str:
        return threading.current_thread().name

    async with thread() as made:
        assert await made.run(name()) == "of a test"


async def test_a_name_is_connected_to_where_it_resolves_to_an_address_that_is_let_pass() -> None:
    async with server(b"hello") as port, thread() as made:
        assert await made.run(read(port, 5)) == b"hello"
        assert made.forbidden is None


@pytest.mark.skipif(sys.platform != "linux", reason="only there all of 127.0.0.0/8 is this machine")
async def test_an_address_that_does_not_answer_keeps_nobody_from_the_one_that_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def connect(port: int) -> bytes:
        reader, writer = await asyncio.open_connection(TWO, port)
        try:
            return await reader.readexactly(5)
        finally:
            writer.close()

    async with server(b"hello") as port, thread() as made:
        monkeypatch.setattr(socket, "getaddrinfo", resolver_of("127.0.0.2", "127.0.0.1"))
        with silent("127.0.0.2", port):
            async with asyncio.timeout(30):  # the system itself gives up after two minutes
                assert await made.run(connect(port)) == b"hello"


async def test_an_address_that_is_forbidden_says_nothing_of_the_one_beside_it_that_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("eventstreams.sinks.thread.STAGGER_S", 0.0)
    async with server(b"hello") as port, thread() as made:
        monkeypatch.setattr(socket, "getaddrinfo", resolver_of("127.0.0.1", "10.1.2.3"))
        _, writer = await made.run(asyncio.open_connection(TWO, port))

        assert made.forbidden is None
        await made.run(closed(writer))


async def test_no_socket_is_opened_to_an_address_that_is_forbidden_and_it_is_said_which() -> None:
    async with server(b"hello") as port, thread(DestinationGuard()) as made:
        with pytest.raises(DestinationForbiddenError, match=r"127\.0\.0\.1 is not public"):
            await made.run(asyncio.open_connection("127.0.0.1", port))

        assert made.forbidden is not None
        assert "127.0.0.1 is not public" in str(made.forbidden.strerror)


async def test_to_where_a_name_leads_is_not_said() -> None:
    async with server(b"hello") as port, thread(DestinationGuard()) as made:
        with pytest.raises(DestinationForbiddenError, match="its address is not public"):
            await made.run(asyncio.open_connection("localhost", port))

        assert made.forbidden is not None
        assert "its address is not public" in str(made.forbidden.strerror)


async def test_a_unix_socket_is_no_place_for_deliveries() -> None:
    async with thread() as made:
        with pytest.raises(DestinationForbiddenError, match="it is not an IP address"):
            await made.run(asyncio.open_unix_connection("/run/docker.sock"))


async def test_a_library_with_streams_of_its_own_is_guarded_as_well() -> None:
    async def fetch() -> None:
        async with aiohttp.ClientSession() as http, http.get("http://127.0.0.1:1/"):
            pass

    async with thread(DestinationGuard()) as made:
        with pytest.raises(aiohttp.ClientConnectorError):
            await made.run(fetch())
        assert made.forbidden is not None


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
async def test_a_connection_whose_other_end_sends_without_end_is_ended(
    is_tls: bool,  # noqa: FBT001 - a table
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    authority = CertificateAuthority.new()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(*authority.issue("localhost").write(tmp_path_factory.mktemp("pair")))
    ours = ssl.create_default_context(cadata=authority.pem)

    async with server(b"x" * (8 << 20), tls=theirs if is_tls else None) as port, thread() as made:
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await made.run(read(port, 1 << 31, ours if is_tls else None))


async def test_much_that_is_read_as_it_comes_is_no_reason_to_end_a_connection() -> None:
    async def read_on(port: int) -> int:
        reader, writer = await asyncio.open_connection("localhost", port)
        got = 0
        while got < 8 << 20:
            got += len(await reader.read(1 << 16))
        writer.close()
        return got

    async with server(b"x" * (8 << 20)) as port, thread() as made:
        assert await made.run(read_on(port)) == 8 << 20


async def test_what_is_run_is_cancelled_with_whoever_waits_for_it() -> None:
    ended = threading.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with thread() as made:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await made.run(wait())
        assert await asyncio.to_thread(ended.wait, 30)


async def test_closing_ends_what_runs_and_the_thread_with_it() -> None:
    async with server(b"") as port, thread() as made:
        waiting = asyncio.create_task(made.run(read(port, 1)))
        await made.run(asyncio.sleep(0))

        await made.aclose()
        await made.aclose()

        with pytest.raises((ConnectionAbortedError, asyncio.IncompleteReadError)):
            await waiting
        with pytest.raises(ConnectionAbortedError, match="closed"):
            await made.run(read(port, 1))
        assert "of a test" not in {each.name for each in threading.enumerate()}


async def test_closing_closes_what_a_library_has_left_open() -> None:
    async with server(b"") as port, thread() as made:
        _, writer = await made.run(asyncio.open_connection("localhost", port))
        connection = writer.get_extra_info("socket")
        assert connection.fileno() >= 0

        await made.aclose()

        assert writer.is_closing()
        assert connection.fileno() == -1
