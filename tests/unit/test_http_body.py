"""Bodies that are too large, too slow, cut off or wrongly encoded, over real connections."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from eventstreams.http import answer_errors, read_body

LIMIT: Final = 1000


@asynccontextmanager
async def echo(timeout_s: float = 10.0) -> AsyncIterator[BaseTestServer]:
    """A server that answers with the length of what it read."""

    async def length(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await read_body(request, timeout_s=timeout_s))))

    app = web.Application(middlewares=[answer_errors], client_max_size=LIMIT)
    app.router.add_post("/", length)
    async with TestServer(app) as server:
        yield server


async def talk(server: BaseTestServer, *parts: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to a POST of raw ``parts``: header lines, then what follows them."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + b"".join(parts))
        head = await reader.readuntil(b"\r\n\r\n")
        size = next(int(line.split(b":")[1]) for line in head.splitlines() if line.startswith(b"Content-Length"))
        return int(head.split()[1]), await reader.readexactly(size)
    finally:
        writer.close()


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


async def test_a_body_of_just_the_limit_is_read() -> None:
    async with echo() as server:
        answer = await talk(server, b"Content-Length: 1000\r\n\r\n", b"x" * LIMIT)

        assert answer == (200, b"1000")


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes() -> None:
    async with echo() as server:
        status, body = await talk(server, b"Content-Length: 1001\r\n\r\n")

        assert (status, orjson.loads(body)["message"]) == (413, "The body is larger than 1000 bytes")


async def test_a_body_that_turns_out_too_large_is_refused() -> None:
    async with echo() as server:
        status, body = await talk(server, b"Transfer-Encoding: chunked\r\n\r\n", chunk(b"x" * 600), chunk(b"x" * 600))

        assert (status, orjson.loads(body)["code"]) == (413, 20413)


async def test_a_compressed_body_counts_as_what_it_becomes() -> None:
    packed = gzip.compress(b"x" * 100_000)
    head = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with echo() as server:
        status, _ = await talk(server, head, packed)

        assert status == 413


async def test_a_slow_body_is_given_up() -> None:
    async with echo(timeout_s=0.05) as server:
        status, body = await talk(server, b"Content-Length: 10\r\n\r\n", b"x")

        assert (status, orjson.loads(body)["code"]) == (408, 20408)


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", id="no gzip"),
        pytest.param(b"Content-Encoding: deflate\r\nContent-Length: 5\r\n\r\nhello", id="no deflate"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", id="no chunk"),
    ],
)
async def test_a_body_that_is_wrongly_encoded_is_refused(request_bytes: bytes) -> None:
    async with echo() as server:
        status, _ = await talk(server, request_bytes)

        assert status == 400
