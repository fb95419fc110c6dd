"""A minimal client of the API, for requests that Twilio's client cannot make."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import aiohttp

from eventstreams.settings import Settings
from eventstreams.telemetry.metrics import Metrics
from tests.support.api import Api, serving, with_new_account
from tests.support.contract import check
from tests.support.installation import TOKEN, Installation
from tests.support.topic import PATIENCE_S

Form = Mapping[str, str] | Sequence[tuple[str, str]]


class BareApi:
    """A running API, called as one account."""

    def __init__(self, url: str, account_sid: str, metrics: Metrics, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.account_sid = account_sid
        self.metrics = metrics
        self._session = session

    async def ask(self, method: str, path: str, form: Form | None = None) -> tuple[int, dict[str, Any]]:
        """Send a request; return the response's status and body. ``path`` may be a full URL of the API."""
        headers = {"Authorization": aiohttp.encode_basic_auth(self.account_sid, TOKEN)}
        url = path if path.startswith("http") else f"{self.url}{path}"
        async with self._session.request(method, url, data=form, headers=headers) as answer:
            check(method, answer.url.path, answer.status, await answer.read())
            return answer.status, await answer.json()

    async def get(self, path: str) -> dict[str, Any]:
        status, body = await self.ask("GET", path)
        assert status == HTTPStatus.OK, body
        return body

    async def post(self, path: str, form: Form, *, expect: int = 201) -> dict[str, Any]:
        status, body = await self.ask("POST", path, form)
        assert status == expect, body
        return body

    def as_account(self, account_sid: str) -> "BareApi":
        return BareApi(self.url, account_sid, self.metrics, self._session)

    async def until(self, url: str, *statuses: str) -> dict[str, Any]:
        """Return the job at ``url`` once it has one of ``statuses``."""
        async with asyncio.timeout(PATIENCE_S):
            while (job := await self.get(url))["status"] not in statuses:
                await asyncio.sleep(0.05)
        return job


@asynccontextmanager
async def serving_bare(settings: Settings, account_sid: str) -> AsyncIterator[BareApi]:
    """Run the API as a role on a free port inside the block."""
    metrics = Metrics()
    async with serving(settings, metrics) as url, aiohttp.ClientSession() as session:
        yield BareApi(url, account_sid, metrics, session)


async def of_new_account(shared: BareApi, installation: Installation) -> BareApi:
    """Return ``shared``, an API of ``installation``, as a new account, which ``installation`` acts for from now on."""
    await with_new_account(Api(installation, shared.url))
    return shared.as_account(installation.account_sid)
