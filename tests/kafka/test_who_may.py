"""Who may do what: every operation of the API, taken from its routes, asked with every kind of credentials."""

import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from control_api.guards import PREFIXES
from eventstreams.control.records import Account, AccountStatus, ApiKey, KeyScope
from eventstreams.control.vault import Purpose
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.times import now_ms
from tests.support.api import serving
from tests.support.fuzzing import Request, send
from tests.support.installation import TOKEN, Installation
from tests.support.operator import OPERATOR_TOKEN, with_operator
from tests.support.routes import routes

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]

OPERATIONS = sorted(routes())
SHOWS_A_SECRET = "/v1/Sinks/{sid}/SigningSecret"
OPERATOR = ("operator", OPERATOR_TOKEN)
LET_IN = range(200, 600)


@dataclass(frozen=True)
class World:
    """A running API, and credentials by what they are."""

    url: str
    credentials: dict[str, tuple[str, str]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(module_settings: Settings) -> AsyncIterator[World]:
    settings = with_operator(module_settings).model_copy(update={"api_rate_limit": 0.0})
    async with Installation(settings) as installation:
        own = installation.account_sid
        accounts = {
            "suspended": await account(installation, status=AccountStatus.SUSPENDED),
            "closed": await account(installation, status=AccountStatus.CLOSED),
            "another": await account(installation, token="token-of-another"),
        }
        of_suspended_owner = await account(installation, owner=accounts["suspended"])
        keys = {f"{scope}": await api_key(installation, own, scope) for scope in KeyScope}
        revoked = await api_key(installation, own, KeyScope.FULL)
        await installation.remove(revoked)
        async with serving(settings) as url:
            yield World(
                url,
                {
                    "no such account": (new_sid(SidKind.ACCOUNT), TOKEN),
                    "a wrong token": (own, "wrong"),
                    "an empty token": (own, ""),
                    "the token of another account": (own, "token-of-another"),
                    "a suspended account": (accounts["suspended"], TOKEN),
                    "a closed account": (accounts["closed"], TOKEN),
                    "a subaccount of a suspended account": (of_suspended_owner, TOKEN),
                    "a revoked key": (revoked, TOKEN),
                    "a key with the account's token": (keys["full"], "token-of-another"),
                    "an account with its key's secret": (own, "secret-of-a-key"),
                    "the operator's name": ("operator", TOKEN),
                    "the operator's token": (own, OPERATOR_TOKEN),
                    "the operator": OPERATOR,
                    "a key to read": (keys["read"], "secret-of-a-key"),
                    "a key to publish": (keys["publish"], "secret-of-a-key"),
                },
            )


async def account(
    installation: Installation,
    *,
    owner: str | None = None,
    token: str = TOKEN,
    status: AccountStatus = AccountStatus.ACTIVE,
) -> str:
    sid, now = new_sid(SidKind.ACCOUNT), now_ms()
    locked = installation.vault.lock(token, Purpose.AUTH_TOKEN, sid)
    made = Account(sid=sid, friendly_name="a", auth_token=locked, created_ms=now, updated_ms=now)
    await installation.put(replace(made, status=status, owner_account_sid=owner))
    return sid


async def api_key(installation: Installation, account_sid: str, scope: KeyScope) -> str:
    sid, now = new_sid(SidKind.API_KEY), now_ms()
    digest = hashlib.sha256(b"secret-of-a-key").hexdigest()
    await installation.put(
        ApiKey(
            sid=sid,
            account_sid=account_sid,
            friendly_name="k",
            scope=scope,
            secret_hash=digest,
            created_ms=now,
            updated_ms=now,
        )
    )
    return sid


def path_of(template: str) -> str:
    """A path of the operation in which nothing is there: what is let in is not found, or lacks a parameter."""
    return re.sub(r"{(\w+)}", lambda found: "AC" + "0" * 32 if found[1] == "account_sid" else "DG" + "0" * 32, template)


def expected(method: str, path: str, who: str) -> set[int]:
    """The statuses that are right; ``LET_IN`` but for refusals of who asks, where it may."""
    of_account, of_operator = path.startswith(PREFIXES), path.startswith("/operator/")
    if not of_account and not of_operator:
        return set(LET_IN) - {401}  # for anybody; /replica asks for a proof of its own
    if of_operator:
        return set(LET_IN) - {401, 403} if who == "the operator" else {401}
    match who:
        case "a key to read":
            may = method == "GET" and path != SHOWS_A_SECRET
            return set(LET_IN) - {401, 403} if may else {403}
        case "a key to publish":
            return {403}
        case _:
            return {401}


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=" ".join)
async def test_an_operation_is_open_to_whom_it_should_be_and_to_nobody_else(
    world: World, method: str, path: str
) -> None:
    wrong = {}
    for who, auth in world.credentials.items():
        status = (await send(world.url, auth, Request(method, path_of(path)))).status
        slowed = status == 429 and expected(method, path, who) == {401}  # after ten wrong ones
        if status not in expected(method, path, who) and not slowed:
            wrong[who] = status

    assert wrong == {}


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=" ".join)
async def test_without_credentials_only_what_is_for_anybody_is_answered(world: World, method: str, path: str) -> None:
    of_somebody = path.startswith((*PREFIXES, "/operator/"))
    for given in ([], ["Bearer x"], ["Basic !!!"], ["Basic"], ["Negotiate YII="], [""]):
        headers = [("Authorization", each) for each in given]
        status = (await send(world.url, None, Request(method, path_of(path), headers=headers))).status

        assert (status in {401, 429}) if of_somebody else (status not in {401, 500}), given
