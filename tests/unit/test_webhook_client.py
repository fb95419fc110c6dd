"""The client of the webhook sink against servers that say anything but a plain answer."""

import asyncio
import logging
import socket

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override

from eventstreams.sinks import Delivered, DeliveryOutcome, Rejected, RetryLater, RetryReason
from eventstreams.testing.receiver import Receiver
from sink_workers.plugins.webhook.client import Answer, HttpClient, HttpRequest
from tests.support.webhooks import LOOPBACK, deliver, event, opened, raw_server, read_request

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
LARGE = event(1, text="x" * 800_000)
_AT_ONCE = 8
_ENDLESS = 64 << 20  # bytes, far more than are on their way at once


def reason_of(outcome: DeliveryOutcome) -> RetryReason:
    assert isinstance(outcome, RetryLater), outcome
    return outcome.reason


@pytest.mark.parametrize("method", ["post", "get"])
async def test_a_connection_that_was_closed_as_we_used_it_again_is_no_failure(method: str) -> None:
    requests: list[bytes] = []
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        requests.append(await read_request(reader))
        writer.write(OK)
        if connections == 1:
            await reader.readuntil(b"\r\n\r\n")  # the second request comes, and is never answered

    async with raw_server(talk) as url:
        outcomes = await deliver(url, batches=[[event(1)], [event(2)]], method=method)

    assert outcomes == [Delivered()] * 2
    assert [(b'"EZ1"' in each, b'"EZ2"' in each) for each in requests] == [(True, False), (False, True)]


@pytest.mark.parametrize("method", ["post", "get"])
async def test_a_server_that_closes_new_connections_gets_one_request_for_an_attempt(method: str) -> None:
    requests = 0

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        requests += 1

    async with raw_server(talk) as url:
        (outcome,) = await deliver(url, method=method)

    assert outcome == RetryLater(RetryReason.CONNECT_FAILED, "the connection was lost before an answer: it was closed")
    assert requests == 1


async def test_a_server_that_closes_every_used_connection_gets_two_requests_for_an_attempt_at_most() -> None:
    requests = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        requests += 1
        if requests == 1:
            writer.write(OK)
            await read_request(reader)
            requests += 1

    async with raw_server(talk) as url:
        outcomes = await deliver(url, batches=[[event(1)], [event(2)]])

    assert outcomes[0] == Delivered()
    assert reason_of(outcomes[1]) is RetryReason.CONNECT_FAILED
    assert requests == 3


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_that_of_the_next_event() -> None:
    connections = 0
    delivered, spoken = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        if connections > 1:
            writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            return
        writer.write(OK)
        await delivered.wait()
        writer.write(OK)
        spoken.set()
        await reader.read()

    async with raw_server(talk) as url, opened(url) as sink:
        first = await sink.deliver([event(1)])
        delivered.set()
        await spoken.wait()
        await asyncio.sleep(0.1)  # the loop reads what has come before it looks at its timers
        second = await sink.deliver([event(2)])

    assert first == [Delivered()]
    assert isinstance(second[0], Rejected)
    assert connections == 2


async def test_two_answers_to_one_request_spoil_the_connection() -> None:
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(OK + OK if connections == 1 else b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")
        await reader.read()

    async with raw_server(talk) as url:
        outcomes = await deliver(url, batches=[[event(1)], [event(2)]])

    assert outcomes[0] == Delivered()
    assert reason_of(outcomes[1]) is RetryReason.SERVER_ERROR


@pytest.mark.parametrize(
    "before",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 3,
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
    ],
    ids=["100", "103 three times", "102 and 100"],
)
async def test_interim_answers_are_passed_over(before: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(before)
        await writer.drain()
        writer.write(OK)

    async with raw_server(talk) as url:
        assert await deliver(url) == [Delivered()]


async def test_interim_answers_without_end_are_timed_out() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with raw_server(talk) as url:
        (outcome,) = await deliver(url)

    assert outcome == RetryLater(RetryReason.TIMED_OUT, "no answer within 5 s")


async def test_a_head_that_comes_byte_by_byte_is_timed_out_as_a_whole() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for byte in b"HTTP/1.1 200 OK\r\nx-slow: " + b"x" * 10_000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    async with raw_server(talk) as url:
        (outcome,) = await deliver(url)

    assert outcome == RetryLater(RetryReason.TIMED_OUT, "no answer within 5 s")


async def test_a_body_that_drips_does_not_hold_up_its_good_status() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.1)

    async with raw_server(talk) as url:
        assert await deliver(url) == [Delivered()]


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize(
    "body",
    [b"zz\r\nhello\r\n", b"5\r\nhel", b"5\r\nhello", b"-5\r\nhello\r\n", b"fffffffffffffffff\r\nhello"],
    ids=["no number", "cut in a chunk", "cut after a chunk", "negative", "beyond 64 bits"],
)
async def test_a_broken_chunked_body_leaves_the_status_as_it_is(status: int, body: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 %d X\r\ntransfer-encoding: chunked\r\n\r\n" % status)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(body)

    async with raw_server(talk) as url:
        (outcome,) = await deliver(url)

    assert isinstance(outcome, Delivered if status == 200 else RetryLater)


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>HTTP/0.9 has no head</html>",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: y\r\n" % number for number in range(5000)) + b"\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18,
    ],
    ids=["0.9", "letters", "short", "long", "no colon", "two lengths", "5000 headers", "TLS alert", "HTTP/2"],
)
async def test_what_is_no_answer_is_tried_again_and_not_repeated_in_words(answer: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)

    async with raw_server(talk) as url:
        (outcome,) = await deliver(url)

    assert outcome == RetryLater(
        RetryReason.BAD_ANSWER, "the answer is not valid HTTP, or its header section is too large"
    )


@pytest.mark.parametrize(
    "endless",
    [
        pytest.param(b"2\r\nok\r\n0\r\nx-more: ", id="a trailer"),
        pytest.param(b"2\r\nok\r\n2;more=", id="what may stand beside a chunk's size"),
    ],
)
async def test_what_comes_beside_a_body_without_end_is_not_read_to_its_end(endless: bytes) -> None:
    sent, gone = 0, asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + endless)
        try:
            while sent < _ENDLESS:
                writer.write(b"x" * 65536)
                sent += 65536
                await writer.drain()
        except ConnectionError:
            gone.set()

    client = HttpClient(LOOPBACK, timeout_s=60, body_s=60)
    async with raw_server(talk) as url:
        answer = await client.exchange(HttpRequest("POST", url, {}, b"[]"))
        await asyncio.wait_for(gone.wait(), 60)
        await client.aclose()

    assert isinstance(answer, Answer)
    assert (answer.status, answer.is_whole) == (200, False)
    assert sent < _ENDLESS


async def test_http_1_0_is_understood() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.0 202 Accepted\r\n\r\nuntil the end")

    async with raw_server(talk) as url:
        assert await deliver(url, batches=[[event(1)], [event(2)]]) == [Delivered()] * 2


async def test_an_upgrade_that_nobody_asked_for_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")
        await reader.read()

    async with raw_server(talk) as url:
        (outcome,) = await deliver(url)

    assert reason_of(outcome) is RetryReason.BAD_ANSWER
    assert not caplog.records  # no traceback of the loop's


async def test_an_answer_before_the_request_was_read_counts() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig")
        await writer.drain()
        while await reader.read(65536):
            pass

    async with raw_server(talk) as url:
        (outcome,) = await deliver(url, batches=[[LARGE]])

    assert isinstance(outcome, Rejected)
    assert (outcome.status, outcome.answer) == (413, "big")


async def test_a_server_that_reads_nothing_is_timed_out() -> None:
    async def talk(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(20)

    async with raw_server(talk) as url:
        (outcome,) = await deliver(url, batches=[[LARGE]])

    assert reason_of(outcome) is RetryReason.TIMED_OUT


async def test_a_server_that_resets_in_the_middle_of_the_request_is_tried_again() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with raw_server(talk) as url:
        (outcome,) = await deliver(url, batches=[[LARGE]])

    assert reason_of(outcome) is RetryReason.CONNECT_FAILED


async def test_cancelling_a_delivery_leaves_the_sink_usable() -> None:
    hang = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        if b"EZ1" in request:
            hang.set()
            await reader.read()
        writer.write(OK)

    async with raw_server(talk) as url, opened(url) as sink:
        delivery = asyncio.ensure_future(sink.deliver([event(1)]))
        await hang.wait()
        delivery.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivery
        assert await sink.deliver([event(2)]) == [Delivered()]


async def test_cookies_are_not_kept() -> None:
    answer = lambda _: web.Response(headers={"Set-Cookie": "a=b"})  # noqa: E731
    async with Receiver(answer) as receiver:
        await deliver(receiver.url.replace("127.0.0.1", "localhost"), batches=[[event(1)], [event(2)]])

    assert all("Cookie" not in each.headers for each in receiver.received)


async def test_a_compressed_answer_is_not_shown_as_text() -> None:
    packed = lambda _: web.Response(status=500, body=b"\x1f\x8b\x08junk", headers={"Content-Encoding": "gzip"})  # noqa: E731
    async with Receiver(packed) as receiver:
        (outcome,) = await deliver(receiver.url)

    assert outcome == RetryLater(RetryReason.SERVER_ERROR, "HTTP 500", None, 500, "")


async def test_the_requests_have_the_headers_that_they_need_and_no_others() -> None:
    async with Receiver() as receiver:
        await deliver(receiver.url)

    (received,) = receiver.received
    assert set(received.headers) == {"Host", "Content-Type", "User-Agent", "X-Twilio-Signature", "Content-Length"}


class Slow(AbstractResolver):
    """Takes a while to find any name's address, which is this machine's."""

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        await asyncio.sleep(0.5)
        found = ResolveResult(
            hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST
        )
        return [found]

    @override
    async def close(self) -> None:
        """Nothing to close."""


async def test_a_request_that_took_long_to_connect_ends_before_those_that_began_after_it() -> None:
    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    client = HttpClient(LOOPBACK, resolver=Slow(), timeout_s=2.0)
    async with raw_server(talk) as url:
        slow = HttpRequest("POST", url.replace("127.0.0.1", "slow.example"), {}, b"[]")
        first = asyncio.create_task(client.exchange(slow))
        await asyncio.sleep(0.3)
        second = asyncio.create_task(client.exchange(HttpRequest("POST", url, {}, b"[]")))
        await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)

        assert (first.done(), second.done()) == (True, False)
        assert first.result() == RetryLater(RetryReason.TIMED_OUT, "no answer within 2 s")
        assert await second == first.result()
    await client.aclose()


async def test_more_requests_than_connections_wait_for_their_turn() -> None:
    most = open_now = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most, open_now
        open_now += 1
        most = max(most, open_now)
        try:
            while True:
                await read_request(reader)
                await asyncio.sleep(0.01)
                writer.write(OK)
        finally:
            open_now -= 1

    client = HttpClient(LOOPBACK, at_once=_AT_ONCE)
    async with raw_server(talk) as url:
        request = HttpRequest("POST", url, {}, b"[]")
        answers = await asyncio.gather(*(client.exchange(request) for _ in range(3 * _AT_ONCE)))
        await client.aclose()

    assert [answer.status for answer in answers if isinstance(answer, Answer)] == [200] * 3 * _AT_ONCE
    assert most <= _AT_ONCE + 1


async def test_a_line_break_in_a_header_is_never_sent() -> None:
    requests = 0

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        requests += 1

    client = HttpClient(LOOPBACK)
    async with raw_server(talk) as url:
        for headers in ({"X": "a\r\nY: b"}, {"X": "a\nb"}, {"X": "a\rb"}, {"X\r\n": "a"}):
            with pytest.raises(ValueError, match="line break"):
                await client.exchange(HttpRequest("POST", url, headers, b"[]"))
        with pytest.raises(ValueError, match="line break"):
            await client.exchange(HttpRequest("POST", f"{url}\r\nX: y", {}, b"[]"))
    await client.aclose()

    assert requests == 0


async def test_connections_that_nobody_uses_are_closed_before_servers_do_it() -> None:
    closed = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await reader.read()
        closed.set()

    async with raw_server(talk) as url, opened(url) as sink:
        began = asyncio.get_running_loop().time()
        await sink.deliver([event(1)])
        await asyncio.wait_for(closed.wait(), 30)

    assert asyncio.get_running_loop().time() - began > 3.9
