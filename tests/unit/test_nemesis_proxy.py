"""The proxy between two programs: hands on what it gets, and can be cut, slow, narrow, closed and reset."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from eventstreams.process.listen import open_socket
from eventstreams.verify.nemesis.network import Cut, Narrow, Refused, Resets, Slow
from eventstreams.verify.nemesis.proxy import Link, proxy

DEAF_S = 0.3  # for so long nothing came: far longer than loopback takes
HEARD_S = 30.0


class Echo:
    """A server that sends back what it gets, behind a link."""

    def __init__(self, link: Link, port: int) -> None:
        self.link = link
        self.port = port

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass  # what a reset does
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    listening = open_socket("127.0.0.1:0", setting="test")
    link = Link("test~echo")
    async with proxy(link, to=server.sockets[0].getsockname()[1], listening=listening):
        yield Echo(link, listening.getsockname()[1])
    server.close()
    await server.wait_closed()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes = b"x") -> float:
    """How long it took until ``data`` had come back."""
    began = time.monotonic()
    writer.write(data)
    async with asyncio.timeout(HEARD_S):
        assert await reader.readexactly(len(data)) == data
    return time.monotonic() - began


async def is_deaf(reader: asyncio.StreamReader) -> bool:
    """Whether nothing comes, not even an end."""
    try:
        async with asyncio.timeout(DEAF_S):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


async def is_reset(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(HEARD_S):
            await reader.read(1)
    except ConnectionResetError:
        return True
    return False


async def test_what_is_sent_arrives_whole_and_in_order_both_ways(echo: Echo) -> None:
    reader, writer = await echo.connect()
    sent = bytes(range(256)) * 4_000

    await asyncio.gather(ask(reader, writer, sent))
    assert echo.link.carried == 2 * len(sent)
    assert echo.link.connections == 1
    writer.write_eof()

    assert await reader.read() == b""  # the end gets through, both ways
    writer.close()


async def test_a_cut_link_is_silent_and_after_the_heal_what_was_held_arrives(echo: Echo) -> None:
    reader, writer = await echo.connect()
    await ask(reader, writer)
    fault = Cut([echo.link])

    await fault.inflict()
    writer.write(b"held")
    later_reader, later_writer = await echo.connect()  # a connection that is made meanwhile
    later_writer.write(b"also")
    assert await is_deaf(reader)
    assert await is_deaf(later_reader)
    await fault.heal()

    async with asyncio.timeout(HEARD_S):
        assert await reader.readexactly(4) == b"held"
        assert await later_reader.readexactly(4) == b"also"
    for each in (writer, later_writer):
        each.close()


async def test_a_death_is_not_heard_through_a_cut(echo: Echo) -> None:
    reader, writer = await echo.connect()
    await ask(reader, writer)

    echo.link.cut()
    writer.transport.abort()
    await asyncio.sleep(DEAF_S)
    held = echo.link.connections
    echo.link.mend()

    assert held == 1
    async with asyncio.timeout(HEARD_S):
        while echo.link.connections:
            await asyncio.sleep(0.01)


async def test_a_slow_link_takes_many_times_as_long_and_then_no_longer(echo: Echo) -> None:
    reader, writer = await echo.connect()
    before_s = min([await ask(reader, writer) for _ in range(5)])
    fault = Slow([echo.link], delay_s=0.1)

    await fault.inflict()
    slow_s = await ask(reader, writer)
    await fault.heal()
    after_s = min([await ask(reader, writer) for _ in range(5)])

    assert slow_s >= 0.2  # once each way
    assert slow_s > 5 * max(before_s, after_s)
    writer.close()


async def test_a_delay_does_not_narrow_the_link(echo: Echo) -> None:
    reader, writer = await echo.connect()
    echo.link.delay_s = 0.1
    pieces = 20

    began = time.monotonic()
    for _ in range(pieces):
        writer.write(b"x" * 1000)
        await asyncio.sleep(0.005)  # so that each is a piece of its own
    async with asyncio.timeout(HEARD_S):
        await reader.readexactly(pieces * 1000)

    assert time.monotonic() - began < pieces * 0.1  # as it would take one after the other
    writer.close()


async def test_a_narrow_link_takes_as_long_as_its_width_says(echo: Echo) -> None:
    reader, writer = await echo.connect()
    sent = b"x" * (1 << 18)
    fault = Narrow([echo.link], bytes_per_s=1 << 20)

    wide_s = await ask(reader, writer, sent)
    await fault.inflict()
    narrow_s = await ask(reader, writer, sent)
    await fault.heal()

    assert narrow_s > 2 * wide_s
    assert narrow_s > 0.1
    writer.close()


async def test_a_link_that_refuses_throws_everybody_out_until_it_is_healed(echo: Echo) -> None:
    reader, writer = await echo.connect()
    await ask(reader, writer)
    fault = Refused([echo.link])

    await fault.inflict()
    assert await is_reset(reader)
    new_reader, new_writer = await echo.connect()
    assert await is_reset(new_reader)
    await fault.heal()

    await ask(*(again := await echo.connect()))
    for each in (writer, new_writer, again[1]):
        each.close()


async def test_resets_break_every_connection_and_let_new_ones_through(echo: Echo) -> None:
    reader, writer = await echo.connect()
    await ask(reader, writer)
    fault = Resets([echo.link])

    await fault.inflict()
    assert await is_reset(reader)
    await fault.heal()

    await ask(*(again := await echo.connect()))
    for each in (writer, again[1]):
        each.close()


async def test_who_is_not_there_is_told_as_a_broken_connection() -> None:
    listening = open_socket("127.0.0.1:0", setting="test")
    with open_socket("127.0.0.1:0", setting="test") as gone:
        port = gone.getsockname()[1]
    async with proxy(Link("test~nobody"), to=port, listening=listening):
        reader, writer = await asyncio.open_connection("127.0.0.1", listening.getsockname()[1])

        assert await is_reset(reader)
        writer.close()
