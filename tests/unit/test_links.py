"""Connections to the primary: each proves where it ends before anything is sent over it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from control_api.replicas.forwarded import prove
from control_api.replicas.links import Links
from control_api.replicas.terms import Primary
from eventstreams.control.vault import Vault, new_key
from eventstreams.local.ports import free_ports
from eventstreams.settings import Settings


class Server:
    """What listens at an address, and who has asked it what over which connection."""

    def __init__(self, vault: Vault | None, replica: str = "0" * 16, *, closes: bool = False) -> None:
        self.asked: list[str] = []
        self.connections: set[object] = set()
        self._closes = closes
        self._app = web.Application(middlewares=[self._note])
        if vault is not None:
            self._app.add_routes([prove(vault, replica)])
        self._app.router.add_route("*", "/{path:.*}", self._answer)

    @web.middleware
    async def _note(self, request: web.Request, handler: object) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path} {request.headers.get('Authorization', '')}".strip())
        self.connections.add(request.transport)
        answer: web.StreamResponse = await handler(request)  # type: ignore[operator]  # aiohttp's own type is longer
        if self._closes:
            answer.force_close()
        return answer

    async def _answer(self, request: web.Request) -> web.Response:
        await asyncio.sleep(0.01)
        return web.Response(text="done")

    @asynccontextmanager
    async def at(self, port: int) -> AsyncIterator[Primary]:
        runner = web.AppRunner(self._app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
        try:
            yield Primary("0" * 16, f"http://127.0.0.1:{port}")
        finally:
            await runner.cleanup()


@pytest.fixture
def vault() -> Vault:
    return Vault(Settings.load(kafka="localhost:9092", secret_key=new_key()))


@pytest.fixture
async def links(vault: Vault) -> AsyncIterator[Links]:
    async with Links(vault) as links:
        yield links


async def send(links: Links, primary: Primary) -> str | None:
    async def post(session: aiohttp.ClientSession) -> str:
        headers = {"Authorization": "secret"}
        async with session.post(f"{primary.url}/v1/Sinks", headers=headers, data=b"x") as answer:
            return await answer.text()

    return await links.over(primary, post)


async def test_a_connection_is_proven_once_and_kept(vault: Vault, links: Links) -> None:
    server = Server(vault)
    async with server.at(free_ports(1)[0]) as primary:
        answers = [await send(links, primary) for _ in range(5)]

    assert answers == ["done"] * 5
    assert server.asked == ["GET /replica", *["POST /v1/Sinks secret"] * 5]
    assert len(server.connections) == 1


async def test_requests_at_once_have_each_a_proven_connection(vault: Vault, links: Links) -> None:
    server = Server(vault)
    async with server.at(free_ports(1)[0]) as primary:
        answers = [each for _ in range(2) for each in await asyncio.gather(*(send(links, primary) for _ in range(8)))]

    assert answers == ["done"] * 16
    assert server.asked.count("GET /replica") == len(server.connections) == 8


@pytest.mark.parametrize("stranger", ["no replica", "of another installation", "another replica"])
async def test_who_takes_over_the_address_of_a_proven_primary_is_sent_nothing(
    vault: Vault, links: Links, stranger: str
) -> None:
    [port] = free_ports(1)
    async with Server(vault).at(port) as primary:
        assert await send(links, primary) == "done"
    other = {
        "no replica": Server(None),
        "of another installation": Server(Vault(Settings.load(kafka="localhost:9092", secret_key=new_key()))),
        "another replica": Server(vault, "1" * 16),
    }[stranger]

    async with other.at(port):
        assert [await send(links, primary) for _ in range(3)] == [None] * 3

    assert set(other.asked) == {"GET /replica"}


async def test_a_primary_that_comes_back_at_its_address_is_sent_what_follows(vault: Vault, links: Links) -> None:
    [port] = free_ports(1)
    first, second = Server(vault), Server(vault)
    for server in (first, second):
        async with server.at(port) as primary:
            assert await links.reaches(primary)
            assert [await send(links, primary) for _ in range(2)] == ["done"] * 2
    assert first.asked == second.asked == ["GET /replica", *["POST /v1/Sinks secret"] * 2]


async def test_where_nobody_listens_it_is_an_error(links: Links) -> None:
    nobody = Primary("0" * 16, f"http://127.0.0.1:{free_ports(1)[0]}")

    with pytest.raises(aiohttp.ClientError):
        await send(links, nobody)
    with pytest.raises(aiohttp.ClientError):
        await links.reaches(nobody)


async def test_who_closes_each_connection_after_its_proof_is_sent_nothing(vault: Vault, links: Links) -> None:
    server = Server(vault, closes=True)
    async with server.at(free_ports(1)[0]) as primary:
        assert await send(links, primary) is None

    assert set(server.asked) == {"GET /replica"}
