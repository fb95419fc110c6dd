"""Who may publish through the gateway: accounts, and keys with the scope for it, as of now."""

import asyncio
import json
from dataclasses import replace

import aiohttp
import pytest

from eventstreams.control.records import AccountStatus, KeyScope
from eventstreams.control.vault import Purpose
from eventstreams.settings import Settings
from tests.support.gateway import SECRET, STRUCTURED, Gateway, api_key, cloudevent, running
from tests.support.installation import TOKEN

pytestmark = pytest.mark.kafka


async def publish(gateway: Gateway, name: str, secret: str) -> int:
    """The status of an attempt to publish an event."""
    proof = aiohttp.encode_basic_auth(name, secret)
    async with gateway.session.post(
        gateway.url, data=json.dumps(cloudevent(1)), headers={**STRUCTURED, "Authorization": proof}
    ) as answer:
        return answer.status


async def known(gateway: Gateway, witness: str) -> None:
    """Return once the gateway knows all that was written so far.

    It reads in order. So the account ``witness``, which it knew from the start, is suspended or active again; to ask
    with a token that is right costs nobody the right to ask.
    """
    account = gateway.installation.feed.snapshot.accounts[witness]
    active = account.status is not AccountStatus.ACTIVE
    await gateway.installation.put(replace(account, status=AccountStatus.ACTIVE if active else AccountStatus.SUSPENDED))
    async with asyncio.timeout(60):
        while await publish(gateway, witness, TOKEN) != (202 if active else 401):
            await asyncio.sleep(0.01)


async def test_scopes_full_and_publish_may_publish_and_read_may_not(settings: Settings) -> None:
    async with running(settings) as gateway:
        witness = gateway.installation.account_sid
        await gateway.installation.new_account()
        keys = {scope: api_key(gateway.installation.account_sid, scope) for scope in KeyScope}
        for key in keys.values():
            await gateway.installation.put(key)
        await known(gateway, witness)

        found = {scope: await publish(gateway, key.sid, SECRET) for scope, key in keys.items()}

    assert found == {KeyScope.FULL: 202, KeyScope.READ: 403, KeyScope.PUBLISH: 202}


async def test_a_revoked_key_a_suspended_account_and_a_promoted_token_count_within_moments(
    settings: Settings,
) -> None:
    async with running(settings) as gateway:
        installation, witness = gateway.installation, gateway.installation.account_sid
        await installation.new_account()
        key = api_key(installation.account_sid, KeyScope.PUBLISH)
        account = installation.feed.snapshot.accounts[installation.account_sid]
        second = installation.vault.lock("second", Purpose.AUTH_TOKEN, account.sid)

        async def statuses() -> tuple[int, int, int]:
            """With the key, the first token and the second, once the gateway knows what was written."""
            await known(gateway, witness)
            return (
                await publish(gateway, key.sid, SECRET),
                await publish(gateway, account.sid, TOKEN),
                await publish(gateway, account.sid, "second"),
            )

        await installation.put(key)
        with_key = await statuses()
        await installation.remove(key.sid)
        revoked = await statuses()
        await installation.put(replace(account, secondary_token=second))
        rotating = await statuses()
        await installation.put(replace(account, auth_token=second))
        promoted = await statuses()
        await installation.put(replace(account, status=AccountStatus.SUSPENDED))
        suspended = await statuses()
        await installation.put(account)
        active = await statuses()

    assert with_key == (202, 202, 401)
    assert revoked == (401, 202, 401)
    assert rotating == (401, 202, 202)
    assert promoted == (401, 401, 202)
    assert suspended == (401, 401, 401)
    assert active == (401, 202, 401)
