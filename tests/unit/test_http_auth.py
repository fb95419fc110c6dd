"""HTTP Basic authentication against the control snapshot."""

import base64
import hashlib
import hmac
from dataclasses import replace

import pytest
from aiohttp import encode_basic_auth, web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from eventstreams.control.records import Account, AccountStatus, ApiKey, KeyScope, Resource, encode, key_of
from eventstreams.control.snapshot import Snapshot
from eventstreams.control.vault import Purpose, Vault, new_key
from eventstreams.errors import SettingsError
from eventstreams.http import ACCOUNT, Authenticator, Caller, answer_errors, require_account
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings

SID = "AC" + "1" * 32
OTHER_SID = "AC" + "2" * 32
KEY_SID = "SK" + "3" * 32
SECRET = "secret-of-the-key"
TOKEN = "päss:word"  # a colon and a letter beyond ASCII: both are allowed in a password
VAULT = Vault(Settings.load(secret_key=new_key()))


def account(*, sid: str = SID, token: str = TOKEN, vault: Vault = VAULT) -> Account:
    locked = vault.lock(token, Purpose.AUTH_TOKEN, sid)
    return Account(sid=sid, friendly_name="a", auth_token=locked, created_ms=1, updated_ms=1)


def snapshot_of(*accounts: Account) -> Snapshot:
    snapshot = Snapshot()
    for each in accounts:
        put(snapshot, each)
    return snapshot


def put(snapshot: Snapshot, each: Resource) -> None:
    snapshot.apply(Record("es.control", 0, 0, key_of(each.sid), encode(each), (), 1))


def api_key(*, scope: KeyScope = KeyScope.FULL, secret: str = SECRET) -> ApiKey:
    return ApiKey(
        sid=KEY_SID,
        account_sid=SID,
        friendly_name="k",
        scope=scope,
        secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
        created_ms=1,
        updated_ms=1,
    )


def basic(sid: str, token: str) -> str:
    return encode_basic_auth(sid, token, "utf-8")


def test_sid_and_token_prove_the_account() -> None:
    wanted = account()
    authenticator = Authenticator(snapshot_of(wanted, account(sid=OTHER_SID, token="another")), VAULT)

    assert authenticator.authenticate(basic(SID, TOKEN)) == Caller(wanted)
    assert authenticator.authenticate(basic(SID, TOKEN)) == Caller(wanted)


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


def test_as_much_is_compared_whatever_is_known_and_however_much_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = snapshot_of(account())
    put(snapshot, api_key())
    authenticator = Authenticator(snapshot, VAULT)
    compared: list[tuple[int, int]] = []

    def compare(given: bytes, wanted: bytes) -> bool:
        compared.append((len(given), len(wanted)))
        return given == wanted

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for name, secret in (
        (SID, TOKEN),
        (SID, TOKEN[:-1] + "x"),
        (SID, ""),
        (SID, "x" * 10_000),
        (KEY_SID, SECRET),
        (KEY_SID, "x"),
        (OTHER_SID, TOKEN),
    ):
        compared.clear()
        authenticator.authenticate(basic(name, secret))

        assert compared == [(64, 64)] * 2, name


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


def test_of_accounts_that_were_forgotten_nothing_is_kept() -> None:
    sids = [f"AC{number:032}" for number in range(20)]
    snapshot = snapshot_of(account())
    authenticator = Authenticator(snapshot, VAULT)

    for sid in sids:
        put(snapshot, account(sid=sid))
        assert authenticator.authenticate(basic(sid, TOKEN)) is not None
        snapshot.apply(Record("es.control", 0, 0, key_of(sid), b"", (), 1))

    assert len(authenticator._digests) <= 2  # the last one goes when the next one comes


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


def test_an_api_key_proves_its_account_and_not_with_the_accounts_token() -> None:
    snapshot = snapshot_of(account())
    put(snapshot, api_key())
    authenticator = Authenticator(snapshot, VAULT)

    assert authenticator.authenticate(basic(KEY_SID, SECRET)) == Caller(account=snapshot.accounts[SID], key=api_key())
    assert authenticator.authenticate(basic(KEY_SID, TOKEN)) is None
    assert authenticator.authenticate(basic(SID, SECRET)) is None


def test_a_revoked_key_is_unknown_at_once() -> None:
    snapshot = snapshot_of(account())
    put(snapshot, api_key())
    authenticator = Authenticator(snapshot, VAULT)
    assert authenticator.authenticate(basic(KEY_SID, SECRET)) is not None

    snapshot.apply(Record("es.control", 0, 1, key_of(KEY_SID), b"", (), 2))

    assert authenticator.authenticate(basic(KEY_SID, SECRET)) is None


def test_during_a_rotation_both_tokens_count_and_after_it_the_new_one_alone() -> None:
    now = [1_000]
    snapshot = snapshot_of(
        replace(account(), secondary_token=VAULT.lock("new", Purpose.AUTH_TOKEN, SID), promote_at_ms=2_000)
    )
    authenticator = Authenticator(snapshot, VAULT, lambda: now[0])

    during = [authenticator.authenticate(basic(SID, each)) is not None for each in (TOKEN, "new")]
    now[0] = 2_000
    after = [authenticator.authenticate(basic(SID, each)) is not None for each in (TOKEN, "new")]

    assert during == [True, True]
    assert after == [False, True]


@pytest.mark.parametrize(
    ("scope", "method", "status"),
    [
        (KeyScope.FULL, "GET", 200),
        (KeyScope.FULL, "POST", 200),
        (KeyScope.READ, "GET", 200),
        (KeyScope.READ, "POST", 403),
        (KeyScope.PUBLISH, "GET", 403),
        (KeyScope.PUBLISH, "POST", 403),
    ],
)
async def test_an_api_takes_of_a_key_what_its_scope_allows(scope: KeyScope, method: str, status: int) -> None:
    snapshot = snapshot_of(account())
    put(snapshot, api_key(scope=scope))
    async with TestClient(TestServer(guarded(snapshot))) as client:
        answer = await client.request(method, "/v1/Who", headers={"Authorization": basic(KEY_SID, SECRET)})

        assert answer.status == status
        if status == 403:
            told = await answer.json()
            assert told["code"] == 20403
            assert f"has the scope {scope}" in told["message"]
            assert SECRET not in str(told)


@pytest.mark.parametrize("status", [AccountStatus.SUSPENDED, AccountStatus.CLOSED])
async def test_nobody_acts_as_an_account_that_is_not_active_nor_as_a_part_of_one(status: AccountStatus) -> None:
    snapshot = snapshot_of(replace(account(), status=status), replace(account(sid=OTHER_SID), owner_account_sid=SID))
    async with TestClient(TestServer(guarded(snapshot))) as client:
        for sid in (SID, OTHER_SID):
            answer = await client.get("/v1/Who", headers={"Authorization": basic(sid, TOKEN)})

            told = await answer.json()
            assert (answer.status, told["code"]) == (401, 20003)
            assert f"is {status}" in told["message"]


async def test_after_ten_wrong_tokens_no_more_are_looked_at_for_a_while_and_others_are_not_held_up() -> None:
    snapshot = snapshot_of(account(), account(sid=OTHER_SID))
    async with TestClient(TestServer(guarded(snapshot))) as client:
        wrong = [
            (await client.get("/v1/Who", headers={"Authorization": basic(SID, "wrong")})).status for _ in range(11)
        ]
        right = await client.get("/v1/Who", headers={"Authorization": basic(SID, TOKEN)})
        other = await client.get("/v1/Who", headers={"Authorization": basic(OTHER_SID, TOKEN)})

        assert wrong == [401] * 10 + [429]
        assert (right.status, (await right.json())["code"]) == (429, 20429)
        assert 0 < int(right.headers["Retry-After"]) <= 10
        assert other.status == 200


async def test_whoever_was_let_in_before_is_locked_out_by_nobody() -> None:
    snapshot = snapshot_of(account())
    async with TestClient(TestServer(guarded(snapshot))) as client:

        async def ask(token: str) -> int:
            return (await client.get("/v1/Who", headers={"Authorization": basic(SID, token)})).status

        assert await ask(TOKEN) == 200
        assert [await ask("wrong") for _ in range(11)] == [401] * 10 + [429]
        assert await ask(TOKEN) == 200

        put(snapshot, account(token="another"))
        assert await ask(TOKEN) == 401
        assert await ask(TOKEN) == 429


def guarded(snapshot: Snapshot) -> web.Application:
    async def who(request: web.Request) -> web.Response:
        return web.Response(text=request[ACCOUNT].sid)

    app = web.Application(middlewares=[answer_errors, require_account(Authenticator(snapshot, VAULT))])
    app.router.add_route("*", "/v1/Who", who)
    return app


@pytest.mark.parametrize("path", ["/v1/Who", "/%761/Who", "/v1/%57ho", "/v1//Who", "/v1/./Who", "/x/../v1/Who"])
async def test_no_spelling_of_a_path_gets_past(path: str) -> None:
    async with TestClient(TestServer(guarded(snapshot_of(account())))) as client:
        answer = await client.get(URL(path, encoded=True))

        assert answer.status in {401, 404}
