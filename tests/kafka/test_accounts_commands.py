"""``eventstreams accounts``: what the commands do and say."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from control_api.commands import accounts as accounts_cli
from eventstreams.settings import Settings
from tests.support.api import Api
from tests.support.operator import Asker, command, operated, operator_of

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings) -> AsyncIterator[Api]:
    async with operated(module_settings) as api:
        yield api


@pytest_asyncio.fixture(loop_scope="module")
async def operator(shared: Api) -> Asker:
    return operator_of(shared)


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

    assert "permanently?" in asked.output
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
