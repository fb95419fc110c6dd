"""An API with the operator's API on, and clients: a plain one, the command line, and Twilio's for accounts."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from click import Command
from click.testing import CliRunner, Result
from pydantic import SecretStr
from twilio.rest import Client

from eventstreams.settings import Settings
from tests.support.api import Api, serving
from tests.support.contract import check
from tests.support.installation import Installation
from tests.support.recording import Checking

OPERATOR_TOKEN = "token-of-the-operator"


def client_of(url: str, sid: str, secret: str, *, account_sid: str | None = None) -> Client:
    """Twilio's client for the API at ``url``: events, accounts and keys."""
    client = Client(sid, secret, account_sid, http_client=Checking())
    for domain in (client.events, client.api, client.accounts, client.iam):
        domain.base_url = url
    return client


def with_operator(settings: Settings) -> Settings:
    return settings.model_copy(update={"operator_token": SecretStr(OPERATOR_TOKEN)})


@asynccontextmanager
async def operated(settings: Settings) -> AsyncIterator[Api]:
    """Run an API whose operator's API is on, with an account."""
    settings = with_operator(settings)
    async with Installation(settings) as installation, serving(settings) as url:
        yield Api(installation, url)


class Asker:
    """Sends requests with fixed credentials."""

    def __init__(self, url: str, user: str, password: str, *, headers: Mapping[str, str] | None = None) -> None:
        self._url = url
        self._headers = {"Authorization": aiohttp.encode_basic_auth(user, password), **(headers or {})}

    async def ask(self, method: str, path: str, **fields: str) -> tuple[int, Any]:
        """Return status and JSON (None without a body). ``fields`` are sent as a form, or for GET in the query."""
        query, form = (fields, None) if method == "GET" else (None, fields)
        url = path if path.startswith("http") else f"{self._url}{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, params=query, data=form or None, headers=self._headers) as answer,
        ):
            check(method, answer.url.path, answer.status, await answer.read())
            return answer.status, (await answer.json() if answer.content_length else None)

    async def made(self, path: str, **fields: str) -> Any:
        """POST; return the JSON of what was created."""
        status, told = await self.ask("POST", path, **fields)
        assert status in {200, 201}, told
        return told

    async def all(self, path: str, key: str, **query: str) -> list[Any]:
        """Return every item of a list, across all pages."""
        status, told = await self.ask("GET", path, **query)
        assert status == 200, told
        found = list(told[key])
        while following := told["meta"]["next_page_url"]:
            _, told = await self.ask("GET", following)
            found += told[key]
        return found


def operator_of(api: Api) -> Asker:
    return Asker(api.url, "operator", OPERATOR_TOKEN)


async def command(
    api: Api, group: Command, *arguments: str, env: dict[str, str] | None = None, code: int = 0
) -> Result:
    """Run a command against the API as a person does, while the API goes on."""
    given = {"EVENTSTREAMS_PUBLIC_URL": api.url, "EVENTSTREAMS_OPERATOR_TOKEN": OPERATOR_TOKEN, **(env or {})}
    result = await asyncio.to_thread(CliRunner(env=given).invoke, group, arguments)
    assert result.exit_code == code, (result.output, result.exception)
    return result
