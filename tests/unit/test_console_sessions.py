"""Sessions of the console: sealed, of one installation, and over in time."""

from http.cookies import SimpleCookie

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from pydantic import SecretStr

from control_api.console.session import LASTS, Session, Sessions
from eventstreams.control.vault import Purpose, Vault, new_key
from eventstreams.settings import Settings

TOKEN = "a-token-of-somebody"


class Clock:
    """Stands still until it is set."""

    now_ms = 1_774_756_800_000

    def __call__(self) -> int:
        return self.now_ms


def _vault() -> Vault:
    return Vault(Settings(secret_key=SecretStr(new_key())))


def _sessions(vault: Vault, clock: Clock, *, https: bool = False) -> Sessions:
    return Sessions(vault, clock, https=https)


def _sign_in(sessions: Sessions) -> Session:
    return sessions.sign_in("AC1", TOKEN, account_sid="AC1", account_name="Acme")


def _cookie(sessions: Sessions, session: Session) -> SimpleCookie:
    answer = web.Response()
    sessions.keep(make_mocked_request("GET", "/"), answer, session)
    return answer.cookies


def _with(cookie: SimpleCookie) -> web.Request:
    value = "; ".join(f"{name}={each.value}" for name, each in cookie.items())
    return make_mocked_request("GET", "/", headers={"Cookie": value})


def test_every_process_with_the_key_knows_a_session_and_no_other_does() -> None:
    vault, clock = _vault(), Clock()
    session = _sign_in(_sessions(vault, clock))
    cookie = _cookie(_sessions(vault, clock), session)

    assert _sessions(vault, clock).of(_with(cookie)) == session
    assert _sessions(_vault(), clock).of(_with(cookie)) is None


def test_a_cookie_shows_nothing_of_what_was_typed_in() -> None:
    vault, clock = _vault(), Clock()
    session = _sign_in(_sessions(vault, clock))

    (morsel,) = _cookie(_sessions(vault, clock), session).values()

    assert not [each for each in (TOKEN, "AC1", session.csrf, "Acme") if each in morsel.value]
    assert TOKEN not in repr(session)
    assert session.csrf not in repr(session)


def test_a_session_is_over_after_its_time_whatever_the_browser_keeps() -> None:
    vault, clock = _vault(), Clock()
    sessions = _sessions(vault, clock)
    request = _with(_cookie(sessions, _sign_in(sessions)))
    assert sessions.of(request) is not None

    clock.now_ms += int(LASTS.total_seconds() * 1000)

    assert sessions.of(request) is None


@pytest.mark.parametrize("purpose", [each for each in Purpose if each is not Purpose.SESSION])
def test_what_was_sealed_for_something_else_is_no_session(purpose: Purpose) -> None:
    vault, clock = _vault(), Clock()
    sessions = _sessions(vault, clock)
    text = '{"csrf": "x", "ends_ms": 9999999999999, "authorization": "Basic x", "sid": "operator"}'

    cookie = SimpleCookie({"eventstreams-console": vault.lock(text, purpose, "")})

    assert sessions.of(_with(cookie)) is None


@pytest.mark.parametrize("value", ["", "x", "gAAAAA", "é"])
def test_what_is_no_cookie_of_ours_is_no_session(value: str) -> None:
    request = make_mocked_request("GET", "/", headers={"Cookie": f"eventstreams-console={value}"})

    assert _sessions(_vault(), Clock()).of(request) is None


def test_with_https_a_cookie_without_it_counts_for_nothing() -> None:
    vault, clock = _vault(), Clock()
    plain = _cookie(_sessions(vault, clock), _sign_in(_sessions(vault, clock)))

    assert _sessions(vault, clock, https=True).of(_with(plain)) is None
