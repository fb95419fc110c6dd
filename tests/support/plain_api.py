"""The API in the test, called by plain HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from eventstreams.settings import Settings
from eventstreams.telemetry.metrics import Metrics
from tests.support.api import serving
from tests.support.contract import check
from tests.support.installation import TOKEN
from tests.support.topic import PATIENCE_S


class PlainApi:
    """One account's view of an API."""

    def __init__(self, url: str, account_sid: str) -> None:
        self.url = url
        self._authorization = {"Authorization": aiohttp.encode_basic_auth(account_sid, TOKEN)}

    async def get(self, path: str, **query: str) -> tuple[int, Any]:
        """Return status and JSON; ``path`` may be a full URL from a response."""
        url = path if path.startswith("http") else f"{self.url}{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, params=query or None, headers=self._authorization) as answer,
        ):
            check("GET", answer.url.path, answer.status, await answer.read())
            return answer.status, await answer.json()

    async def post(self, path: str, **form: str) -> Any:
        """POST; return the JSON of what was created."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}{path}", data=form, headers=self._authorization) as answer,
        ):
            assert answer.status == 201, await answer.text()
            check("POST", answer.url.path, answer.status, await answer.read())
            return await answer.json()

    async def until(self, path: str, condition: Callable[[Any], bool], **query: str) -> Any:
        """Return the first response that fulfils ``condition``.

        Raises:
            TimeoutError: None did within ``PATIENCE_S``; the text is the last one.
        """
        answer: Any = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    status, answer = await self.get(path, **query)
                    if status == 200 and condition(answer):
                        return answer
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise TimeoutError(f"{path} {query}: {answer}") from None


@asynccontextmanager
async def serving_counted(settings: Settings) -> AsyncIterator[tuple[str, Metrics]]:
    """Run the API as a role on a free port inside the block; yields its URL and its metrics."""
    metrics = Metrics()
    async with serving(settings, metrics) as url:
        yield url, metrics
