"""Sessions of people who have signed in: an encrypted cookie, and the CSRF token of forms.

A session consists of the given credentials, encrypted with the installation's key, and an expiry time. Each page calls
the API with these credentials, which checks them. So a session needs no memory in any process, every replica knows it,
and it ends with its credentials: when a token is rotated, a key deleted, or an account suspended or closed.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import aiohttp
import orjson
from aiohttp import web
from pydantic import TypeAdapter

from control_api.accounts.operator import USER
from eventstreams.control.vault import Purpose, Vault
from eventstreams.errors import SettingsError
from eventstreams.times import Clock

LASTS: Final = timedelta(hours=12)  # a working day
_COOKIE: Final = "eventstreams-console"
_MILLISECOND: Final = timedelta(milliseconds=1)
_OWNER: Final = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session of somebody who may not have signed in yet.

    Attributes:
        csrf: The token in each form of the session's pages, which other sites do not know.
        ends_ms: When it expires, in ms since the epoch.
        authorization: The header for requests to the API; empty if nobody has signed in.
        sid: The SID of the account or key that signed in, or ``operator``; empty if nobody has.
        account_sid: The account; empty for the operator.
        account_name: The account's friendly name.
    """

    csrf: str = field(repr=False)
    ends_ms: int
    authorization: str = field(default="", repr=False)
    sid: str = ""
    account_sid: str = ""
    account_name: str = ""

    @property
    def is_account(self) -> bool:
        return bool(self.authorization) and self.sid != USER

    @property
    def is_operator(self) -> bool:
        return self.sid == USER

    def is_own(self, csrf: str) -> bool:
        """Whether a form with the token ``csrf`` came from a page of this session."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode(errors="replace"))


_SESSION: Final = TypeAdapter(Session)


@dataclass(frozen=True, slots=True)
class Sessions:
    """Creates sessions, and reads and writes their cookies.

    Attributes:
        vault: Encrypts the cookies.
        clock: The current time, in ms since the epoch.
        https: Whether people reach the API by https, even if the API does not speak it itself.
    """

    vault: Vault
    clock: Clock
    https: bool = False

    def begin(self) -> Session:
        """A session in which nobody has signed in yet, for the sign-in form."""
        return Session(csrf=secrets.token_urlsafe(16), ends_ms=self._end_ms())

    def sign_in(self, user: str, password: str, *, account_sid: str, account_name: str) -> Session:
        return Session(
            csrf=secrets.token_urlsafe(16),
            ends_ms=self._end_ms(),
            authorization=basic(user, password),
            sid=user,
            account_sid=account_sid,
            account_name=account_name,
        )

    def of(self, request: web.Request) -> Session | None:
        """The session of ``request``; None if it has none or an expired one."""
        sealed = request.cookies.get(self._name(request))
        if not sealed:
            return None
        try:
            found = _SESSION.validate_json(self.vault.unlock(sealed, Purpose.SESSION, _OWNER))
        except (SettingsError, ValueError):  # of another installation or an older release
            return None
        return found if found.ends_ms > self.clock() else None

    def keep(self, request: web.Request, answer: web.StreamResponse, session: Session) -> None:
        """Set the cookie, so that the browser sends ``session`` from now on."""
        answer.set_cookie(
            self._name(request),
            self.vault.lock(orjson.dumps(session).decode(), Purpose.SESSION, _OWNER),
            max_age=max(session.ends_ms - self.clock(), 0) // 1000,
            path="/",
            httponly=True,
            secure=self._is_https(request),
            samesite="Lax",
        )

    def end(self, request: web.Request, answer: web.StreamResponse) -> None:
        """Delete the cookie."""
        answer.del_cookie(self._name(request), path="/", httponly=True, secure=self._is_https(request), samesite="Lax")

    def _end_ms(self) -> int:
        return self.clock() + LASTS // _MILLISECOND

    def _is_https(self, request: web.Request) -> bool:
        return self.https or request.secure or request.headers.get("X-Forwarded-Proto") == "https"

    def _name(self, request: web.Request) -> str:
        """The cookie's name. With https, browsers let no other host, and nothing without https, set this name."""
        return f"__Host-{_COOKIE}" if self._is_https(request) else _COOKIE


def basic(user: str, password: str) -> str:
    """The Authorization header for ``user``."""
    return aiohttp.encode_basic_auth(user, password)
