"""Requests that say in two ways where they end or what they are: refused, and nothing behind them is taken for another.

Sent byte by byte to a running API and a running gateway, with credentials that are right.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from control_api.role import serve as serve_api
from eventstreams.process.listen import address_of, open_socket
from eventstreams.settings import Settings
from producers.gateway.role import serve as serve_gateway
from tests.support.installation import TOKEN, Installation

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]

SMUGGLED = b"POST /v1/Keys HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n%AUTH\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
END = b"0\r\n\r\n"
BODIES = {
    "a length and chunks": (b"Content-Length: 4\r\n" + CHUNKED, END),
    "chunks and a length": (CHUNKED + b"Content-Length: 6\r\n", END),
    "two lengths": (b"Content-Length: 0\r\nContent-Length: 5\r\n", b""),
    "one length twice": (b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"),
    "a list of lengths": (b"Content-Length: 5, 5\r\n", b"hello"),
    "a length with a sign": (b"Content-Length: +5\r\n", b"hello"),
    "a length with an underscore": (b"Content-Length: 1_0\r\n", b"hello"),
    "a length in hexadecimal": (b"Content-Length: 0x5\r\n", b"hello"),
    "a length below zero": (b"Content-Length: -1\r\n", b""),
    "a length beyond 64 bits": (b"Content-Length: 18446744073709551617\r\n", b""),
    "a length of nothing": (b"Content-Length: \r\n", b""),
    "an unheard-of coding": (b"Transfer-Encoding: xchunked\r\n", END),
    "chunks and then another coding": (b"Transfer-Encoding: chunked, identity\r\n", END),
    "a coding twice": (CHUNKED + b"Transfer-Encoding: identity\r\n", END),
    "a space before the colon": (b"Transfer-Encoding : chunked\r\n", END),
    "a line that is folded": (b"X: a\r\n Transfer-Encoding: chunked\r\n", END),
    "a line feed alone": (b"X: a\nTransfer-Encoding: chunked\r\n", END),
    "a carriage return alone": (b"X: a\rTransfer-Encoding: chunked\r\n", END),
    "a NUL in a value": (b"X: a\0b\r\nContent-Length: 0\r\n", b""),
    "a NUL in a name": (b"X\0: a\r\nContent-Length: 0\r\n", b""),
    "a size of a chunk below zero": (CHUNKED, b"-1\r\nx\r\n" + END),
    "a size of a chunk beyond 64 bits": (CHUNKED, b"10000000000000001\r\nx\r\n" + END),
    "a size of a chunk with a space": (CHUNKED, b"1 \r\nx\r\n" + END),
    "chunks that end in line feeds": (CHUNKED, b"1\nx\n0\n\n"),
    "two hosts": (b"Host: b\r\nContent-Length: 0\r\n", b""),
}
LINES = [
    b"POST / HTTP/1.1\nHost: a\n\n",
    b"POST /v1/Keys HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"POST http://[/v1/Keys HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST http://u:p@h:99999/v1/Keys HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /v1/Keys\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X%d: 1\r\n" % each for each in range(10_000)) + b"\r\n",
]
PATHS = [
    "/v1/Sinks/../Keys",
    "/v1/Sinks/%2e%2e/Keys",
    "/v1/Sinks/..%2fKeys",
    "/v1/Sinks/DG00000000000000000000000000000000/../../../operator/v1/Accounts",
    "/v1/Sinks/%2fetc%2fpasswd",
    "/v1/Sinks/..%5c..%5cetc",
    "/v1/Sinks/%00",
    "/v1//Keys",
    "//v1/Keys",
    "/v1/./Keys",
    "/v1/Keys;a=b",
    "/v1/Keys%3f",
    "/v1/Keys%20",
    "/v1/Schemas/..%2f..%2f..%2fetc%2fpasswd/Versions/1",
    "/schemas/..%2f..%2f..%2fetc%2fpasswd/1",
    "/schemas/%2e%2e/1",
    "/operator/..%2fv1/Keys",
]


@dataclass(frozen=True)
class World:
    """A running API and a running gateway, and an account's credentials as a header line."""

    installation: Installation
    urls: dict[str, str]

    @property
    def authorization(self) -> bytes:
        pair = base64.b64encode(f"{self.installation.account_sid}:{TOKEN}".encode())
        return b"Authorization: Basic " + pair + b"\r\n"

    async def ask(self, role: str, raw: bytes) -> list[int]:
        """The statuses of all answers to ``raw``, until the connection ends."""
        place = urlsplit(self.urls[role])
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        answered = b""
        try:
            writer.write(raw.replace(b"%AUTH", self.authorization))
            async with asyncio.timeout(60):
                while piece := await reader.read(1 << 16):
                    answered += piece
        except ConnectionError:
            pass  # what had come counts
        finally:
            writer.close()
        parts = answered.split(b"HTTP/1.")[1:]
        return [int(each.split(b" ", 2)[1]) for each in parts]

    async def has_keys(self) -> bool:
        await self.installation.feed.catch_up()
        return bool(self.installation.feed.snapshot.keys)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(module_settings: Settings) -> AsyncIterator[World]:
    with open_socket("127.0.0.1:0", setting="t") as api, open_socket("127.0.0.1:0", setting="t") as gateway:
        urls = {"api": f"http://{address_of(api)}", "gateway": f"http://{address_of(gateway)}"}
        listen = {"api_listen": f"fd://{api.detach()}", "gateway_listen": f"fd://{gateway.detach()}"}
    settings = module_settings.model_copy(update=listen)
    async with Installation(settings) as installation:
        for role in (serve_api, serve_gateway):
            await installation.start(role)
        yield World(installation, urls)


@pytest.mark.parametrize("role", ["api", "gateway"])
@pytest.mark.parametrize(("head", "body"), BODIES.values(), ids=BODIES)
async def test_a_body_whose_end_is_not_plain_is_refused_and_what_follows_is_no_request(
    world: World, role: str, head: bytes, body: bytes
) -> None:
    path = b"/v1/Keys" if role == "api" else b"/v1/Events"
    first = b"POST %b HTTP/1.1\r\nHost: a\r\n%%AUTH" % path

    statuses = await world.ask(role, first + head + b"\r\n" + body + SMUGGLED)

    assert statuses == [400]
    assert not await world.has_keys()


@pytest.mark.parametrize("role", ["api", "gateway"])
@pytest.mark.parametrize("raw", LINES, ids=lambda each: ascii(each[:24]))
async def test_a_request_of_another_form_is_refused(world: World, role: str, raw: bytes) -> None:
    statuses = await world.ask(role, raw.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))

    assert statuses
    assert all(400 <= each < 500 for each in statuses)
    assert not await world.has_keys()


@pytest.mark.parametrize("path", PATHS)
async def test_no_path_leads_out_of_where_it_begins(world: World, path: str) -> None:
    head = f" {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n".encode()
    for method in (b"GET", b"POST"):
        (status,) = await world.ask("api", method + head + b"%AUTH\r\n")
        assert 400 <= status < 500
    assert not await world.has_keys()


async def test_what_would_be_smuggled_is_a_request_that_is_done_where_it_stands_by_itself(world: World) -> None:
    plain = b"POST /v1/Keys HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n%AUTH\r\n"

    assert await world.ask("api", SMUGGLED + plain) == [201, 201]
    assert await world.has_keys()
    for each in list(world.installation.feed.snapshot.keys):
        await world.installation.remove(each)
