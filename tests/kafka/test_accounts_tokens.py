"""Auth tokens of accounts: rotated, promoted, signed with; and all secrets encrypted anew under another key."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

import pytest
import pytest_asyncio
from pydantic import SecretStr
from twilio.request_validator import RequestValidator

from control_api.commands import upkeep as upkeep_cli
from eventstreams.control.vault import Purpose, Vault, new_key
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Received, Receiver
from sink_workers.role import worker_for
from tests.support.api import Api, serving
from tests.support.installation import TOKEN, Installation
from tests.support.operator import Asker, command, operated, operator_of, with_operator

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]
ACCOUNTS = "/operator/v1/Accounts"
HOOK = json.dumps({"destination": "https://hooks.example.com/a"})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings) -> AsyncIterator[Api]:
    async with operated(module_settings) as api:
        yield api


@pytest_asyncio.fixture(loop_scope="module")
async def operator(shared: Api) -> Asker:
    return operator_of(shared)


async def test_a_token_rotates_with_a_grace_and_at_once_without(shared: Api, operator: Asker) -> None:
    made = await operator.made(ACCOUNTS, FriendlyName="Acme")
    path = f"{ACCOUNTS}/{made['sid']}"
    first = Asker(shared.url, made["sid"], made["auth_token"])

    rotated = await operator.made(f"{path}/RotateToken", GraceSeconds="3600")
    second = Asker(shared.url, made["sid"], rotated["auth_token"])
    both = [(await each.ask("GET", "/v1/Sinks"))[0] for each in (first, second)]
    under_way = await operator.ask("POST", f"{path}/RotateToken", GraceSeconds="3600")
    third_made = await operator.made(f"{path}/RotateToken", GraceSeconds="0")
    third = Asker(shared.url, made["sid"], third_made["auth_token"])
    after = [(await each.ask("GET", "/v1/Sinks"))[0] for each in (first, second, third)]

    assert rotated["date_promoted"] is not None
    assert both == [200, 200]
    assert (under_way[0], under_way[1]["code"]) == (409, 20409)
    assert third_made["date_promoted"] is None
    assert after == [401, 401, 200]


async def test_a_promoted_token_ends_the_grace(shared: Api, operator: Asker) -> None:
    made = await operator.made(ACCOUNTS, FriendlyName="Acme")
    path = f"{ACCOUNTS}/{made['sid']}"
    rotated = await operator.made(f"{path}/RotateToken")

    promoted = await operator.made(f"{path}/PromoteToken")

    assert (promoted["rotating"], promoted["date_promoted"]) == (False, None)
    assert (await Asker(shared.url, made["sid"], made["auth_token"]).ask("GET", "/v1/Sinks"))[0] == 401
    assert (await Asker(shared.url, made["sid"], rotated["auth_token"]).ask("GET", "/v1/Sinks"))[0] == 200


async def test_the_token_of_the_settings_is_changed_in_the_settings(settings: Settings) -> None:
    sid = new_sid(SidKind.ACCOUNT)
    named = Settings.load(**{**settings.model_dump(), "account_sid": sid, "auth_token": "first-token"})
    async with operated(named) as api:
        by_operator = await operator_of(api).ask("POST", f"{ACCOUNTS}/{sid}/RotateToken")
        by_itself = await Asker(api.url, sid, "first-token").ask("POST", "/v1/AuthTokens/Secondary")

    assert [by_operator[0], by_itself[0]] == [409, 409]
    assert "EVENTSTREAMS_AUTH_TOKEN" in by_operator[1]["message"]


async def test_deliveries_are_signed_with_the_earlier_token_until_the_new_one_is_promoted(settings: Settings) -> None:
    async with Receiver() as receiver, operated(settings) as api:
        installation, operator = api.installation, operator_of(api)
        made = await operator.made(ACCOUNTS, FriendlyName="Acme")
        path = f"{ACCOUNTS}/{made['sid']}"
        installation.account_sid = made["sid"]
        await installation.feed.catch_up()
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        await installation.start(worker_for(load_plugin("webhook")))

        rotated = await operator.made(f"{path}/RotateToken", GraceSeconds="3600")
        await installation.hand_to(subscription, installation.event(1))
        await receiver.wait_for(lambda: "EZ1" in receiver.accepted)
        tokens = (made["auth_token"], rotated["auth_token"])
        during = signers(receiver.received[-1], tokens)
        await operator.made(f"{path}/PromoteToken")
        number = 2  # the worker learns of it a moment later
        while signers(receiver.received[-1], tokens) == during:
            await installation.hand_to(subscription, installation.event(number))
            await receiver.wait_for(partial(receiver.accepted.__contains__, f"EZ{number}"))
            number += 1

    assert during == [tokens[0]]
    assert signers(receiver.received[-1], tokens) == [tokens[1]]


# -- secrets at rest -------------------------------------------------------------------------------------------


async def test_secrets_are_encrypted_anew_beside_a_running_system_and_then_the_old_key_can_go(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control_api.accounts.secret_rotation._AT_ONCE", 3)
    assert settings.secret_key is not None
    old, new = settings.secret_key.get_secret_value(), new_key()
    both = settings.model_copy(update={"secret_key": SecretStr(f"{new},{old}")})
    only_new = settings.model_copy(update={"secret_key": SecretStr(new)})
    async with AsyncExitStack() as stack:
        installation = await stack.enter_async_context(Installation(settings))
        for _ in range(10):
            sink = await installation.add_sink("https://hooks.example.com/a")
            await installation.put(
                replace(sink, test_id=installation.vault.lock("the test's id", Purpose.SINK_TEST, sink.sid))
            )
        async with serving(with_operator(both)) as url:
            api = Api(installation, url)
            busy = asyncio.create_task(write_until_cancelled(api))
            first = await command(api, upkeep_cli.rotate_secrets)
            second = await command(api, upkeep_cli.rotate_secrets)
            busy.cancel()
            written = (await asyncio.gather(busy, return_exceptions=True))[0]
            await installation.feed.catch_up()
        sinks = installation.feed.snapshot.sinks.values()
        secrets = [(sink.configuration, Purpose.SINK_CONFIGURATION, sink.sid) for sink in sinks]
        secrets += [(sink.test_id, Purpose.SINK_TEST, sink.sid) for sink in sinks if sink.test_id is not None]
        async with serving(only_new) as url:
            listed = await Asker(url, installation.account_sid, TOKEN).all("/v1/Sinks", "sinks")

    assert isinstance(written, asyncio.CancelledError)
    assert "all secrets now use the first key" in first.output
    assert second.output.startswith("0 records re-encrypted")
    assert all(Vault(only_new).is_current(*each) for each in secrets)
    assert len(listed) >= 10
    assert len(secrets) >= len(listed) + 10
    assert {each["description"] for each in listed} >= {"of the test"}


async def write_until_cancelled(api: Api) -> None:
    """Somebody who makes sinks and changes them meanwhile."""
    asker = Asker(api.url, api.installation.account_sid, TOKEN)
    while True:
        sink = await asker.made("/v1/Sinks", Description="busy", SinkType="webhook", SinkConfiguration=HOOK)
        await asker.made(f"/v1/Sinks/{sink['sid']}/Delivery", Paused="true")
        assert (await asker.ask("DELETE", f"/v1/Sinks/{sink['sid']}"))[0] == 204


# -- commands --------------------------------------------------------------------------------------------------


def signers(received: Received, tokens: Sequence[str]) -> list[str]:
    """Which of ``tokens`` a delivery is signed with."""
    signature, body = received.headers["X-Twilio-Signature"], received.body.decode()
    return [each for each in tokens if RequestValidator(each).validate(received.url, body, signature)]
