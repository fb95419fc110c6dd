"""The webhook sink against real servers, most of them badly behaved."""

import asyncio
import ssl
from pathlib import Path

import pytest
from aiohttp import web
from twilio.request_validator import RequestValidator

from eventstreams.sinks import (
    DeadReason,
    Delivered,
    DestinationGuard,
    Rejected,
    RetryLater,
    RetryReason,
)
from eventstreams.testing.certificates import self_signed
from eventstreams.testing.receiver import Received, Receiver
from tests.support.webhooks import TOKEN, deliver, event, opened, raw_server, read_request


async def test_a_delivery_arrives_signed_and_is_delivered() -> None:
    async with Receiver() as receiver:
        outcomes = await deliver(receiver.url)

    assert outcomes == [Delivered()]
    (received,) = receiver.received
    assert received.ids == ["EZ1"]
    signature = received.headers["X-Twilio-Signature"]
    assert RequestValidator(TOKEN).validate(received.url, received.body.decode(), signature)


async def test_connections_are_kept_alive_from_delivery_to_delivery() -> None:
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while not reader.at_eof():
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async with raw_server(talk) as url:
        outcomes = await deliver(url, batches=[[event()]] * 5)

    assert outcomes == [Delivered()] * 5
    assert connections == 1


@pytest.mark.parametrize("status", [200, 500])
async def test_an_answer_of_ten_megabytes_is_judged_by_its_status_and_not_read(status: int) -> None:
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 10485760\r\n\r\n" % status)
        for _ in range(160):
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with raw_server(talk) as url:
        (outcome,) = await deliver(url)

    assert isinstance(outcome, Delivered if status == 200 else RetryLater)
    assert sent < 10485760
    if isinstance(outcome, RetryLater):
        assert outcome.answer == "x" * 1024


async def test_a_refusal_says_why_in_the_receivers_words() -> None:
    async with Receiver(lambda _: web.Response(status=422, text="no such\nfield: colour\x00")) as receiver:
        outcomes = await deliver(receiver.url)

    assert outcomes == [Rejected(DeadReason.REFUSED, "HTTP 422", 422, "no such field: colour")]


async def test_a_redirect_is_not_followed() -> None:
    async with Receiver() as elsewhere:
        moved = lambda _: web.Response(status=302, headers={"Location": elsewhere.url})  # noqa: E731
        async with Receiver(moved) as receiver:
            (outcome,) = await deliver(receiver.url)

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.REDIRECTED
    assert elsewhere.received == []


async def test_a_server_that_never_answers_is_timed_out_after_five_seconds() -> None:
    loop = asyncio.get_running_loop()

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    began = loop.time()
    async with raw_server(talk) as url:
        (outcome,) = await deliver(url)

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.TIMED_OUT
    assert 4.5 < loop.time() - began < 7.5


async def test_a_good_status_counts_although_its_body_never_comes() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        await reader.read()

    async with raw_server(talk) as url:
        assert await deliver(url) == [Delivered()]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", RetryReason.CONNECT_FAILED),
        (b"HTTP/1.1 2", RetryReason.CONNECT_FAILED),
        (b"this is no HTTP\r\n\r\n", RetryReason.BAD_ANSWER),
        (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 20_000 + b"\r\n\r\n", RetryReason.BAD_ANSWER),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", RetryReason.BAD_ANSWER),
    ],
    ids=["closed at once", "cut in the status line", "not HTTP", "huge header", "bad length"],
)
async def test_an_answer_that_is_no_http_is_tried_again(answer: bytes, reason: RetryReason) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)

    async with raw_server(talk) as url:
        (outcome,) = await deliver(url)

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is reason


async def test_a_port_where_nobody_listens_is_tried_again() -> None:
    async with raw_server(lambda _, __: asyncio.sleep(0)) as url:
        pass  # the port is free again

    (outcome,) = await deliver(url)

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.CONNECT_FAILED


async def test_a_name_that_does_not_resolve_is_tried_again() -> None:
    (outcome,) = await deliver("http://no-such-host.invalid/hook")

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.CONNECT_FAILED


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_no_spelling_of_a_private_address_gets_a_connection(host: str) -> None:
    async with Receiver() as receiver:
        (outcome,) = await deliver(receiver.url.replace("127.0.0.1", host), guard=DestinationGuard())

    assert isinstance(outcome, RetryLater)
    assert outcome.reason in {RetryReason.DESTINATION_FORBIDDEN, RetryReason.CONNECT_FAILED}
    assert receiver.received == []


async def test_a_forbidden_destination_is_named_as_one() -> None:
    async with Receiver() as receiver:
        (outcome,) = await deliver(receiver.url, guard=DestinationGuard())

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.DESTINATION_FORBIDDEN
    assert "127.0.0.1 is not public" in outcome.detail


async def test_a_self_signed_certificate_is_refused(tmp_path: Path) -> None:
    certificate, key = self_signed("localhost", tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]

    (outcome,) = await deliver(f"https://127.0.0.1:{port}/hook")
    server.close()

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.CONNECT_FAILED
    assert "certificate" in outcome.detail


async def test_the_probe_is_an_empty_array() -> None:
    bodies: list[bytes] = []

    def answer(received: Received) -> int:
        bodies.append(received.body)
        return 204

    async with Receiver(answer) as receiver, opened(receiver.url) as sink:
        outcome = await sink.probe()

    assert outcome == Delivered()
    assert bodies == [b"[]"]
