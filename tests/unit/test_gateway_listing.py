"""What lists events, where it comes to the gateway: the API answers it, and who asks too much is refused."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler

from eventstreams.control.records import Account
from eventstreams.http import ACCOUNT, answer_errors
from producers.gateway.listing import PATH, Listing

ONE = Account(sid="AC1", friendly_name="", auth_token="", created_ms=1, updated_ms=1)


@web.middleware
async def as_one(request: web.Request, handler: Handler) -> web.StreamResponse:
    request[ACCOUNT] = ONE
    return await handler(request)


@asynccontextmanager
async def gateway(api: Callable[[web.Request], Awaitable[web.Response]] | None) -> AsyncIterator[str]:
    """The URL of something that hands requests on to ``api``; None: to nobody."""
    behind = web.Application()
    if api is not None:
        behind.add_routes([web.get(PATH, api)])
    async with TestServer(behind) as server:
        url = str(server.make_url("/"))
        if api is None:
            await server.close()
        async with Listing(url, customer_of=str) as listing:
            app = web.Application(middlewares=[answer_errors, as_one])
            app.add_routes([web.get(PATH, listing.get, allow_head=False)])
            async with TestServer(app) as asked:
                yield str(asked.make_url(PATH))


async def test_the_api_gets_the_question_as_it_is_and_its_answer_comes_back() -> None:
    async def answer(request: web.Request) -> web.Response:
        heard = {**request.query, "host": request.host, "who": request.headers["Authorization"]}
        return web.json_response(heard | {"cookie": request.headers.get("Cookie")}, status=418, headers={"X-Told": "1"})

    async with gateway(answer) as url, aiohttp.ClientSession() as session:
        proof = {"Authorization": "Basic YTpi", "Host": "events.example.com", "Cookie": "a=b"}
        async with session.get(f"{url}?Type=a%2Bb%26c&After=2026-01-01T00:00:00Z", headers=proof) as told:
            assert (told.status, told.headers["X-Told"], told.content_type) == (418, "1", "application/json")
            assert await told.json() == {
                "Type": "a+b&c",
                "After": "2026-01-01T00:00:00Z",
                "host": "events.example.com",
                "who": "Basic YTpi",
                "cookie": None,
            }


async def test_an_api_that_does_not_answer_is_said() -> None:
    async with gateway(None) as url, aiohttp.ClientSession() as session, session.get(url) as told:
        assert told.status == 503
        assert "Retry-After" in told.headers
        assert (await told.json())["message"].startswith("The API, which lists events, does not answer")


@pytest.mark.timeout(120)
async def test_one_account_asks_for_so_many_at_a_time() -> None:
    asked, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        asked.release()
        await go_on.wait()
        return web.json_response({})

    async with gateway(answer) as url, aiohttp.ClientSession() as session:

        async def status() -> int:
            async with session.get(url) as told:
                return told.status

        waiting = [asyncio.create_task(status()) for _ in range(32)]
        for _ in waiting:
            await asked.acquire()

        assert await status() == 429
        go_on.set()
        assert set(await asyncio.gather(*waiting)) == {200}
