"""What lists events, where it comes to the gateway: the API answers it, and who asks too much is refused."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler
from structlog.testing import capture_logs

from eventstreams.control.records import Account
from eventstreams.http import ACCOUNT, answer_errors
from producers.gateway.listing import PATH, Listing

ONE = Account(sid="AC1", friendly_name="", auth_token="", created_ms=1, updated_ms=1)


@web.middleware
async def as_one(request: web.Request, handler: Handler) -> web.StreamResponse:
    request[ACCOUNT] = ONE
    return await handler(request)


@asynccontextmanager
async def gateway(api: Callable[[web.Request], Awaitable[web.StreamResponse]] | None) -> AsyncIterator[str]:
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


LARGE = 64 << 20  # more than the buffers between API and client hold


async def test_of_an_answer_no_more_is_held_than_its_client_takes() -> None:
    sent = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        told = web.StreamResponse(headers={"Content-Length": str(LARGE)})
        await told.prepare(request)
        while sent < LARGE:
            await told.write(bytes(1 << 20))
            sent += 1 << 20
        return told

    async with gateway(answer) as url, aiohttp.ClientSession() as session, session.get(url) as told:
        assert (told.status, told.content_length) == (200, LARGE)
        assert sent < LARGE // 2
        assert len(await told.read()) == LARGE


@pytest.mark.parametrize("size", [LARGE, None], ids=["of a known size", "in chunks"])
async def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(size: int | None) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        told = web.StreamResponse(headers={} if size is None else {"Content-Length": str(size)})
        await told.prepare(request)
        await told.write(b"[")
        request.protocol.force_close()
        return told

    async with gateway(answer) as url, aiohttp.ClientSession() as session, session.get(url) as told:
        with pytest.raises(aiohttp.ClientPayloadError):
            await told.read()


async def test_who_goes_in_the_middle_of_an_answer_makes_room() -> None:
    piece = bytes(1 << 20)

    async def answer(request: web.Request) -> web.StreamResponse:
        told = web.StreamResponse(headers={"Content-Length": str(LARGE)})
        await told.prepare(request)
        for _ in range(LARGE // len(piece)):  # whole at once, all of it would be copied, and not what is taken alone
            await told.write(piece)
        return told

    async with gateway(answer) as url, aiohttp.ClientSession() as session:
        async with asyncio.timeout(200):
            for _ in range(40):  # more than one may have at a time
                while await status_of(session, url) == HTTPStatus.TOO_MANY_REQUESTS:
                    await asyncio.sleep(0.05)  # who asks without a pause takes the time that others need to see it go


async def status_of(session: aiohttp.ClientSession, url: str) -> int:
    """Of an answer that is left before its end."""
    async with session.get(url) as told:
        assert told.status in {HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS}
        return told.status


@pytest.mark.parametrize("others", [None, "1.0 proxy.example.com"], ids=["alone", "behind a proxy"])
async def test_a_gateway_that_is_led_back_to_a_gateway_says_what_to_set(others: str | None) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"events": []})

    async def handed_on(request: web.Request) -> web.Response:
        async with aiohttp.ClientSession() as session, session.get(inner, headers=request.headers) as told:
            return web.Response(
                status=told.status,
                body=await told.read(),
                content_type=told.content_type,
                headers=[("Via", each) for each in told.headers.getall("Via", [])],
            )

    via = {} if others is None else {"Via": others}
    with capture_logs() as logs:
        async with gateway(answer) as inner, gateway(handed_on) as url, aiohttp.ClientSession() as session:
            async with session.get(inner, headers=via) as told:
                assert told.status == 200
            async with session.get(url, headers=via) as told:
                assert (told.status, (await told.json())["code"]) == (508, 20500)
                assert (await told.json())["message"].endswith("not to a URL that a proxy routes to a gateway")

    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["listing.misled"]


async def test_who_writes_the_name_of_a_gateway_on_a_request_pages_nobody() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"events": []})

    forged = {"Via": "1.1 eventstreams-gateway"}
    with capture_logs() as logs:
        async with gateway(answer) as url, aiohttp.ClientSession() as session, session.get(url, headers=forged) as told:
            assert (told.status, (await told.json())["code"]) == (421, 20001)

    assert [each for each in logs if each["log_level"] == "error"] == []
