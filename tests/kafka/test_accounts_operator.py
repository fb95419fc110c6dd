"""The operator's API and its commands: accounts and keys made, changed, closed; secrets encrypted anew."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

import aiohttp
import pytest
import pytest_asyncio
from click import Command
from click.testing import CliRunner, Result
from pydantic import SecretStr
from twilio.request_validator import RequestValidator

from control_api import accounts_cli, upkeep_cli
from eventstreams.control.records import AccountStatus
from eventstreams.control.vault import Vault, new_key
from eventstreams.process import Process
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Received, Receiver
from sink_workers.role import worker_for
from tests.support.api import Api, serving
from tests.support.installation import TOKEN, Installation, header
from tests.support.operator import OPERATOR_TOKEN, Asker, operated, operator_of, with_operator
from tests.support.topic import eventually

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


async def test_an_account_is_made_and_can_be_used_at_once(shared: Api, operator: Asker) -> None:
    made = await operator.made(ACCOUNTS, FriendlyName="Acme")

    assert made["sid"].startswith("AC")
    assert (made["friendly_name"], made["status"], made["owner_account_sid"]) == ("Acme", "active", None)
    assert await Asker(shared.url, made["sid"], made["auth_token"]).all("/v1/Sinks", "sinks") == []
    _, fetched = await operator.ask("GET", f"{ACCOUNTS}/{made['sid']}")
    assert fetched == {name: value for name, value in made.items() if name != "auth_token"}


async def test_an_account_can_have_the_sid_that_others_know_it_by(shared: Api, operator: Asker) -> None:
    sid = new_sid(SidKind.ACCOUNT)

    made = await operator.made(ACCOUNTS, FriendlyName="Acme", Sid=sid)
    again = await operator.ask("POST", ACCOUNTS, FriendlyName="Acme", Sid=sid)
    malformed = await operator.ask("POST", ACCOUNTS, FriendlyName="Acme", Sid="AC1")

    assert made["sid"] == sid
    assert (again[0], again[1]["code"]) == (409, 20409)
    assert (malformed[0], malformed[1]["message"]) == (400, "Sid is malformed: it is AC and 32 hexadecimal digits")


async def test_accounts_are_listed_with_filters(shared: Api, operator: Asker) -> None:
    owner = await operator.made(ACCOUNTS, FriendlyName="Owner")
    sub = await operator.made(ACCOUNTS, FriendlyName="Sub", OwnerAccountSid=owner["sid"])
    await operator.made(f"{ACCOUNTS}/{sub['sid']}", Status="suspended")

    by_owner = await operator.all(ACCOUNTS, "accounts", OwnerAccountSid=owner["sid"])
    suspended = await operator.all(ACCOUNTS, "accounts", Status="suspended", PageSize="1")
    by_name = await operator.all(ACCOUNTS, "accounts", FriendlyName="Owner")

    assert [each["sid"] for each in by_owner] == [sub["sid"]]
    assert sub["sid"] in {each["sid"] for each in suspended}
    assert owner["sid"] in {each["sid"] for each in by_name}


@pytest.mark.parametrize(
    ("user", "password"),
    [("operator", "wrong"), ("operator", ""), ("admin", OPERATOR_TOKEN), ("operator", OPERATOR_TOKEN + "x")],
)
async def test_nobody_else_gets_in(shared: Api, user: str, password: str) -> None:
    status, told = await Asker(shared.url, user, password).ask("GET", ACCOUNTS)

    assert (status, told["code"]) == (401, 20003)


async def test_an_account_is_no_operator_and_the_operator_no_account(shared: Api, operator: Asker) -> None:
    as_account = await Asker(shared.url, shared.house.account_sid, TOKEN).ask("GET", ACCOUNTS)
    as_operator = await operator.ask("GET", "/v1/Sinks")

    assert (as_account[0], as_operator[0]) == (401, 401)


async def test_without_a_token_in_the_settings_it_is_off_and_says_how_to_turn_it_on(settings: Settings) -> None:
    async with Installation(settings) as house, serving(settings) as url:
        status, told = await operator_of(Api(house, url)).ask("POST", ACCOUNTS, FriendlyName="Acme")

    assert (status, told["code"]) == (403, 20403)
    assert "EVENTSTREAMS_OPERATOR_TOKEN" in told["message"]


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


async def test_keys_of_an_account_have_scopes_and_are_revoked(shared: Api, operator: Asker) -> None:
    made = await operator.made(ACCOUNTS, FriendlyName="Acme")
    path = f"{ACCOUNTS}/{made['sid']}/Keys"

    key = await operator.made(path, FriendlyName="dashboards", Scope="read")
    reader = Asker(shared.url, key["sid"], key["secret"])
    read, wrote = await reader.ask("GET", "/v1/Sinks"), await reader.ask("POST", "/v1/Sinks", Description="x")
    listed = await operator.all(path, "keys")
    revoked = await operator.ask("DELETE", f"{path}/{key['sid']}")
    gone = await operator.ask("DELETE", f"{path}/{key['sid']}")

    assert read[0] == 200
    assert (wrote[0], wrote[1]["code"]) == (403, 20403)
    assert [(each["sid"], each["scope"]) for each in listed] == [(key["sid"], "read")]
    assert "secret" not in listed[0]
    assert (revoked[0], gone[0]) == (204, 404)
    assert (await reader.ask("GET", "/v1/Sinks"))[0] == 401


async def test_an_account_makes_its_own_keys_with_scopes(shared: Api, operator: Asker) -> None:
    made = await operator.made(ACCOUNTS, FriendlyName="Acme")
    own = Asker(shared.url, made["sid"], made["auth_token"])

    key = await own.made("/v1/Keys", FriendlyName="products", Scope="publish")
    wrong = await own.ask("POST", "/v1/Keys", Scope="everything")
    renamed = await own.made(f"/v1/Keys/{key['sid']}", FriendlyName="other")

    assert (key["scope"], key["account_sid"]) == ("publish", made["sid"])
    assert (wrong[0], wrong[1]["message"]) == (400, "Scope must be one of full, read, publish")
    misspelt = await own.ask("POST", "/v1/Keys", scope="read")
    assert (misspelt[0], misspelt[1]["message"]) == (
        400,
        "scope is no parameter here: there are FriendlyName, Scope",
    )
    assert renamed["friendly_name"] == "other"
    assert (await Asker(shared.url, key["sid"], key["secret"]).ask("GET", "/v1/Sinks"))[0] == 403
    assert (await own.ask("DELETE", f"/v1/Keys/{key['sid']}"))[0] == 204


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/2010-04-01/Accounts/{sid}/Keys.json", {"Scope": "read"}),
        ("/2010-04-01/Accounts.json", {"FriendlyName": "tests"}),
        ("/2010-04-01/Accounts/{sid}.json", {"FriendlyName": "tests"}),
    ],
)
async def test_what_a_body_that_is_no_form_asks_for_is_not_passed_over(
    shared: Api, operator: Asker, path: str, body: dict[str, object]
) -> None:
    made = await operator.made(ACCOUNTS, FriendlyName="Acme")
    headers = {"Authorization": aiohttp.encode_basic_auth(made["sid"], made["auth_token"])}
    async with (
        aiohttp.ClientSession(shared.url, headers=headers) as session,
        session.post(path.format(sid=made["sid"]), json=body) as answer,
    ):
        assert (answer.status, (await answer.json())["code"]) == (415, 20415)


async def test_an_account_has_a_hundred_keys_at_most(
    shared: Api, operator: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control_api.accounts.keyring.MAX_KEYS", 2)
    made = await operator.made(ACCOUNTS, FriendlyName="Acme")
    path = f"{ACCOUNTS}/{made['sid']}/Keys"
    for _ in range(2):
        await operator.made(path)

    status, told = await operator.ask("POST", path)

    assert (status, told["code"]) == (400, 20001)
    assert "revoke some first" in told["message"]


# -- what a status does to deliveries --------------------------------------------------------------------------


async def test_while_an_account_is_suspended_its_events_wait_and_nobody_elses(settings: Settings) -> None:
    async with Receiver() as receiver, operated(settings) as api:
        house, operator = api.house, operator_of(api)
        suspended_sid = house.account_sid
        subscription = await house.subscribe(await house.add_sink(receiver.url))
        worker = await house.start(worker_for(load_plugin("webhook")))
        await house.hand_to(subscription, house.event(1))
        await receiver.wait_for(lambda: "EZ1" in receiver.accepted)
        waiting = house.event(2)

        await operator.made(f"{ACCOUNTS}/{suspended_sid}", Status="suspended")
        await eventually(lambda: paused(worker) == 1, what=lambda: "the sink's gate, paused")
        await house.hand_to(subscription, waiting)
        await house.new_account()
        other = await house.subscribe(await house.add_sink(receiver.url))
        await house.hand_to(other, house.event(3))
        await receiver.wait_for(lambda: "EZ3" in receiver.accepted)
        while_suspended = set(receiver.accepted)
        await operator.made(f"{ACCOUNTS}/{suspended_sid}", Status="active")
        await receiver.wait_for(lambda: "EZ2" in receiver.accepted)

    assert while_suspended == {"EZ1", "EZ3"}


def paused(worker: Process) -> float:
    return (
        worker.metrics.registry.get_sample_value("eventstreams_sinks", {"sink_type": "webhook", "state": "paused"})
        or 0.0
    )


async def test_closing_an_account_leaves_dead_letters_and_nothing_else(settings: Settings) -> None:
    async with Receiver(lambda _: 500) as receiver, operated(settings) as api:
        house, operator = api.house, operator_of(api)
        sink = await house.add_sink(receiver.url)
        subscription = await house.subscribe(sink)
        idle = await house.add_sink(receiver.url)
        key = await operator.made(f"{ACCOUNTS}/{house.account_sid}/Keys")
        await house.start(worker_for(load_plugin("webhook")))
        for number in range(3):
            await house.hand_to(subscription, house.event(number))
        await receiver.wait_for(lambda: len(receiver.received) > 0)

        closed = await operator.made(f"{ACCOUNTS}/{house.account_sid}", Status="closed")

        dead = await house.dead_of(subscription.sid, 3)
        snapshot = house.feed.snapshot
        await eventually(
            lambda: (
                not {sink.sid, idle.sid, subscription.sid, key["sid"]}
                & {*snapshot.sinks, *snapshot.subscriptions, *snapshot.keys}
            ),
            timeout_s=60,
            what=lambda: f"{snapshot.sinks} {snapshot.subscriptions} {snapshot.keys}",
        )
        again = await operator.ask("POST", f"{ACCOUNTS}/{house.account_sid}", Status="active")

    assert closed["status"] == "closed"
    assert {header(each, "ce_id") for each in dead} == {"EZ0", "EZ1", "EZ2"}
    assert {header(each, "es_reason") for each in dead} == {"subscription_deleted"}
    assert snapshot.accounts[house.account_sid].status is AccountStatus.CLOSED
    assert (again[0], again[1]["code"]) == (409, 20409)


async def test_an_account_that_was_closed_when_the_api_ended_is_taken_apart_by_the_next_one(settings: Settings) -> None:
    async with Installation(settings) as house:
        early = await house.add_sink("https://hooks.example.com/a")
        await house.put(replace(house.feed.snapshot.accounts[house.account_sid], status=AccountStatus.CLOSED))

        async with serving(settings):
            await eventually(lambda: early.sid not in house.feed.snapshot.sinks, what=lambda: "the sink gone")
            late = await house.add_sink("https://hooks.example.com/b")  # by a request that was under way
            await eventually(lambda: late.sid not in house.feed.snapshot.sinks, what=lambda: "the late one gone")


async def test_subaccounts_are_closed_with_their_owner(settings: Settings) -> None:
    async with operated(settings) as api:
        operator = operator_of(api)
        owner = await operator.made(ACCOUNTS, FriendlyName="Owner")
        sub = await operator.made(ACCOUNTS, FriendlyName="Sub", OwnerAccountSid=owner["sid"])
        as_sub = Asker(api.url, sub["sid"], sub["auth_token"])
        sink = await as_sub.made("/v1/Sinks", Description="d", SinkType="webhook", SinkConfiguration=HOOK)

        await operator.made(f"{ACCOUNTS}/{owner['sid']}", Status="closed")

        _, fetched = await operator.ask("GET", f"{ACCOUNTS}/{sub['sid']}")
        await eventually(lambda: sink["sid"] not in api.house.feed.snapshot.sinks, what=lambda: "the sink gone")
        assert fetched["status"] == "closed"
        assert (await as_sub.ask("GET", "/v1/Sinks"))[0] == 401


async def test_deliveries_are_signed_with_the_earlier_token_until_the_new_one_is_promoted(settings: Settings) -> None:
    async with Receiver() as receiver, operated(settings) as api:
        house, operator = api.house, operator_of(api)
        made = await operator.made(ACCOUNTS, FriendlyName="Acme")
        path = f"{ACCOUNTS}/{made['sid']}"
        house.account_sid = made["sid"]
        await house.feed.catch_up()
        subscription = await house.subscribe(await house.add_sink(receiver.url))
        await house.start(worker_for(load_plugin("webhook")))

        rotated = await operator.made(f"{path}/RotateToken", GraceSeconds="3600")
        await house.hand_to(subscription, house.event(1))
        await receiver.wait_for(lambda: "EZ1" in receiver.accepted)
        tokens = (made["auth_token"], rotated["auth_token"])
        during = signers(receiver.received[-1], tokens)
        await operator.made(f"{path}/PromoteToken")
        number = 2  # the worker learns of it a moment later
        while signers(receiver.received[-1], tokens) == during:
            await house.hand_to(subscription, house.event(number))
            await receiver.wait_for(partial(receiver.accepted.__contains__, f"EZ{number}"))
            number += 1

    assert during == [tokens[0]]
    assert signers(receiver.received[-1], tokens) == [tokens[1]]


# -- secrets at rest -------------------------------------------------------------------------------------------


async def test_secrets_are_encrypted_anew_beside_a_running_system_and_then_the_old_key_can_go(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control_api.accounts.relock._AT_ONCE", 3)
    assert settings.secret_key is not None
    old, new = settings.secret_key.get_secret_value(), new_key()
    both = settings.model_copy(update={"secret_key": SecretStr(f"{new},{old}")})
    only_new = settings.model_copy(update={"secret_key": SecretStr(new)})
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(Installation(settings))
        for _ in range(10):
            sink = await house.add_sink("https://hooks.example.com/a")
            await house.put(replace(sink, test_id=house.vault.lock("the id in its test event")))
        async with serving(with_operator(both)) as url:
            api = Api(house, url)
            busy = asyncio.create_task(write_until_cancelled(api))
            first = await command(api, upkeep_cli.rotate_secrets)
            second = await command(api, upkeep_cli.rotate_secrets)
            busy.cancel()
            written = (await asyncio.gather(busy, return_exceptions=True))[0]
            await house.feed.catch_up()
        sinks = house.feed.snapshot.sinks.values()
        secrets = [each for sink in sinks for each in (sink.configuration, sink.test_id) if each is not None]
        async with serving(only_new) as url:
            listed = await Asker(url, house.account_sid, TOKEN).all("/v1/Sinks", "sinks")

    assert isinstance(written, asyncio.CancelledError)
    assert "all secrets are under the first key now" in first.output
    assert second.output.startswith("0 records encrypted anew")
    assert all(Vault(only_new).is_current(each) for each in secrets)
    assert len(listed) >= 10
    assert len(secrets) >= len(listed) + 10
    assert {each["description"] for each in listed} >= {"of the test"}


async def write_until_cancelled(api: Api) -> None:
    """Somebody who makes sinks and changes them meanwhile."""
    asker = Asker(api.url, api.house.account_sid, TOKEN)
    while True:
        sink = await asker.made("/v1/Sinks", Description="busy", SinkType="webhook", SinkConfiguration=HOOK)
        await asker.made(f"/v1/Sinks/{sink['sid']}/Delivery", Paused="true")
        assert (await asker.ask("DELETE", f"/v1/Sinks/{sink['sid']}"))[0] == 204


# -- commands --------------------------------------------------------------------------------------------------


async def test_commands_make_show_list_suspend_resume_and_close_accounts(shared: Api) -> None:
    group = accounts_cli.accounts
    made = await command(shared, group, "create", "Acme Ltd", "-o", "json")
    account = json.loads(made.stdout)

    shown = await command(shared, group, "show", account["sid"])
    sub = await command(shared, group, "create", "Sub", "--owner", account["sid"])
    listed = await command(shared, group, "list", "--owner", account["sid"])
    suspended = await command(shared, group, "suspend", account["sid"], "-o", "json")
    resumed = await command(shared, group, "resume", account["sid"], "-o", "json")
    closed = await command(shared, group, "close", account["sid"], "--yes", "-o", "json")

    assert len(account["auth_token"]) == 32
    assert "Acme Ltd" in shown.output
    assert account["auth_token"] not in shown.output + listed.output + suspended.output
    assert "auth_token" in sub.output
    assert "it is not shown again" in sub.output
    assert "Sub" in listed.output
    assert "Acme Ltd" not in listed.output
    states = [json.loads(each.stdout)["status"] for each in (suspended, resumed, closed)]
    assert states == ["suspended", "active", "closed"]


async def test_close_asks_first(shared: Api) -> None:
    made = json.loads((await command(shared, accounts_cli.accounts, "create", "Acme", "-o", "json")).stdout)

    asked = await command(shared, accounts_cli.accounts, "close", made["sid"], code=1)
    shown = json.loads((await command(shared, accounts_cli.accounts, "show", made["sid"], "-o", "json")).stdout)

    assert "for good?" in asked.output
    assert shown["status"] == "active"


async def test_commands_rotate_and_promote_tokens(shared: Api) -> None:
    made = json.loads((await command(shared, accounts_cli.accounts, "create", "Acme", "-o", "json")).stdout)

    rotated = await command(shared, accounts_cli.accounts, "rotate-token", made["sid"], "--grace", "1h", "-o", "json")
    promoted = await command(shared, accounts_cli.accounts, "promote-token", made["sid"], "-o", "json")
    wrong = await command(shared, accounts_cli.accounts, "rotate-token", made["sid"], "--grace", "soon", code=2)

    token = json.loads(rotated.stdout)["auth_token"]
    assert json.loads(promoted.stdout)["rotating"] is False
    assert (await Asker(shared.url, made["sid"], token).ask("GET", "/v1/Sinks"))[0] == 200
    assert "30s or 4h" in wrong.output


async def test_commands_make_list_and_revoke_keys_for_the_operator_and_for_an_account(shared: Api) -> None:
    made = json.loads((await command(shared, accounts_cli.accounts, "create", "Acme", "-o", "json")).stdout)
    of = ("--account", made["sid"])
    own = {"EVENTSTREAMS_ACCOUNT_SID": made["sid"], "EVENTSTREAMS_AUTH_TOKEN": made["auth_token"]}

    key = json.loads((await command(shared, accounts_cli.keys, "create", *of, "--name", "k", "-o", "json")).stdout)
    mine = await command(shared, accounts_cli.keys, "create", "--scope", "publish", "-o", "json", env=own)
    listed = await command(shared, accounts_cli.keys, "list", env=own)
    revoked = await command(shared, accounts_cli.keys, "revoke", key["sid"], *of)
    left = await command(shared, accounts_cli.keys, "list", *of, "-o", "json")

    own_key = json.loads(mine.stdout)
    assert own_key["scope"] == "publish"
    assert key["sid"] in listed.output
    assert own_key["sid"] in listed.output
    assert key["secret"] not in listed.output + left.output
    assert "revoked" in revoked.output
    assert [each["sid"] for each in json.loads(left.stdout)] == [own_key["sid"]]


async def test_commands_say_what_is_missing(shared: Api) -> None:
    without = await command(shared, accounts_cli.accounts, "list", env={"EVENTSTREAMS_OPERATOR_TOKEN": ""}, code=1)
    wrong = await command(shared, accounts_cli.accounts, "list", env={"EVENTSTREAMS_OPERATOR_TOKEN": "x" * 16}, code=1)

    assert "OPERATOR_TOKEN" in str(without.exception)
    assert "Authenticate with HTTP Basic" in str(wrong.exception)


async def command(
    api: Api, group: Command, *arguments: str, env: dict[str, str] | None = None, code: int = 0
) -> Result:
    """Run a command against the API as a person does, beside it."""
    given = {"EVENTSTREAMS_PUBLIC_URL": api.url, "EVENTSTREAMS_OPERATOR_TOKEN": OPERATOR_TOKEN, **(env or {})}
    result = await asyncio.to_thread(CliRunner(env=given).invoke, group, arguments)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def signers(received: Received, tokens: Sequence[str]) -> list[str]:
    """Which of ``tokens`` a delivery is signed with."""
    signature, body = received.headers["X-Twilio-Signature"], received.body.decode()
    return [each for each in tokens if RequestValidator(each).validate(received.url, body, signature)]
