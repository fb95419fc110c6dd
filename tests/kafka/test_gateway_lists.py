"""One address for publishing events and for listing them: the gateway's."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from eventstreams.control.records import KeyScope
from eventstreams.settings import Settings
from tests.support.api import serving
from tests.support.gateway import SECRET, api_key, cloudevent, running
from tests.support.installation import TOKEN, Installation
from tests.support.topic import PATIENCE_S

pytestmark = pytest.mark.kafka


@pytest.fixture
def logging(settings: Settings, tmp_path: Path) -> Settings:
    """Of an API that has a delivery log."""
    return settings.model_copy(update={"delivery_log": SecretStr(str(tmp_path / "log.db"))})


async def test_what_was_published_is_listed_where_it_was_published(logging: Settings) -> None:
    async with serving(logging) as api, running(logging.model_copy(update={"api_url": api})) as gateway:
        proof = aiohttp.encode_basic_auth(gateway.installation.account_sid, TOKEN)
        assert (await gateway.post(cloudevent(1)))[0] == 202
        async with asyncio.timeout(PATIENCE_S):
            told: dict[str, Any] = {"events": []}
            while not told["events"]:  # the delivery log follows
                async with gateway.session.get(f"{gateway.url}?PageSize=5", headers={"Authorization": proof}) as answer:
                    assert answer.status == 200, await answer.text()
                    told = await answer.json()

    assert [each["id"] for each in told["events"]] == ["EZ1"]
    assert told["meta"]["url"].startswith(gateway.url)


@pytest.mark.parametrize(("scope", "status"), [(KeyScope.READ, 200), (KeyScope.FULL, 200), (KeyScope.PUBLISH, 403)])
async def test_who_may_read_may_list_there(logging: Settings, scope: KeyScope, status: int) -> None:
    async with Installation(logging) as installation:
        key = api_key(installation.account_sid, scope)
        await installation.put(key)  # before there is anybody who does not know it yet
        async with serving(logging) as api, running(logging.model_copy(update={"api_url": api})) as gateway:
            proof = {"Authorization": aiohttp.encode_basic_auth(key.sid, SECRET)}
            async with gateway.session.get(gateway.url, headers=proof) as answer:
                found = answer.status

    assert found == status


async def test_without_an_api_to_ask_there_is_nothing_to_list(settings: Settings) -> None:
    async with running(settings) as gateway:
        proof = {"Authorization": aiohttp.encode_basic_auth(gateway.installation.account_sid, TOKEN)}
        async with gateway.session.get(gateway.url, headers=proof) as answer:
            assert answer.status == 405
