"""The API in the test, asked in plain HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from control_api.role import serve
from eventstreams.process import Process
from eventstreams.process.listen import address_of, open_socket
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from tests.support.installation import TOKEN


class PlainApi:
    """One account's view of an API."""

    def __init__(self, url: str, account_sid: str) -> None:
        self.url = url
        self._authorization = {"Authorization": aiohttp.encode_basic_auth(account_sid, TOKEN)}

    async def get(self, path: str, **query: str) -> tuple[int, Any]:
        """Status and JSON; ``path`` may be a whole URL of an answer."""
        url = path if path.startswith("http") else f"{self.url}{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, params=query or None, headers=self._authorization) as answer,
        ):
            return answer.status, await answer.json()

    async def until(self, path: str, condition: Callable[[Any], bool], **query: str) -> Any:
        """The first answer that fulfils ``condition``.

        Raises:
            TimeoutError: none did within half a minute; the text is the last one.
        """
        answer: Any = None
        try:
            async with asyncio.timeout(30):
                while True:
                    status, answer = await self.get(path, **query)
                    if status == 200 and condition(answer):
                        return answer
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise TimeoutError(f"{path} {query}: {answer}") from None


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[str, Process]]:
    """The API as a role, on a port of its own, meanwhile: its URL and process."""
    with open_socket("127.0.0.1:0", setting="test") as listening:
        url = f"http://{address_of(listening)}"
        handed_over = listening.detach()
    process = Process(settings.model_copy(update={"api_listen": f"fd://{handed_over}"}), get_logger("test"))
    running = asyncio.create_task(serve(process))
    try:
        await _until_ready(url)
        yield url, process
    finally:
        process.stopping.set()
        await running


async def _until_ready(url: str) -> None:
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}/readyz") as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.05)
