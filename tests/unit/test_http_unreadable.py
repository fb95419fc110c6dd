"""Bytes that are no HTTP: an answer in the one form, and nothing of them in a log."""

import asyncio
import logging

import orjson
import pytest
from aiohttp import web

from eventstreams.process.health import serve_app
from eventstreams.process.listen import address_of, open_socket


async def ask(raw: bytes) -> tuple[bytes, bytes]:
    """First line and body of the answer to ``raw``."""
    with open_socket("127.0.0.1:0", setting="test") as listening:
        host, _, port = address_of(listening).rpartition(":")
        async with serve_app(web.Application(), listening):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(raw)
            async with asyncio.timeout(30):
                answer = await reader.read()
            writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.partition(b"\r\n")[0], body


async def test_a_request_that_cannot_be_read_is_refused_in_the_one_form() -> None:
    first, body = await ask(b"get /v1/Sinks HTTP/1.1\r\nHost: api\r\n\r\n")

    told = orjson.loads(body)
    assert first.endswith(b" 400 Bad Request")
    assert (told["code"], told["status"]) == (20001, 400)
    assert "not valid HTTP" in told["message"]


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Basic c2VjcmV0\x01",
        b"Authorization: Basic c2VjcmV0" + b"c2VjcmV0" * 5_000,
        b"Authorization : Basic c2VjcmV0",
        b"Content-Length: c2VjcmV0",
    ],
    ids=["control", "long", "space", "length"],
)
async def test_what_was_sent_gets_into_no_log_and_no_answer(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], line: bytes
) -> None:
    caplog.set_level(logging.DEBUG)

    _, body = await ask(b"GET / HTTP/1.1\r\n" + line + b"\r\n\r\n")

    assert orjson.loads(body)["status"] == 400
    assert b"c2VjcmV0" not in body
    assert "c2VjcmV0" not in caplog.text + capsys.readouterr().out


async def test_a_body_that_cannot_be_unpacked_and_that_nobody_reads_is_no_error_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await ask(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!")

    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


async def test_what_aiohttp_refuses_before_any_middleware_is_in_the_one_form() -> None:
    first, body = await ask(b"GET / HTTP/1.1\r\nHost: api\r\nExpect: nonsense\r\nConnection: close\r\n\r\n")

    assert first.endswith(b" 417 Expectation Failed")
    assert orjson.loads(body)["status"] == 417
