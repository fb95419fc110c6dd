"""The destination guard and a real DNS server: it is the address that a socket is opened to that is judged.

127.0.0.2 stands for what is public, and on all other addresses of the same port, 127.0.0.1 among them, is the inside.
"""

import asyncio
import errno
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final

import pytest
from aiohttp.resolver import DefaultResolver, ThreadedResolver

from eventstreams.sinks import (
    Delivered,
    DestinationForbiddenError,
    DestinationGuard,
    RetryLater,
    RetryReason,
    open_connection,
)
from tests.support.names import Answer, Zone, dns_server
from tests.support.webhooks import deliver

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there all of 127.0.0.0/8 is this machine")

PUBLIC: Final = "127.0.0.2"
INSIDE: Final = "127.0.0.1"
GUARD: Final = DestinationGuard((ip_network(f"{PUBLIC}/32"),))
NAME: Final = "hooks.example.com"


@dataclass
class Town:
    """A port on which everybody listens; who was called, by address."""

    port: int = 0
    called: list[str] = field(default_factory=list)
    _serving: set["asyncio.Task[None] | None"] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.current_task())
        self.called.append(writer.get_extra_info("sockname")[0])
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(each.split(b":")[1]) for each in head.lower().split(b"\r\n") if b"length" in each), 0)
            await reader.readexactly(length)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def until_served(self) -> None:
        """Return once no connection is left."""
        await asyncio.gather(*(task for task in self._serving if task is not None), return_exceptions=True)


async def _one_port(town: Town) -> list[asyncio.Server]:
    """Listen at three addresses, all at one port, which nobody else on this machine has at any of them."""
    while True:
        servers: list[asyncio.Server] = []
        town.port = 0
        try:
            for each in (PUBLIC, INSIDE, "127.0.0.3"):
                servers.append(await asyncio.start_server(town.serve, each, town.port))
                town.port = servers[0].sockets[0].getsockname()[1]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            for server in servers:
                server.close()
        else:
            return servers


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    town = Town()
    servers = await _one_port(town)
    if socket.has_ipv6:
        with suppress(OSError):  # this machine has none
            servers.append(await asyncio.start_server(town.serve, "::1", town.port))
    yield town
    for server in servers:
        server.close()
    await town.until_served()


connected: list[tuple[str, int]] = []
"""Every TCP address that a socket of this process was told to connect to."""


@pytest.fixture(autouse=True)
def _connections(monkeypatch: pytest.MonkeyPatch) -> None:
    connected.clear()
    connect = socket.socket.connect

    def told(opened: socket.socket, where: tuple[str, int]) -> None:
        if opened.type == socket.SOCK_STREAM:
            connected.append(where[:2])
        connect(opened, where)

    monkeypatch.setattr(socket.socket, "connect", told)


@asynccontextmanager
async def names(monkeypatch: pytest.MonkeyPatch, *answers: Answer, **more: Answer) -> AsyncIterator[Zone]:
    """``NAME`` has ``answers``, one lookup after the other; each of ``more`` is a name below .example.com."""
    zone = Zone({NAME: answers, **{f"{name}.example.com": [answer] for name, answer in more.items()}})
    async with dns_server(zone) as resolver:
        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        yield zone


Call = Callable[[int], Awaitable[str]]


async def by_webhook(port: int) -> str:
    [outcome] = await deliver(f"http://{NAME}:{port}/hook", guard=GUARD)
    match outcome:
        case Delivered():
            return "connected"
        case RetryLater(reason=RetryReason.DESTINATION_FORBIDDEN):
            return "forbidden"
        case _:
            return "failed"


async def by_connection(port: int) -> str:
    """As plugins with a protocol of their own do."""
    try:
        _, writer = await open_connection(NAME, port, guard=GUARD)
    except DestinationForbiddenError:
        return "forbidden"
    except OSError:
        return "failed"
    writer.close()
    await writer.wait_closed()
    return "connected"


@pytest.fixture(params=[by_webhook, by_connection], ids=["webhook", "connection"])
def call(request: pytest.FixtureRequest) -> Call:
    found: Call = request.param
    return found


def assert_only_the_public_was_called(town: Town) -> None:
    assert set(town.called) <= {PUBLIC}
    assert {address for address, port in connected if port == town.port} <= {PUBLIC}


def test_names_are_resolved_as_in_production() -> None:
    assert DefaultResolver is ThreadedResolver  # which asks getaddrinfo; another would go past this page


async def test_a_name_that_is_public_first_and_inside_a_moment_later(
    town: Town, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looked the name up to check it, and again to connect, would connect to the inside."""
    async with names(monkeypatch, [f"A {PUBLIC}"], [f"A {INSIDE}"]) as zone:
        first = await call(town.port)
        lookups = [kind for _, kind in zone.asked]
        then = [await call(town.port) for _ in range(3)]

    assert first == "connected"
    assert lookups == ["A", "AAAA"]  # once for a connection
    assert then == ["forbidden"] * 3
    assert town.called == [PUBLIC]
    assert_only_the_public_was_called(town)


async def test_a_name_that_is_inside_first_and_public_later_is_called_once_it_is(
    town: Town, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with names(monkeypatch, [f"A {INSIDE}"], [f"A {PUBLIC}"]):
        assert [await call(town.port) for _ in range(2)] == ["forbidden", "connected"]

    assert_only_the_public_was_called(town)


@pytest.mark.parametrize(
    "end",
    [["A 127.0.0.1"], ["A 10.0.0.1"], ["A 169.254.169.254"], ["AAAA ::1"], ["AAAA fd00:ec2::254"]],
    ids=lambda end: end[0],
)
async def test_a_chain_of_names_that_ends_inside(
    town: Town, call: Call, monkeypatch: pytest.MonkeyPatch, end: Answer
) -> None:
    chain = {"cdn": ["CNAME edge.example.com."], "edge": ["CNAME internal.example.com."], "internal": end}
    async with names(monkeypatch, ["CNAME cdn.example.com."], **chain) as zone:
        assert await call(town.port) == "forbidden"

    assert {asked for asked, _ in zone.asked} == {NAME}
    assert_only_the_public_was_called(town)
    assert town.called == []


async def test_a_chain_of_names_that_ends_outside(town: Town, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    async with names(monkeypatch, ["CNAME internal.example.com."], internal=[f"A {PUBLIC}"]):
        assert await call(town.port) == "connected"

    assert (PUBLIC, town.port) in connected


MANY: Final = [f"A {address}" for address in (INSIDE, "10.0.0.1", "127.0.0.3", "192.168.0.1", "169.254.169.254")]


@pytest.mark.parametrize("at", [0, 2, 5], ids=["first", "in the middle", "last"])
async def test_of_many_addresses_the_public_one_is_called_and_no_other(
    town: Town, call: Call, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    answer = [*MANY[:at], f"A {PUBLIC}", *MANY[at:], "AAAA ::1", "AAAA ::ffff:127.0.0.1"]
    async with names(monkeypatch, answer):
        assert await call(town.port) == "connected"

    assert town.called == [PUBLIC]
    assert_only_the_public_was_called(town)


async def test_of_many_addresses_of_which_the_public_one_is_dead_no_other_is_called(
    town: Town, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:
        nobody.bind((PUBLIC, 0))  # and does not listen
        port = nobody.getsockname()[1]
        inside = await asyncio.start_server(town.serve, INSIDE, port)
        async with names(monkeypatch, [f"A {PUBLIC}", *MANY]):
            assert await call(port) in {"failed", "forbidden"}
        inside.close()

    assert {address for address, to in connected if to == port} == {PUBLIC}
    assert town.called == []


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::127.0.0.1", "2002:7f00:1::", "::1"])
async def test_an_address_of_the_inside_in_ipv6_alone(
    town: Town, call: Call, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    async with names(monkeypatch, [f"AAAA {address}"]):
        assert await call(town.port) == "forbidden"

    assert town.called == []
    assert_only_the_public_was_called(town)


async def test_a_name_that_is_none_has_no_address(town: Town, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    async with names(monkeypatch, ["CNAME nobody.example.com."]):
        assert await call(town.port) == "failed"

    assert town.called == []
