"""The ``Host`` of a request: whatever bytes it is, no answer is a 500 and none is about a host that cannot be."""

import asyncio

import orjson
import pytest
from aiohttp import web

from control_api.http.answers import json_answer
from control_api.http.hosts import check_host
from eventstreams.http import answer_errors
from eventstreams.process.health import serve_app
from eventstreams.process.listen import address_of, open_socket

MADE: list[str] = []


async def make(request: web.Request) -> web.Response:
    MADE.append(request.host)
    return json_answer({"url": f"{request.scheme}://{request.host}{request.path}"})


async def ask(head: bytes) -> tuple[int, dict[str, object]]:
    """Status and JSON of the answer to a request with ``head``; what was made by it is in ``MADE``."""
    MADE.clear()
    app = web.Application(middlewares=[answer_errors, check_host("/v1/")])
    app.add_routes([web.post("/v1/Sinks", make), web.get("/livez", make)])
    with open_socket("127.0.0.1:0", setting="test") as listening:
        host, _, port = address_of(listening).rpartition(":")
        async with serve_app(app, listening):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(head + b"\r\nConnection: close\r\n\r\n")
            async with asyncio.timeout(30):
                answer = await reader.read()
            writer.close()
    first, _, body = answer.partition(b"\r\n\r\n")
    return int(first.split()[1]), orjson.loads(body)


@pytest.mark.parametrize(
    "host",
    [
        b"\xff\xfe",
        b"",
        b"[",
        b"a b",
        b"evil.example/x?",
        b"user@evil.example",
        b'a"<script>',
        b"a:b",
        b"a:999999",
        b"a\\b",
        "bücher.example".encode(),
        b"a" * 254,
    ],
)
async def test_a_host_that_is_none_is_refused_before_anything_is_made(host: bytes) -> None:
    status, told = await ask(b"POST /v1/Sinks HTTP/1.1\r\nHost: " + host)

    assert (status, told["code"]) == (400, 20001)
    assert str(told["message"]).startswith("Host must be")
    assert MADE == []


@pytest.mark.parametrize("host", ["api", "api.example.com:8080", "10.0.0.1:80", "[fd00::1]:8080", "a_b.default.svc."])
async def test_a_host_stands_in_the_answer_as_it_was_sent(host: str) -> None:
    status, told = await ask(f"POST /v1/Sinks HTTP/1.1\r\nHost: {host}".encode())

    assert (status, told["url"]) == (200, f"http://{host}/v1/Sinks")


async def test_an_absolute_target_is_held_to_the_same() -> None:
    assert (await ask(b"POST http://other.example/v1/Sinks HTTP/1.1\r\nHost: api"))[1]["url"] == (
        "http://other.example/v1/Sinks"
    )
    assert (await ask(b'POST http://a"b/v1/Sinks HTTP/1.1\r\nHost: api'))[0] == 400
    assert MADE == []


async def test_without_a_host_probes_are_answered_and_nothing_is_made() -> None:
    assert (await ask(b"POST /v1/Sinks HTTP/1.0\r\nX: 1"))[0] == 400
    assert MADE == []
    assert (await ask(b"GET /livez HTTP/1.0\r\nX: 1"))[0] == 200
