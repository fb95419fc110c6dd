"""Slow clients at API and gateway, each a process as it is run: others are answered, and what they hold is closed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp
import orjson
import pytest
import pytest_asyncio

from eventstreams.local.ports import free_ports
from eventstreams.settings import Settings
from tests.support.console import signed_in
from tests.support.gateway import STRUCTURED, cloudevent
from tests.support.installation import TOKEN, Installation
from tests.support.role_process import RoleProcess, running_role
from tests.support.slow_clients import Slow, attacked, held, kinds, until_held
from tests.support.topic import PATIENCE_S

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]

FILES = 512
MOST = FILES // 4  # connections: docs/limits.md
MANY = MOST + 12  # few more than there is room for: who is slow, not a flood
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
AT_API = ("console", "account")
AT_GATEWAY = ("account",)
API_KINDS = list(kinds(posts=dict.fromkeys(AT_API, b""), asks=dict.fromkeys(("document", "live page"), b"")))
GATEWAY_KINDS = list(kinds(posts=dict.fromkeys(AT_GATEWAY, b""), asks={"errors": b""}))
CLOSED_S = 75.0 + 60.0  # the longest two of docs/limits.md: idle, or working at an answer, and then for it to be taken


@dataclass(frozen=True)
class Attacked:
    """A role as a process, how honest clients talk to it, and who attacks it."""

    role: RoleProcess
    port: int
    proof: str
    kinds: dict[str, Slow]
    body: bytes | None = None

    async def asks(self) -> int:
        """The status that an honest client gets, over a connection of its own."""
        headers = {"Authorization": self.proof, **(STRUCTURED if self.body else {})}
        method, path = ("POST", "/v1/Events") if self.body else ("GET", "/v1/Types?PageSize=1")
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session,
            session.request(method, f"http://127.0.0.1:{self.port}{path}", data=self.body, headers=headers) as answer,
        ):
            await answer.read()
            return answer.status

    async def is_served(self) -> bool:
        try:
            return await self.asks() in {200, 202}
        except aiohttp.ClientError:
            return False


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(module_settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(module_settings) as installation:
        yield installation


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Attacked]:
    folder, [port] = tmp_path_factory.mktemp("api"), free_ports(1)
    async with running_role(
        installation.settings,
        "api",
        folder=folder,
        files=FILES,
        API_LISTEN=f"127.0.0.1:{port}",
        DELIVERY_LOG=str(folder / "log.db"),
        API_RATE_LIMIT="0",
    ) as role:
        async with signed_in(f"http://127.0.0.1:{port}", installation.account_sid, TOKEN) as browser:
            [(name, session)] = browser.cookies().items()
        proof = proof_of(installation)
        await installation.new_account()
        live = f"GET /console/overview/live HTTP/1.1\r\nHost: a\r\nCookie: {name}={session}\r\n\r\n"
        posts = {
            "console": b"POST /console/sign-in HTTP/1.1\r\nHost: a\r\n" + FORM,
            "account": f"POST /v1/Sinks HTTP/1.1\r\nHost: a\r\nAuthorization: {proof}\r\n".encode() + FORM,
        }
        asks = {"document": b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 2, "live page": live.encode()}
        yield Attacked(role, port, proof_of(installation), kinds(posts=posts, asks=asks))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Attacked]:
    folder, [port] = tmp_path_factory.mktemp("gateway"), free_ports(1)
    listens = f"127.0.0.1:{port}"
    async with running_role(
        installation.settings, "gateway", folder=folder, files=FILES, GATEWAY_LISTEN=listens
    ) as role:
        proof = proof_of(installation)
        await installation.new_account()
        head = f"POST /v1/Events HTTP/1.1\r\nHost: a\r\nAuthorization: {proof}\r\n"
        account = f"{head}Content-Type: application/cloudevents+json\r\n".encode()
        asks = {
            "errors": (b"GET /" + b"a" * 8000 + b" HTTP/1.1\r\nHost: a\r\n\r\n") * 20
        }  # which name what was asked for
        body = orjson.dumps(cloudevent(1))
        yield Attacked(role, port, proof_of(installation), kinds(posts={"account": account}, asks=asks), body)


def proof_of(installation: Installation) -> str:
    """Of its account: the attackers' is another one, for an account has its own bounds to keep."""
    return aiohttp.encode_basic_auth(installation.account_sid, TOKEN)


@pytest.mark.parametrize("kind", API_KINDS)
async def test_the_api_answers_others_whatever_slow_clients_hold(api: Attacked, kind: str) -> None:
    await answers_others(api, api.kinds[kind])


@pytest.mark.parametrize("kind", GATEWAY_KINDS)
async def test_the_gateway_answers_others_whatever_slow_clients_hold(gateway: Attacked, kind: str) -> None:
    await answers_others(gateway, gateway.kinds[kind])


async def answers_others(attacked_role: Attacked, slow: Slow) -> None:
    port = attacked_role.port
    async with attacked(port, slow, by=MANY, comes_again=True):
        await until_held(port, lambda count: count >= MOST // 2)
        async with asyncio.timeout(PATIENCE_S):  # until then the server may be at work on what they all have just asked
            while not slow.reads and not await attacked_role.is_served():
                await asyncio.sleep(0.2)
        found = []
        for _ in range(10):  # some seconds, in which all of them are at it
            found.append(await attacked_role.asks())
            await asyncio.sleep(0.5)

        assert set(found) <= {200, 202}
        assert held(port) <= MOST + MANY  # those that are just being ended count as well
    assert "request.failed" not in attacked_role.role.said()


@pytest.mark.timeout(600)
async def test_what_slow_clients_hold_of_the_api_is_closed_in_time(api: Attacked) -> None:
    await closes(api)


@pytest.mark.timeout(600)
async def test_what_slow_clients_hold_of_the_gateway_is_closed_in_time(gateway: Attacked) -> None:
    await closes(gateway)


async def closes(attacked_role: Attacked) -> None:
    port, each = attacked_role.port, MOST // 2 // len(attacked_role.kinds)
    async with asyncio.timeout(PATIENCE_S):
        while held(port):  # of an attack before this
            await asyncio.sleep(0.2)
    async with AsyncExitStack() as stack:
        for slow in attacked_role.kinds.values():
            await stack.enter_async_context(attacked(port, slow, by=each))
        await until_held(port, lambda count: count >= each * len(attacked_role.kinds) // 2)

        await until_held(port, lambda count: not count, within_s=CLOSED_S + PATIENCE_S)
