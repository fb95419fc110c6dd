"""The API as a role beside the test, and a bare client for it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import aiohttp

from control_api.role import serve
from eventstreams.process import Process
from eventstreams.process.listen import address_of, open_socket
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from tests.support.installation import TOKEN

Form = Mapping[str, str] | Sequence[tuple[str, str]]


class Api:
    """A running API, asked as one account."""

    def __init__(self, url: str, account_sid: str, process: Process, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.account_sid = account_sid
        self.process = process
        self._session = session

    async def ask(self, method: str, path: str, form: Form | None = None) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer to a request; ``path`` may be a whole URL of the API."""
        headers = {"Authorization": aiohttp.encode_basic_auth(self.account_sid, TOKEN)}
        url = path if path.startswith("http") else f"{self.url}{path}"
        async with self._session.request(method, url, data=form, headers=headers) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> dict[str, Any]:
        status, body = await self.ask("GET", path)
        assert status == HTTPStatus.OK, body
        return body

    async def post(self, path: str, form: Form, *, expect: int = 201) -> dict[str, Any]:
        status, body = await self.ask("POST", path, form)
        assert status == expect, body
        return body

    def as_account(self, account_sid: str) -> "Api":
        return Api(self.url, account_sid, self.process, self._session)

    async def until(self, url: str, *statuses: str) -> dict[str, Any]:
        """The job at ``url`` once it has one of ``statuses``."""
        async with asyncio.timeout(60):
            while (job := await self.get(url))["status"] not in statuses:
                await asyncio.sleep(0.05)
        return job


@asynccontextmanager
async def serving(settings: Settings, account_sid: str) -> AsyncIterator[Api]:
    """The API as a role, on a port of its own, meanwhile."""
    with open_socket("127.0.0.1:0", setting="test") as listening:
        url = f"http://{address_of(listening)}"
        handed_over = listening.detach()
    process = Process(settings.model_copy(update={"api_listen": f"fd://{handed_over}"}), get_logger("test"))
    running = asyncio.create_task(serve(process))
    try:
        async with aiohttp.ClientSession() as session:
            await _until_ready(session, url, running)
            yield Api(url, account_sid, process, session)
    finally:
        process.stopping.set()
        await running
    if process.crashed is not None:
        raise process.crashed


async def _until_ready(session: aiohttp.ClientSession, url: str, running: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(60):
        while not running.done():
            async with session.get(f"{url}/readyz") as answer:
                if answer.status == HTTPStatus.OK:
                    return
            await asyncio.sleep(0.05)
    running.result()
