"""Connections of sinks: to the address that the guard judged, and to no other."""

import asyncio
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import pytest

from eventstreams.sinks import (
    DestinationForbiddenError,
    DestinationGuard,
    RetryLater,
    RetryReason,
    first_of,
    no_connection,
    open_connection,
)
from eventstreams.testing.certificates import self_signed
from tests.support.silent import TWO, resolver_of, silent

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
        with pytest.raises(DestinationForbiddenError, match="is not public") as caught:
            await open_connection(host, port, guard=DestinationGuard())

    assert ("127.0.0.1" in str(caught.value)) == (host == "127.0.0.1")


async def test_nobody_there_is_an_os_error() -> None:
    async with greeter() as port:
        pass

    with pytest.raises(ConnectionRefusedError):
        await open_connection("127.0.0.1", port, guard=LOOPBACK)


@pytest.mark.parametrize("host", ["a..b", "x" * 64], ids=["an empty label", "a label that is too long"])
async def test_what_can_be_no_host_is_an_os_error(host: str) -> None:
    with pytest.raises(OSError, match="is not a valid name") as caught:
        await open_connection(host, 9, guard=LOOPBACK)

    outcome = no_connection(caught.value)
    assert (outcome.reason, outcome.detail) == (RetryReason.CONNECT_FAILED, "the host is not a valid name")


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


async def test_the_first_way_that_leads_somewhere_is_taken_and_the_others_end() -> None:
    ended: list[str] = []

    async def hangs() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("hangs")
            raise
        return "never"

    async def fails() -> str:
        raise ConnectionRefusedError

    async def answers() -> str:
        return "here"

    assert await first_of([hangs, fails, answers], stagger_s=0.001, failures=(OSError,)) == "here"
    await asyncio.sleep(0)
    assert ended == ["hangs"]


async def test_the_next_way_is_tried_as_soon_as_one_has_failed() -> None:
    async def fails() -> str:
        raise ConnectionRefusedError

    async def answers() -> str:
        return "here"

    async with asyncio.timeout(30):
        assert await first_of([fails, fails, answers], stagger_s=3600.0, failures=(OSError,)) == "here"


async def test_what_another_way_led_to_at_the_same_moment_is_let_go() -> None:
    both, left = asyncio.Event(), list[str]()

    async def answers(name: str) -> str:
        await both.wait()
        return name

    ways = [partial(answers, "one"), partial(answers, "other")]
    asyncio.get_running_loop().call_later(0.1, both.set)
    assert await first_of(ways, stagger_s=0.001, failures=(OSError,), let_go=left.append) == "one"
    assert left == ["other"]


@pytest.mark.skipif(sys.platform != "linux", reason="only there all of 127.0.0.0/8 is this machine")
async def test_an_address_that_does_not_answer_keeps_nobody_from_the_one_that_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with greeter() as port:
        monkeypatch.setattr(socket, "getaddrinfo", resolver_of("127.0.0.2", "127.0.0.1"))
        with silent("127.0.0.2", port):
            async with asyncio.timeout(30):  # the system itself gives up after two minutes
                reader, writer = await open_connection(TWO, port, guard=LOOPBACK)
                assert await reader.readline() == b"hello\r\n"
                writer.close()


async def test_where_no_way_leads_anywhere_the_first_failure_says_why() -> None:
    async def fails(words: str) -> str:
        raise OSError(words)

    ways: list[Callable[[], Awaitable[object]]] = [partial(fails, "first"), partial(fails, "second")]
    with pytest.raises(OSError, match="first"):
        await first_of(ways, stagger_s=0.001, failures=(OSError,))
    with pytest.raises(OSError, match="first"):  # none that is expected: at once
        await first_of([ways[0], asyncio.Event().wait], stagger_s=60.0, failures=(TimeoutError,))


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (TimeoutError(), RetryLater(RetryReason.TIMED_OUT, "no answer in time")),
        (
            DestinationForbiddenError(0, "x is not public"),
            RetryLater(RetryReason.DESTINATION_FORBIDDEN, "x is not public"),
        ),
        (ConnectionResetError(104, "reset"), RetryLater(RetryReason.CONNECT_FAILED, "connection reset by peer")),
        (
            ConnectionRefusedError(111, "Connect call failed ('10.1.2.3', 25)"),
            RetryLater(RetryReason.CONNECT_FAILED, "connection refused"),
        ),
        (socket.gaierror(-2, "unknown"), RetryLater(RetryReason.CONNECT_FAILED, "unknown")),
        (ssl.SSLError(1, "no TLS"), RetryLater(RetryReason.CONNECT_FAILED, "no TLS")),
        (ConnectionAbortedError(), RetryLater(RetryReason.CONNECT_FAILED, "ConnectionAbortedError")),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_connection_that_failed_is_put_into_words(error: OSError, outcome: RetryLater) -> None:
    assert no_connection(error) == outcome
