"""Who may publish through the gateway: accounts, and keys with the scope for it, as of now."""

import asyncio
import hashlib
import json
from dataclasses import replace

import aiohttp
import pytest

from eventstreams.control.records import AccountStatus, ApiKey, KeyScope
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from tests.support.gateway import STRUCTURED, Gateway, cloudevent, running
from tests.support.installation import TOKEN

pytestmark = pytest.mark.kafka
SECRET = "secret-of-the-key"


def api_key(account_sid: str, scope: KeyScope) -> ApiKey:
    return ApiKey(
        sid=new_sid(SidKind.API_KEY),
        account_sid=account_sid,
        friendly_name="",
        scope=scope,
        secret_hash=hashlib.sha256(SECRET.encode()).hexdigest(),
        created_ms=1,
        updated_ms=1,
    )


async def publish(gateway: Gateway, name: str, secret: str) -> int:
    """The status of an attempt to publish an event."""
    proof = aiohttp.encode_basic_auth(name, secret)
    async with gateway.session.post(
        gateway.url, data=json.dumps(cloudevent(1)), headers={**STRUCTURED, "Authorization": proof}
    ) as answer:
        return answer.status


async def until(gateway: Gateway, name: str, secret: str, wanted: int) -> None:
    """Return once an attempt ends with ``wanted``; the gateway learns of changes within moments."""
    async with asyncio.timeout(60):
        while await publish(gateway, name, secret) != wanted:
            await asyncio.sleep(0.4)  # few enough wrong ones to be told more than that they are too many


async def test_scopes_full_and_publish_may_publish_and_read_may_not(settings: Settings) -> None:
    async with running(settings) as gateway:
        found = {}
        for scope in KeyScope:
            key = api_key(gateway.house.account_sid, scope)
            await gateway.house.put(key)
            await until(gateway, key.sid, SECRET, 403 if scope is KeyScope.READ else 202)
            found[scope] = await publish(gateway, key.sid, SECRET)

    assert found == {KeyScope.FULL: 202, KeyScope.READ: 403, KeyScope.PUBLISH: 202}


async def test_a_revoked_key_a_suspended_account_and_a_promoted_token_count_within_moments(
    settings: Settings,
) -> None:
    async with running(settings) as gateway:
        house = gateway.house
        key = api_key(house.account_sid, KeyScope.PUBLISH)
        await house.put(key)
        await until(gateway, key.sid, SECRET, 202)

        await house.remove(key.sid)
        await until(gateway, key.sid, SECRET, 401)

        account = house.feed.snapshot.accounts[house.account_sid]
        await house.put(replace(account, secondary_token=house.vault.lock("second")))
        await until(gateway, account.sid, "second", 202)
        both = [await publish(gateway, account.sid, each) for each in (TOKEN, "second")]
        await house.put(replace(account, auth_token=house.vault.lock("second")))
        await until(gateway, account.sid, TOKEN, 401)

        await house.put(replace(account, status=AccountStatus.SUSPENDED))
        await until(gateway, account.sid, TOKEN, 401)
        await house.put(account)
        await until(gateway, account.sid, TOKEN, 202)

    assert both == [202, 202]
