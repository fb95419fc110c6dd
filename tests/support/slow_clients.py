"""Clients that hold a server's connections: they send nothing, or a byte at a time, or never read the response."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.topic import PATIENCE_S

DRIP_S: Final = 1.0  # between two bytes: ten of them arrive before a head or a body times out
_LITTLE: Final = 2048  # receive buffer in bytes of a client that reads nothing
_SEGMENT: Final = 536  # bytes: with it the server's kernel buffers some 40 KB, with loopback's own size 2 MB
_COME_AGAIN_S: Final = 1.0  # so that it is no flood
_HELD: Final = frozenset({"01", "04", "08", "09", "0B"})  # TCP states: established, or closed with undelivered data


@dataclass(frozen=True, slots=True)
class Slow:
    """What such a client does.

    Attributes:
        first: What it sends at once.
        drip: What it sends afterwards, a byte every ``DRIP_S``, over and over; empty for nothing.
        reads: Whether it reads the response.
    """

    first: bytes = b""
    drip: bytes = b""
    reads: bool = True


def kinds(*, posts: Mapping[str, bytes], asks: Mapping[str, bytes]) -> dict[str, Slow]:
    """Return each kind of slow client, by name.

    Args:
        posts: By name, the head of a request with a body, without its end and without a length.
        asks: By name, requests with a large or endless response; enough of them to fill all buffers in between.
    """
    return {
        "silent": Slow(),
        "a head": Slow(drip=b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 4000),
        "a body that nobody waits for": Slow(
            first=b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n", drip=b"a"
        ),
        **{
            f"a body of {name}": Slow(first=head + b"Content-Length: 4000\r\n\r\n", drip=b"a")
            for name, head in posts.items()
        },
        **{
            f"chunks of {name}": Slow(first=head + b"Transfer-Encoding: chunked\r\n\r\n", drip=b"1\r\na\r\n")
            for name, head in posts.items()
        },
        **{f"takes nothing of {name}": Slow(first=asked, reads=False) for name, asked in asks.items()},
    }


@asynccontextmanager
async def attacked(port: int, slow: Slow, *, by: int, comes_again: bool = False) -> AsyncIterator[None]:
    """Have ``by`` clients do as ``slow`` says, each as long as it can, and with ``comes_again`` over and over."""

    async def attack() -> None:
        while True:
            with suppress(OSError):  # it was ended
                await _hold(port, slow)
            if not comes_again:
                return
            await asyncio.sleep(_COME_AGAIN_S)

    tasks = [asyncio.create_task(attack()) for _ in range(by)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [each for each in ended if isinstance(each, Exception)] == []


async def _hold(port: int, slow: Slow) -> None:
    """Hold a connection until the server ends it; a client that reads nothing cannot notice, so it goes on forever."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        if not slow.reads:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _LITTLE)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.sock_sendall(sock, slow.first)
        ended = asyncio.create_task(_ended(sock) if slow.reads else _never())
        try:
            at = 0
            while not ended.done():
                if slow.drip:
                    await loop.sock_sendall(sock, slow.drip[at : at + 1])
                    at = (at + 1) % len(slow.drip)
                await asyncio.wait({ended}, timeout=DRIP_S)
        finally:
            ended.cancel()
            await asyncio.wait({ended})


async def _ended(sock: socket.socket) -> None:
    while await asyncio.get_running_loop().sock_recv(sock, 1 << 16):
        pass


async def _never() -> None:
    await asyncio.Event().wait()


def held(port: int) -> int:
    """Return how many connections the server on ``port`` of this machine has open, or closed but not yet released."""
    fields = (line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:])
    return sum(local.endswith(f":{port:04X}") and state in _HELD for _, local, _, state, *_ in fields)


async def until_held(port: int, holds: Callable[[int], bool], *, within_s: float = PATIENCE_S) -> None:
    """Wait until ``holds`` returns True for the number of connections held."""
    found = held(port)
    try:
        async with asyncio.timeout(within_s):
            while not holds(found):
                await asyncio.sleep(0.2)
                found = held(port)
    except TimeoutError:
        raise TimeoutError(f"{found} connections are held") from None
