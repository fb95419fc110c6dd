"""What stands before every handler and needs no broker: how often, and how much at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler, Middleware

from control_api.accounts.operator import OPERATOR, USER
from control_api.guards import hold_bodies, limit_accounts
from eventstreams.control.records import Account
from eventstreams.http import ACCOUNT, answer_errors, read_body

Client = TestClient[web.Request, web.Application]
KIB: Final = 1 << 10


def customer_of(sid: str) -> str:
    """``AC1``, ``AC1a``, ``AC1b`` … are one."""
    return sid[:3]


@asynccontextmanager
async def guarded(*guards: Middleware) -> AsyncIterator[Client]:
    """A server that answers what ``guards`` let through, with the length of its body."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await read_body(request))))

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if (sid := request.headers.get("Account")) == USER:
            request[OPERATOR] = True
        elif sid:
            request[ACCOUNT] = Account(sid=sid, friendly_name="", auth_token="", created_ms=0, updated_ms=0)
        return await handler(request)

    app = web.Application(middlewares=[answer_errors, authenticate, *guards], client_max_size=KIB)
    app.router.add_route("*", "/", answer)
    async with TestClient(TestServer(app)) as client:
        yield client


async def status(client: Client, account: str, data: bytes | None = None) -> int:
    async with client.post("/", headers={"Account": account}, data=data) as answer:
        if answer.status in {429, 503}:
            assert int(answer.headers["Retry-After"]) > 0
        return answer.status


async def test_an_owner_and_its_subaccounts_share_four_times_the_limit_and_none_has_more_than_its_own() -> None:
    async with guarded(limit_accounts(0.01, customer_of)) as client:  # one at once for each, one for all of a customer
        first = [await status(client, each) for each in ("AC1", "AC1", "AC1a", "AC2")]
    async with guarded(limit_accounts(1, customer_of)) as client:  # two at once, and eight
        many = [await status(client, f"AC1{each}") for each in "abcdefghijkl"]
        greedy = [await status(client, "AC2a") for _ in range(4)]
        sibling = await status(client, "AC2b")

    assert first == [200, 429, 429, 200]
    assert many == [200] * 8 + [429] * 4
    assert greedy == [200, 200, 429, 429]
    assert sibling == 200


async def hanging(client: Client, account: str, size: int) -> tuple[asyncio.Task[int], asyncio.Event]:
    """A request of ``size`` bytes that has begun and of which the last byte is yet to come."""
    go, begun = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"x" * (size - 1)
        begun.set()
        await go.wait()
        yield b"x"

    async def send() -> int:
        headers = {"Account": account, "Content-Length": str(size)}
        async with client.post("/", headers=headers, data=body()) as answer:
            return answer.status

    task = asyncio.create_task(send())
    await begun.wait()
    return task, go


async def test_bodies_that_do_not_end_leave_room_for_others_and_are_refused_beyond_it() -> None:
    async with guarded(hold_bodies(customer_of, most=3 * KIB, of_one=2 * KIB)) as client:
        slow = [await hanging(client, "AC1", KIB), await hanging(client, "AC1a", KIB)]
        own_share = await refused_in_the_end(client, "AC1b", 429)
        other = await status(client, "AC2", b"x" * 100)
        slow.append(await hanging(client, "AC2", KIB))
        whole = await refused_in_the_end(client, "AC3", 503)
        for _, go in slow:
            go.set()
        ended = await asyncio.gather(*(task for task, _ in slow))
        after = await status(client, "AC1", b"x" * KIB)

    assert (own_share, other, whole) == (429, 200, 503)
    assert ended == [200, 200, 200]
    assert after == 200


async def refused_in_the_end(client: Client, account: str, wanted: int) -> int:
    """The status of a large request, once it is ``wanted``: those before it reach the server in their own time."""
    async with asyncio.timeout(30):
        while (found := await status(client, account, b"x" * KIB)) != wanted:
            await asyncio.sleep(0.01)
    return found


async def test_bodies_of_strangers_take_none_of_the_operators_memory() -> None:
    async with guarded(hold_bodies(customer_of, most=3 * KIB, of_one=KIB)) as client:
        stranger, go = await hanging(client, "", KIB)
        await refused_in_the_end(client, "", 429)
        operator = await status(client, USER, b"x" * KIB)
        go.set()

        assert (operator, await stranger) == (200, 200)


async def test_requests_without_a_body_side_by_side_are_all_answered() -> None:
    begun, go = asyncio.Barrier(2), asyncio.Event()

    @web.middleware
    async def together(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Both are under way before the first ends, and one ends after the other."""
        await begun.wait()
        if request.headers["Account"] == "AC1a":
            await go.wait()
        return await handler(request)

    async with guarded(hold_bodies(customer_of), together) as client:
        later = asyncio.create_task(status(client, "AC1a"))
        sooner = await status(client, "AC1b")
        go.set()

        assert (sooner, await later) == (200, 200)


async def test_a_request_without_a_body_holds_nothing() -> None:
    async with guarded(hold_bodies(customer_of, most=1, of_one=1)) as client:
        async with client.get("/", headers={"Account": "AC1"}) as answer:
            assert answer.status == 200
        assert await status(client, "AC1") == 200
