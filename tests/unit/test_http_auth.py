"""HTTP Basic authentication against the control snapshot."""

import base64
from dataclasses import replace

import pytest
from aiohttp import encode_basic_auth, web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from eventstreams.control.records import Account, encode, key_of
from eventstreams.control.snapshot import Snapshot
from eventstreams.control.vault import Vault, new_key
from eventstreams.errors import SettingsError
from eventstreams.http import ACCOUNT, Authenticator, answer_errors, require_account
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings

SID = "AC" + "1" * 32
OTHER_SID = "AC" + "2" * 32
TOKEN = "päss:word"  # a colon and a letter beyond ASCII: both are allowed in a password
VAULT = Vault(Settings.load(secret_key=new_key()))


def account(*, sid: str = SID, token: str = TOKEN, vault: Vault = VAULT) -> Account:
    return Account(sid=sid, friendly_name="a", auth_token=vault.lock(token), created_ms=1, updated_ms=1)


def snapshot_of(*accounts: Account) -> Snapshot:
    snapshot = Snapshot()
    for each in accounts:
        put(snapshot, each)
    return snapshot


def put(snapshot: Snapshot, each: Account) -> None:
    snapshot.apply(Record("es.control", 0, 0, key_of(each.sid), encode(each), (), 1))


def basic(sid: str, token: str) -> str:
    return encode_basic_auth(sid, token, "utf-8")


def test_sid_and_token_prove_the_account() -> None:
    wanted = account()
    authenticator = Authenticator(snapshot_of(wanted, account(sid=OTHER_SID, token="another")), VAULT)

    assert authenticator.authenticate(basic(SID, TOKEN)) == wanted
    assert authenticator.authenticate(basic(SID, TOKEN)) == wanted


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param(None, id="no header"),
        pytest.param("", id="empty"),
        pytest.param("Basic", id="scheme alone"),
        pytest.param("Bearer abc", id="another scheme"),
        pytest.param("Basic !!!", id="not base64"),
        pytest.param("Basic " + base64.b64encode(SID.encode()).decode(), id="no colon"),
        pytest.param("Basic " + base64.b64encode(b"\xff:x").decode(), id="not UTF-8"),
        pytest.param(basic(SID, "wrong"), id="wrong token"),
        pytest.param(basic(SID, ""), id="no token"),
        pytest.param(basic(OTHER_SID, TOKEN), id="unknown account"),
        pytest.param(basic(OTHER_SID, ""), id="unknown account without a token"),
        pytest.param(basic("", ""), id="nothing"),
    ],
)
def test_anything_else_proves_nothing(authorization: str | None) -> None:
    authenticator = Authenticator(snapshot_of(account()), VAULT)

    assert authenticator.authenticate(authorization) is None


@given(st.one_of(st.text(), st.binary().map(lambda raw: "Basic " + base64.b64encode(raw).decode())))
def test_no_header_makes_it_raise(authorization: str) -> None:
    authenticator = Authenticator(snapshot_of(account()), VAULT)

    assert authenticator.authenticate(authorization) is None


def test_a_changed_token_counts_at_once() -> None:
    snapshot = snapshot_of(account())
    authenticator = Authenticator(snapshot, VAULT)
    assert authenticator.authenticate(basic(SID, TOKEN)) is not None

    put(snapshot, replace(account(token="new"), updated_ms=2))

    assert authenticator.authenticate(basic(SID, TOKEN)) is None
    assert authenticator.authenticate(basic(SID, "new")) is not None


def test_a_removed_account_is_unknown_at_once() -> None:
    snapshot = snapshot_of(account())
    authenticator = Authenticator(snapshot, VAULT)
    assert authenticator.authenticate(basic(SID, TOKEN)) is not None

    snapshot.apply(Record("es.control", 0, 1, key_of(SID), b"", (), 2))

    assert authenticator.authenticate(basic(SID, TOKEN)) is None


def test_a_token_under_another_key_is_the_operators_matter() -> None:
    elsewhere = Vault(Settings.load(secret_key=new_key()))
    authenticator = Authenticator(snapshot_of(account(vault=elsewhere)), VAULT)

    with pytest.raises(SettingsError, match="EVENTSTREAMS_SECRET_KEY"):
        authenticator.authenticate(basic(SID, TOKEN))


async def test_the_middleware_guards_its_prefix_and_nothing_else() -> None:
    async def who(request: web.Request) -> web.Response:
        return web.Response(text=request[ACCOUNT].sid)

    async def anybody(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    authenticator = Authenticator(snapshot_of(account()), VAULT)
    app = web.Application(middlewares=[answer_errors, require_account(authenticator)])
    app.router.add_get("/v1/Who", who)
    app.router.add_get("/livez", anybody)
    async with TestClient(TestServer(app)) as client:
        known = await client.get("/v1/Who", headers={"Authorization": basic(SID, TOKEN)})
        unknown = await client.get("/v1/Who", headers={"Authorization": basic(SID, "wrong")})
        nowhere = await client.get("/v1/Nowhere")
        live = await client.get("/livez")

        assert (known.status, await known.text()) == (200, SID)
        assert (unknown.status, (await unknown.json())["code"]) == (401, 20003)
        assert unknown.headers["WWW-Authenticate"].startswith("Basic ")
        assert nowhere.status == 401
        assert live.status == 200
