"""HTTP Basic authentication against the control snapshot: Account SID and auth token, or API key SID and secret."""

import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from eventstreams.control.records import Account, AccountStatus, ApiKey, KeyScope
from eventstreams.control.snapshot import Snapshot
from eventstreams.control.vault import Purpose, Vault
from eventstreams.http.client_address import ClientAddress
from eventstreams.http.errors import RefusedError
from eventstreams.http.limits import RateLimiter, too_often
from eventstreams.times import Clock, now_ms

_READING: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
_NOBODY: Final = bytes(64)  # compared with the secret if the name is unknown or there is no second token

# A person who mistypes is not held up; a program with a wrong token gets to try once in ten seconds. Counted by address
# and name, so that clients behind one address (a company's, or an untrusted proxy's) do not lock each other out.
_FAILURES_PER_S: Final = 0.1
_FAILURES_AT_ONCE: Final = 10
_MOST_FAILING: Final = 20_000  # 4 MiB
_NAME_BYTES: Final = 40  # a SID has 34


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request is authenticated as; without a ``key``, the account itself by an auth token."""

    account: Account
    key: ApiKey | None = None

    @property
    def sid(self) -> str:
        """The SID of the key, or else of the account."""
        return self.account.sid if self.key is None else self.key.sid

    @property
    def scope(self) -> KeyScope:
        return KeyScope.FULL if self.key is None else self.key.scope


ACCOUNT: Final = web.RequestKey("account", Account)
"""``request[ACCOUNT]`` is the authenticated account, once ``require_account`` let the request through."""
CALLER: Final = web.RequestKey("caller", Caller)
"""The authenticated account together with the credentials used."""

Needs = Callable[[web.Request], KeyScope]
"""Returns the scope that a request needs; ``full`` includes every other."""


def needs_read_or_full(request: web.Request) -> KeyScope:
    """For an API: reading needs ``read``, everything else ``full``."""
    return KeyScope.READ if request.method in _READING else KeyScope.FULL


class Authenticator:
    """Determines whose request it is. Changes of the snapshot take effect at once."""

    def __init__(self, snapshot: Snapshot, vault: Vault, clock: Clock = now_ms) -> None:
        self._snapshot = snapshot
        self._vault = vault
        self._clock = clock
        # Account SID to its encrypted tokens and the SHA-256 of each decrypted one, in hexadecimal: saves a decryption
        # (11 µs) on every request but the first. Never more entries than accounts.
        self._digests: dict[str, tuple[tuple[str, ...], tuple[bytes, bytes]]] = {}

    def authenticate(self, authorization: str | None) -> Caller | None:
        """Who the ``Authorization`` header authenticates; None if nobody. Does not check the account's status.

        The time taken reveals neither how much of a secret is right nor whether a name is known: every name costs one
        hash and two comparisons. (That an account exists is no secret: its SID is in its events.)

        Raises:
            SettingsError: the vault has no key for the account's token.
        """
        credentials = parse_basic(authorization)
        if credentials is None:
            return None
        name, secret = credentials
        key = self._snapshot.keys.get(name)
        account = self._snapshot.accounts.get(name if key is None else key.account_sid)
        if account is None:
            wanted = (_NOBODY, _NOBODY)
        elif key is None:
            wanted = self._digests_of(account)
        else:
            wanted = (key.secret_hash.encode(), _NOBODY)
        given = _hash(secret)
        matches = [hmac.compare_digest(given, each) for each in wanted]
        return Caller(account, key) if any(matches) and account is not None else None

    def status_of(self, account: Account) -> AccountStatus:
        """The effective status of ``account``: its own, or its owner's if that is worse."""
        return self._snapshot.status_of(account)

    def _digests_of(self, account: Account) -> tuple[bytes, bytes]:
        tokens = account.tokens(self._clock())
        known, digests = self._digests.get(account.sid, ((), (_NOBODY, _NOBODY)))
        if known != tokens:
            clear = [_hash(self._vault.unlock(token, Purpose.AUTH_TOKEN, account.sid).encode()) for token in tokens]
            digests = (clear[0], clear[1] if len(clear) > 1 else _NOBODY)
            self._digests[account.sid] = (tokens, digests)
            if len(self._digests) > len(self._snapshot.accounts):  # some accounts were removed
                self._digests = {sid: each for sid, each in self._digests.items() if sid in self._snapshot.accounts}
        return digests


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).hexdigest().encode()


class FailedAttempts:
    """Slows down guessing of credentials: after some wrong ones, no more are checked for a while.

    Credentials that were right before are exempt: names are no secret, so otherwise anybody behind the same proxy could
    lock their owner out.
    """

    def __init__(self, clients: ClientAddress | None = None) -> None:
        self._clients = clients or ClientAddress()
        self._limiter = RateLimiter(per_s=_FAILURES_PER_S, burst=_FAILURES_AT_ONCE, most_keys=_MOST_FAILING)
        self._were_right: OrderedDict[bytes, None] = OrderedDict()  # SHA-256 of the whole header

    def check(self, request: web.Request) -> None:
        """Raise ``RefusedError`` (429) if ``request`` comes too soon after failures, unless it was right before."""
        wait_s = self._limiter.wait_s(self._key(request)) if self._limiter else 0.0
        if wait_s > 0 and _fingerprint(request) not in self._were_right:
            raise too_often(
                "Too many attempts with wrong credentials: check the credentials before trying again", wait_s=wait_s
            )

    def failed(self, request: web.Request) -> None:
        """Take note that the credentials of ``request`` are wrong."""
        self._limiter.take(self._key(request))
        self._were_right.pop(_fingerprint(request), None)

    def succeeded(self, request: web.Request) -> None:
        """Take note that the credentials of ``request`` are right."""
        fingerprint = _fingerprint(request)
        self._were_right[fingerprint] = None
        self._were_right.move_to_end(fingerprint)
        if len(self._were_right) > _MOST_FAILING:
            self._were_right.popitem(last=False)

    def _key(self, request: web.Request) -> str:
        credentials = parse_basic(request.headers.get(hdrs.AUTHORIZATION))
        name = "" if credentials is None else credentials[0][:_NAME_BYTES]
        return f"{self._clients.network_of(request)} {name}"


def _fingerprint(request: web.Request) -> bytes:
    return hashlib.sha256(request.headers.get(hdrs.AUTHORIZATION, "").encode(errors="replace")).digest()


def require_account(
    authenticator: Authenticator,
    *,
    prefixes: Sequence[str] = ("/v1/",),
    needs: Needs = needs_read_or_full,
    failures: FailedAttempts | None = None,
) -> Middleware:
    """A middleware that requires authentication for requests below ``prefixes``, and lets all others through."""
    starts = tuple(prefixes)
    attempts = failures or FailedAttempts()

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_below(request, starts):
            authorization = request.headers.get(hdrs.AUTHORIZATION)
            if authorization is None:
                raise unauthenticated("Authenticate with HTTP Basic: Account SID and auth token")
            attempts.check(request)
            caller = authenticator.authenticate(authorization)
            if caller is None:
                attempts.failed(request)
                raise unauthenticated("Authenticate with HTTP Basic: Account SID and auth token")
            attempts.succeeded(request)
            _check(caller, authenticator.status_of(caller.account), needs(request))
            request[ACCOUNT], request[CALLER] = caller.account, caller
        return await handler(request)

    return authenticate


def is_below(request: web.Request, starts: tuple[str, ...]) -> bool:
    """Whether the path of ``request``, or of the route that it matched, begins with one of ``starts``.

    A path can be spelled in several ways; the matched route is what will be executed.
    """
    found = request.match_info.route.resource
    return request.path.startswith(starts) or (found is not None and found.canonical.startswith(starts))


def _check(caller: Caller, status: AccountStatus, needed: KeyScope) -> None:
    if status is not AccountStatus.ACTIVE:
        raise unauthenticated(f"Account {caller.account.sid} is {status}: ask its operator why")
    if caller.scope not in {KeyScope.FULL, needed}:
        raise RefusedError(
            f"API key {caller.sid} has the scope {caller.scope}: this operation needs a key with the scope "
            f"{needed if needed is KeyScope.FULL else f'{needed} or {KeyScope.FULL}'}, or the account's auth token",
            status=HTTPStatus.FORBIDDEN,
        )


def unauthenticated(message: str, *, realm: str = "Event Streams") -> RefusedError:
    """401, code 20003."""
    challenge = f'Basic realm="{realm}", charset="UTF-8"'
    return RefusedError(message, status=HTTPStatus.UNAUTHORIZED, headers={hdrs.WWW_AUTHENTICATE: challenge})


def parse_basic(authorization: str | None) -> tuple[str, bytes] | None:
    """User name and password from an ``Authorization`` header; None if it is not a valid Basic one."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except ValueError:  # not base64, or not UTF-8
        return None
