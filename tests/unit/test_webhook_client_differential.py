"""Our HTTP client beside aiohttp's: both are asked by the same odd and hostile servers, and must judge equally.

What aiohttp makes of an answer is what users of webhooks are used to. Where ours may differ, it is said here.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventstreams.sinks import RetryLater
from sink_workers.plugins.webhook.client import Answer, HttpClient, HttpRequest
from tests.support import aiohttp_client
from tests.support.webhooks import LOOPBACK, raw_server, read_request

LONG_S: Final = 60.0  # no judgement may hang on how busy this machine is
HEADERS: Final = {"X-Own": "é", "Content-Type": "application/json", "User-Agent": "test"}
OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Client(Protocol):
    async def get(self, url: str, body: bytes) -> object: ...


@dataclass(frozen=True)
class Ours:
    client: HttpClient

    async def get(self, url: str, body: bytes) -> object:
        return plain(await self.client.exchange(HttpRequest("POST", url, HEADERS, body)))


@dataclass(frozen=True)
class Theirs:
    client: aiohttp_client.HttpClient

    async def get(self, url: str, body: bytes) -> object:
        return plain(await self.client.exchange(aiohttp_client.HttpRequest("POST", url, HEADERS, body)))


def plain(answer: Answer | aiohttp_client.Answer | RetryLater) -> object:
    """What the two clients' answers have in common."""
    if isinstance(answer, RetryLater):
        return answer
    return answer.status, answer.retry_after, answer.body, answer.etag


@asynccontextmanager
async def both(*, timeout_s: float = LONG_S, body_s: float = LONG_S) -> AsyncIterator[Sequence[Client]]:
    ours = HttpClient(LOOPBACK, timeout_s=timeout_s, body_s=body_s)
    theirs = aiohttp_client.HttpClient(LOOPBACK, timeout_s=timeout_s, body_s=body_s)
    try:
        yield Ours(ours), Theirs(theirs)
    finally:
        await ours.aclose()
        await theirs.aclose()


@dataclass
class Script:
    """A server that gives its answers in turn, one to a request: pieces, a short pause after each.

    ``closes``: hangs up after so many answers on a connection.
    """

    answers: Sequence[Sequence[bytes]]
    closes: int = 1000
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        for _ in range(self.closes):
            self.requests.append(await read_request(reader))
            for piece in self.answers[min(len(self.requests), len(self.answers)) - 1]:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)


async def judged(client: Client, script: Script, *, requests: int, body: bytes = b"[]") -> tuple[object, int]:
    """The outcomes of some requests one after the other, and how many connections they took."""
    async with raw_server(script.talk) as url:
        outcomes = [await client.get(url, body) for _ in range(requests)]
    return outcomes, script.connections


async def agree(
    make: Callable[[], Script],
    *,
    requests: int = 2,
    body: bytes = b"[]",
    timeout_s: float = LONG_S,
    body_s: float = LONG_S,
) -> None:
    async with both(timeout_s=timeout_s, body_s=body_s) as clients:
        ours, theirs = [await judged(client, make(), requests=requests, body=body) for client in clients]
    assert ours[0] == theirs[0]
    # Theirs may use a connection again whose answer was too long to read, where all of it had come.
    assert ours[1] >= theirs[1]


def answer(head: str, body: bytes = b"") -> bytes:
    return head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body


ANSWERS: Final[dict[str, Sequence[bytes]]] = {
    "plain": [OK],
    "in pieces": [OK[:1], OK[1:9], OK[9:30], OK[30:]],
    "no content": [answer("HTTP/1.1 204 No Content")],
    "not modified": [answer('HTTP/1.1 304 Not Modified\nETag: "x"\nContent-Length: 99')],
    "no reason": [answer("HTTP/1.1 200\nContent-Length: 0")],
    "odd status": [answer("HTTP/1.1 777 Lucky\nContent-Length: 0")],
    "status 199": [answer("HTTP/1.1 199 Soon"), OK],
    "status 600": [answer("HTTP/1.1 600 Six\nContent-Length: 0")],
    "status 999": [answer("HTTP/1.1 999 Nine\nContent-Length: 0")],
    "retry after": [answer("HTTP/1.1 503 No\nRetry-After: 120\nContent-Length: 0")],
    "retry after, spaces": [answer("HTTP/1.1 429 No\nretry-AFTER: \t 120 \t\nContent-Length: 0")],
    "retry after twice": [answer("HTTP/1.1 429 No\nRetry-After: 1\nRetry-After: 2\nContent-Length: 0")],
    "retry after in Latin-1": [answer("HTTP/1.1 429 No\nRetry-After: \xe9\nContent-Length: 0")],
    "entity tag": [answer('HTTP/1.1 200 OK\nETag: "abc"\nContent-Length: 0')],
    "keep-alive 1.0": [answer("HTTP/1.0 200 OK\nConnection: keep-alive\nContent-Length: 0")],
    "close": [answer("HTTP/1.1 200 OK\nConnection: close\nContent-Length: 2", b"ok")],
    "chunked": [answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"2\r\nok\r\n0\r\n\r\n")],
    "chunked, extension and trailer": [
        answer("HTTP/1.1 500 No\nTransfer-Encoding: chunked", b"2;a=b\r\nok\r\n0\r\nX-Trailer: y\r\n\r\n")
    ],
    "chunked, spaces after a size": [answer("HTTP/1.1 500 No\nTransfer-Encoding: chunked", b"2 \r\nok\r\n0\r\n\r\n")],
    "gzip": [answer("HTTP/1.1 500 No\nContent-Encoding: gzip\nContent-Length: 3", b"\x1f\x8b\x08")],
    "identity": [answer("HTTP/1.1 500 No\nContent-Encoding: Identity\nContent-Length: 2", b"no")],
    "large body": [answer("HTTP/1.1 500 No\nContent-Length: 100000", b"x" * 100_000)],
    "just too large": [answer("HTTP/1.1 500 No\nContent-Length: 16385", b"x" * 16_385)],
    "continue": [answer("HTTP/1.1 100 Continue"), OK],
    "continue with a length": [answer("HTTP/1.1 100 Continue\nContent-Length: 5"), OK],
    "early hints, with headers of the answer's name": [answer("HTTP/1.1 103 Hints\nRetry-After: 9"), OK],
    "switching": [answer("HTTP/1.1 101 Switching\nUpgrade: x\nConnection: upgrade")],
    "an upgrade that is offered": [answer("HTTP/1.1 200 OK\nUpgrade: h2c\nConnection: upgrade\nContent-Length: 0")],
    "folded header": [answer("HTTP/1.1 200 OK\nX-Long: a\n b\nContent-Length: 0")],
    "bare line feeds": [b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"],
    "space before the colon": [answer("HTTP/1.1 200 OK\nContent-Length : 0")],
    "a name that is none": [answer("HTTP/1.1 200 OK\nb@d name: x\nContent-Length: 0")],
    "null in a value": [answer("HTTP/1.1 200 OK\nX: a\0b\nContent-Length: 0")],
    "control in a value": [answer("HTTP/1.1 200 OK\nX: a\x01b\nContent-Length: 0")],
    "two lengths": [answer("HTTP/1.1 200 OK\nContent-Length: 1\nContent-Length: 2", b"xx")],
    "negative length": [answer("HTTP/1.1 200 OK\nContent-Length: -1")],
    "length and chunked": [
        answer("HTTP/1.1 200 OK\nContent-Length: 5\nTransfer-Encoding: chunked", b"2\r\nok\r\n0\r\n\r\n")
    ],
    "length beyond 64 bits": [answer("HTTP/1.1 200 OK\nContent-Length: 99999999999999999999999")],
    "another version": [answer("HTTP/3.7 200 OK\nContent-Length: 0")],
    "HTTP/2": [b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18],
    "HTTP/0.9": [b"<html>hello</html>"],
    "two letters of a status": [b"HTTP/1.1 20 OK\r\n\r\n"],
    "four figures": [b"HTTP/1.1 2000 OK\r\n\r\n"],
    "TLS": [b"\x15\x03\x01\x00\x02\x02\x46"],
    "many headers": [answer("HTTP/1.1 200 OK\n" + "\n".join(f"X-{n}: y" for n in range(200)))],
    "a hundred headers": [
        answer("HTTP/1.1 200 OK\n" + "\n".join(f"X-{n}: y" for n in range(100)) + "\nContent-Length: 0")
    ],
    "long header": [answer("HTTP/1.1 200 OK\nX: " + "y" * 9000)],
    "long reason": [answer("HTTP/1.1 200 " + "y" * 9000)],
    "two answers": [OK + OK],
    "an empty line before": [b"\r\n" + OK],
}


@pytest.mark.parametrize("pieces", ANSWERS.values(), ids=ANSWERS)
async def test_an_answer_is_judged_equally(pieces: Sequence[bytes]) -> None:
    await agree(lambda: Script([pieces]))


@pytest.mark.parametrize("pieces", ANSWERS.values(), ids=ANSWERS)
async def test_the_answer_after_it_is_judged_equally(pieces: Sequence[bytes]) -> None:
    await agree(lambda: Script([[OK], pieces, [OK]]), requests=3)


@pytest.mark.parametrize("pieces", ANSWERS.values(), ids=ANSWERS)
async def test_an_answer_before_a_hang_up_is_judged_equally(pieces: Sequence[bytes]) -> None:
    await agree(lambda: Script([pieces], closes=1))


@pytest.mark.parametrize("size", [0, 1, 12, 20, 38, 39], ids=lambda size: f"after {size} bytes")
async def test_a_hang_up_within_an_answer_is_judged_equally(size: int) -> None:
    """After no byte of an answer a used connection is tried again; after some of a head ours is not."""
    await agree(lambda: Script([[OK[:size]] if size else []], closes=1), requests=1)


async def test_a_body_that_does_not_end_is_judged_equally() -> None:
    pieces = [answer("HTTP/1.1 500 No\nContent-Length: 99", b"begun")]
    await agree(lambda: Script([pieces]), requests=1, body_s=0.2)


async def test_a_server_that_says_nothing_is_judged_equally() -> None:
    await agree(lambda: Script([[]]), requests=1, timeout_s=1)


async def test_requests_on_connections_that_were_closed_meanwhile_are_judged_equally() -> None:
    await agree(lambda: Script([[OK]], closes=1), requests=4)


async def test_large_requests_are_judged_equally() -> None:
    await agree(lambda: Script([[OK]]), body=b"x" * 1_000_000)


async def test_the_same_goes_on_the_wire() -> None:
    seen = []
    script = Script([[OK]])
    async with both() as clients, raw_server(script.talk) as url:
        for client in clients:
            await client.get(f"{url}?a=%20b", b"[1]")
            head, _, body = script.requests[-1].partition(b"\r\n\r\n")
            first, *lines = head.split(b"\r\n")
            seen.append((first, sorted(lines), body))

    assert seen[0] == seen[1]


WORDS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 500 No\r\n", b"HTTP/1.1 100 C\r\n\r\n", b"Content-Length: 3\r\n",
        b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"\r\n", b"\n", b"\r",
        b"abc", b"3\r\nabc\r\n", b"0\r\n\r\n", b": ", b"X: y\r\n", b"\0", b"\xff", b"HTTP/1.1 ", b"204 N\r\n",
    ]
)  # fmt: skip


@settings(max_examples=30, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORDS, min_size=1, max_size=7))
async def test_what_no_list_has_is_judged_equally(words: list[bytes]) -> None:
    """Theirs calls a whole answer bad if what is no HTTP came with it in one read, and good if it came a bit later."""

    async def outcome(client: Client, said: Sequence[bytes]) -> object:
        return (await judged(client, Script([[b"".join(said)]], closes=1), requests=1))[0]

    async with both() as (ours, theirs):
        found = await outcome(ours, words)
        judgements = [await outcome(theirs, words)]
        if found != judgements[0]:
            judgements += [await outcome(theirs, words[:count]) for count in range(1, len(words))]
        assert found in judgements
