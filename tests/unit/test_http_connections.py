"""Who holds connections, or reads and writes slowly: such a connection ends, and others are served meanwhile."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from eventstreams.http import answer_errors, read_body
from eventstreams.http.connections import BoundedHandler, Connections, most_connections

GET = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Server:
    """A small server with our connections, and what was asked of it."""

    def __init__(self, port: int, connections: Connections) -> None:
        self.port = port
        self.connections = connections
        self.go_on = asyncio.Event()
        self.told: list[web.Response] = []

    async def connect(self, *, buffer: int | None = None) -> Stream:
        sock = socket.socket()
        if buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        return await asyncio.open_connection(sock=sock, limit=buffer or 1 << 16)

    async def is_served(self) -> bool:
        reader, writer = await self.connect()
        writer.write(GET % b"")
        first = await reader.readline()
        writer.close()
        return first.endswith(b" 200 OK\r\n")


@asynccontextmanager
async def serving(*, most: int = 10, head_s: float = 60, taken_s: float = 60) -> AsyncIterator[Server]:
    async def small(request: web.Request) -> web.Response:
        await read_body(request)
        server.told.append(web.Response(text="ok"))
        return server.told[-1]

    async def waits(_: web.Request) -> web.Response:
        await server.go_on.wait()
        return web.Response(text="at last")

    async def large(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * (64 << 20))

    app = web.Application(middlewares=[answer_errors])
    app.add_routes([web.route("*", "/", small), web.get("/waits", waits), web.get("/large", large)])
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    manager, connections = runner.server, Connections(most)
    assert manager is not None

    def connected() -> BoundedHandler:
        return BoundedHandler(manager, connections, keepalive_s=75, head_s=head_s, taken_s=taken_s)

    listening = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
    server = Server(listening.sockets[0].getsockname()[1], connections)
    try:
        yield server
    finally:
        server.go_on.set()
        listening.close()
        await runner.cleanup()


async def ended(stream: Stream) -> bool:
    """Once the other side has ended ``stream``: whether it did so without an answer."""
    try:
        async with asyncio.timeout(30):
            return await stream[0].read(1) == b""
    except ConnectionError:
        return True


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def test_where_too_many_are_open_the_oldest_that_asks_nothing_goes() -> None:
    async with serving(most=10) as server:
        held = [await server.connect() for _ in range(30)]
        for _, writer in held:
            writer.write(b"GET / HT")

        assert await server.is_served()
        assert [await ended(each) for each in held[:20]] == [True] * 20
        assert len(server.connections) <= 10
        for _, writer in held:
            writer.close()
        await until(lambda: len(server.connections) == 0)


async def test_a_request_under_way_is_not_cut_off_for_who_comes_later() -> None:
    async with serving(most=5) as server:
        reader, writer = await server.connect()
        writer.write(GET % b"waits")
        await asyncio.sleep(0)
        held = [await server.connect() for _ in range(20)]
        assert await server.is_served()
        server.go_on.set()

        assert (await reader.readline()).endswith(b" 200 OK\r\n")
        for _, each in [*held, (reader, writer)]:
            each.close()


@pytest.mark.parametrize("ahead", [b"", GET % b""], ids=["its only request", "one sent ahead"])
async def test_who_has_just_been_answered_has_not_waited_for_longest(ahead: bytes) -> None:
    async with serving(most=3) as server:
        reader, writer = await server.connect()
        writer.write(GET % b"waits" + ahead)
        await until(lambda: any(each.is_at_work for each in server.connections))
        idle = [await server.connect() for _ in range(2)]
        await until(lambda: len(server.connections) == 3)
        server.go_on.set()
        for end in (b"at last", b"ok")[: 2 if ahead else 1]:
            await reader.readuntil(end)

        assert await server.is_served()
        assert await ended(idle[0])
        writer.write(GET % b"")
        assert (await reader.readline()).endswith(b" 200 OK\r\n")
        for _, each in [*idle, (reader, writer)]:
            each.close()


async def test_where_all_are_at_work_the_newest_is_not_let_in() -> None:
    async with serving(most=3) as server:
        busy = [await server.connect() for _ in range(3)]
        for _, writer in busy:
            writer.write(GET % b"waits")
        await until(lambda: all(each.is_at_work for each in server.connections) and len(server.connections) == 3)

        one_more = await server.connect()
        assert await ended(one_more)
        server.go_on.set()
        assert [(await reader.readline()).endswith(b" 200 OK\r\n") for reader, _ in busy] == [True] * 3
        for _, writer in [*busy, one_more]:
            writer.close()


@pytest.mark.parametrize("before", [b"", GET % b""], ids=["the first request", "one that follows another"])
async def test_a_head_that_comes_too_slowly_ends_the_connection(before: bytes) -> None:
    async with serving(head_s=0.2) as server:
        reader, writer = await server.connect()
        if before:
            writer.write(before)
            await reader.readuntil(b"\r\n\r\nok")
        writer.write(b"GET / HTTP/1.1\r\nX: ")

        async with asyncio.timeout(30):
            while not reader.at_eof():
                writer.write(b"a")
                await asyncio.sleep(0.02)
                if reader.exception() is not None or writer.is_closing():
                    break
        await until(lambda: len(server.connections) == 0)
        writer.close()
        assert await server.is_served()


async def test_a_body_may_take_longer_than_a_head_and_so_may_a_pause_between_requests() -> None:
    async with serving(head_s=0.2) as server:
        reader, writer = await server.connect()
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
            for byte in b"hello":
                await asyncio.sleep(0.1)
                writer.write(bytes([byte]))
            assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200 ")
            await asyncio.sleep(0.5)
        writer.close()


async def test_of_requests_that_come_before_others_are_answered_only_some_are_read() -> None:
    async with serving() as server:

        def held() -> list[BoundedHandler]:
            return list(server.connections)

        _, writer = await server.connect()
        writer.write(GET % b"waits" * 100_000)  # 3 MB, which would take a hundred times as much memory

        await until(lambda: any(each.transport is not None and not each.transport.is_reading() for each in held()))

        (handler,) = held()
        assert len(handler._messages) <= 100  # aiohttp's bound, which earlier releases of it have not
        assert await server.is_served()
        writer.close()


async def test_an_answer_that_nobody_takes_ends_the_connection() -> None:
    async with serving(taken_s=0.3) as server:
        _, writer = await server.connect(buffer=4096)
        writer.write(GET % b"large")

        await until(lambda: len(server.connections) == 1)
        await until(lambda: len(server.connections) == 0)
        writer.close()
        assert await server.is_served()


@pytest.mark.parametrize(
    ("files", "most"), [(64, 64), (1024, 256), (1 << 20, 4096), (resource.RLIM_INFINITY, 4096)], ids=str
)
def test_half_of_the_files_that_a_process_may_open_is_left_to_others(
    monkeypatch: pytest.MonkeyPatch, files: int, most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))

    assert most_connections() == most


SLOW = {
    "a body that does not come": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel", b""),
    "an answer that is not taken": (GET % b"large", b"HTTP/1.1 200 OK\r\n"),
}


@pytest.mark.parametrize(("asked", "answered"), SLOW.values(), ids=SLOW)
async def test_where_too_many_clients_are_slow_the_one_that_is_for_longest_goes(asked: bytes, answered: bytes) -> None:
    async with serving(most=5) as server:
        reader, busy = await server.connect()
        busy.write(GET % b"waits")
        await until(lambda: any(each.is_at_work for each in server.connections))
        held = [await server.connect(buffer=4096) for _ in range(4)]
        for each_reader, writer in held:
            writer.write(asked)
            if answered:
                assert await each_reader.readline() == answered
        await until(lambda: sum(each.is_at_work and each.waits_for_client for each in server.connections) == 4)

        assert await server.is_served()

        server.go_on.set()  # who only waits for us was not ended
        assert (await reader.readline()).endswith(b" 200 OK\r\n")
        for _, each in [*held, (reader, busy)]:
            each.close()


async def test_who_has_just_come_is_not_ended_for_those_who_are_slow() -> None:
    async with serving(most=5) as server:
        held = [await server.connect() for _ in range(4)]
        for _, writer in held:
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel")
        await until(lambda: sum(each.is_at_work for each in server.connections) == 4)

        reader, writer = await server.connect()
        others = [await server.connect() for _ in range(4)]
        await until(lambda: len(server.connections) == 5)
        writer.write(GET % b"")

        assert (await reader.readline()).endswith(b" 200 OK\r\n")
        for _, each in [*held, *others, (reader, writer)]:
            each.close()


async def test_a_connection_that_asks_nothing_more_keeps_no_answer() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(GET % b"")
        assert (await reader.readuntil(b"ok")).endswith(b"ok")

        [told] = server.told
        await until(lambda: told.body is None)
        writer.close()


async def test_who_goes_in_the_middle_of_a_body_is_no_failure_of_ours() -> None:
    async with serving() as server:
        with capture_logs() as logs:
            _, writer = await server.connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel")
            await until(lambda: any(each.is_at_work for each in server.connections))
            writer.close()
            await until(lambda: not server.connections or not any(each.is_at_work for each in server.connections))
            assert await server.is_served()

    assert [each for each in logs if each["log_level"] == "error"] == []
