"""``python -m benchmarks.http_clients``: the cost of a webhook request with several HTTP clients, alternating in a run.

64 concurrent requests over keep-alive connections, 500 bytes each, to a receiver in a process of its own that answers
at once. ``us`` is CPU time in µs of this process per request. ``httpx`` and ``niquests`` take part if installed.
"""

import argparse
import asyncio
import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from ipaddress import ip_network
from typing import Final

import aiohttp
import uvloop

from benchmarks.measure import load, machine
from eventstreams.sinks import DestinationGuard
from sink_workers.plugins.webhook.client import Answer, HttpClient, HttpRequest
from tests.support import aiohttp_client

_AT_ONCE: Final = 64
_BODY: Final = b'[{"specversion":"1.0","id":"EZ","data":"' + b"x" * 460 + b'"}]'
_HEADERS: Final = {
    "Content-Type": "application/json",
    "User-Agent": "eventstreams",
    "X-Twilio-Signature": "0" * 28,
}
_LOOPBACK: Final = DestinationGuard((ip_network("127.0.0.0/8"),))

Post = Callable[[], Awaitable[int]]
"""Sends one request; returns the status of its response."""


@asynccontextmanager
async def _ours(url: str) -> AsyncIterator[Post]:
    client = HttpClient(_LOOPBACK)

    async def post() -> int:
        answer = await client.exchange(HttpRequest("POST", url, _HEADERS, _BODY))
        return answer.status if isinstance(answer, Answer) else 0

    yield post
    await client.aclose()


@asynccontextmanager
async def _before(url: str) -> AsyncIterator[Post]:
    client = aiohttp_client.HttpClient(_LOOPBACK)

    async def post() -> int:
        answer = await client.exchange(aiohttp_client.HttpRequest("POST", url, _HEADERS, _BODY))
        return answer.status if isinstance(answer, aiohttp_client.Answer) else 0

    yield post
    await client.aclose()


@asynccontextmanager
async def _aiohttp(url: str) -> AsyncIterator[Post]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_AT_ONCE),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:

        async def post() -> int:
            async with session.post(url, data=_BODY, headers=_HEADERS) as answer:
                await answer.read()
                return answer.status

        yield post


@asynccontextmanager
async def _httpx(url: str) -> AsyncIterator[Post]:
    httpx = import_module("httpx")
    limits = httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=_AT_ONCE)
    async with httpx.AsyncClient(limits=limits, trust_env=False) as client:

        async def post() -> int:
            return int((await client.post(url, content=_BODY, headers=_HEADERS)).status_code)

        yield post


@asynccontextmanager
async def _niquests(url: str) -> AsyncIterator[Post]:
    niquests = import_module("niquests")
    async with niquests.AsyncSession(pool_connections=1, pool_maxsize=_AT_ONCE) as session:

        async def post() -> int:
            return int((await session.post(url, data=_BODY, headers=_HEADERS)).status_code)

        yield post


_CLIENTS: Final[Mapping[str, Callable[[str], AbstractAsyncContextManager[Post]]]] = {
    "ours": _ours,
    "before": _before,
    "aiohttp": _aiohttp,
    "httpx": _httpx,
    "niquests": _niquests,
}


async def _round(make: Callable[[str], AbstractAsyncContextManager[Post]], url: str, requests: int) -> float:
    """Return the CPU time per request, in µs."""
    async with make(url) as post:

        async def go(count: int) -> None:
            for _ in range(count):
                assert await post() == 200  # noqa: PLR2004 - OK

        await asyncio.gather(*(go(1) for _ in range(_AT_ONCE)))
        before = time.process_time()
        await asyncio.gather(*(go(requests // _AT_ONCE) for _ in range(_AT_ONCE)))
        return (time.process_time() - before) / (requests // _AT_ONCE * _AT_ONCE) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http_clients", description=__doc__)
    parser.add_argument("--requests", type=int, default=3_000, help="of a round")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    found: dict[str, list[float]] = {}
    command = [sys.executable, "-m", "benchmarks.path.receiver"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        url = f"http://127.0.0.1:{int(receiver.stdout.readline())}/anything?bodySHA256={'0' * 64}"
        try:
            for _ in range(given.rounds):
                for name, make in _CLIENTS.items():
                    if name in {"httpx", "niquests"} and importlib.util.find_spec(name) is None:
                        continue
                    for loop, run in (("asyncio", asyncio.run), ("uvloop", uvloop.run)):
                        us = run(_round(make, url, given.requests))
                        found.setdefault(f"{name}, {loop}", []).append(us)
        finally:
            receiver.kill()
    print(f"{machine()}; load {load()}")
    for what, rounds in found.items():
        print(f"  {what:<18} {min(rounds):6.1f} µs at best, {statistics.median(rounds):6.1f} in the median")


if __name__ == "__main__":
    main()
