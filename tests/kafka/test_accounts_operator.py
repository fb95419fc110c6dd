"""The operator's API: accounts and keys made, listed and changed, and nobody else let in."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from tests.support.api import Api, serving
from tests.support.installation import TOKEN, Installation
from tests.support.operator import OPERATOR_TOKEN, Asker, operated, operator_of

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]
ACCOUNTS = "/operator/v1/Accounts"


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
    assert (malformed[0], malformed[1]["message"]) == (400, "Sid is malformed: it must be AC and 32 hexadecimal digits")


async def test_accounts_are_listed_with_filters(shared: Api, operator: Asker) -> None:
    owner = await operator.made(ACCOUNTS, FriendlyName="Owner")
    sub = await operator.made(ACCOUNTS, FriendlyName="Sub", OwnerAccountSid=owner["sid"])
    await operator.made(f"{ACCOUNTS}/{sub['sid']}", Status="suspended")

    by_owner = await operator.all(ACCOUNTS, "accounts", OwnerAccountSid=owner["sid"])
    suspended = await operator.all(ACCOUNTS, "accounts", Status="suspended", PageSize="1")
    by_name = await operator.all(ACCOUNTS, "accounts", FriendlyName="Owner")
    malformed = await operator.ask("GET", ACCOUNTS, OwnerAccountSid="AC1")

    assert (malformed[0], malformed[1]["message"][:28]) == (400, "OwnerAccountSid is malformed")
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
    as_account = await Asker(shared.url, shared.installation.account_sid, TOKEN).ask("GET", ACCOUNTS)
    as_operator = await operator.ask("GET", "/v1/Sinks")

    assert (as_account[0], as_operator[0]) == (401, 401)


async def test_without_a_token_in_the_settings_it_is_off_and_says_how_to_turn_it_on(settings: Settings) -> None:
    async with Installation(settings) as installation, serving(settings) as url:
        status, told = await operator_of(Api(installation, url)).ask("POST", ACCOUNTS, FriendlyName="Acme")

    assert (status, told["code"]) == (403, 20403)
    assert "EVENTSTREAMS_OPERATOR_TOKEN" in told["message"]


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
        "scope is not a parameter of this operation: it has FriendlyName, Scope",
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
