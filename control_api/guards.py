"""What stands before every handler: who asks, whether they may, how often, and the audit trail."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pydantic import SecretStr

from control_api import signing
from control_api.accounts.operator import require_operator
from control_api.audit.trail import AuditTrail, audit_writes
from control_api.plane import ControlPlane
from control_api.replicas.hop import HOP
from eventstreams.control.records import KeyScope
from eventstreams.http import ACCOUNT, Authenticator, ClientAddress, FailedAttempts, require_account
from eventstreams.http.auth import needs_read_or_full
from eventstreams.http.limits import RateLimiter, too_often

PREFIXES: Final = ("/v1/", "/2010-04-01/")
"""Below these an account is needed."""
_MOST_ACCOUNTS: Final = 100_000  # buckets, of some 100 bytes: more than there are accounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """How the API is guarded.

    Attributes:
        operator_token: Opens the operator's API; None: that is off.
        rate_limit: Requests a second of one account, twice as many at once; 0: without limit.
        clients: Tells where requests come from.
        trail: Where writes are recorded.
    """

    operator_token: SecretStr | None
    rate_limit: float
    clients: ClientAddress
    trail: AuditTrail

    def middlewares(self, plane: ControlPlane, route: Middleware) -> list[Middleware]:
        """In the order in which a request passes them. Where ``route`` forwards it, the other process audits it."""
        authenticator = Authenticator(plane.feed.snapshot, plane.vault, plane.clock)
        found = [
            require_operator(self.operator_token, FailedAttempts(self.clients)),
            require_account(authenticator, prefixes=PREFIXES, needs=needs, failures=FailedAttempts(self.clients)),
        ]
        if self.rate_limit:
            found.append(limit_accounts(self.rate_limit))
        return [*found, route, audit_writes(self.trail, self.clients)]


def needs(request: web.Request) -> KeyScope:
    """To look needs ``read``, all else ``full``; and so does a secret, for whoever has it can do more than look."""
    resource = request.match_info.route.resource
    shows_secret = resource is not None and resource.canonical == signing.PATH
    return KeyScope.FULL if shows_secret else needs_read_or_full(request)


def limit_accounts(per_s: float) -> Middleware:
    """A middleware that refuses what an account asks above ``per_s`` requests a second, twice as many at once.

    What another replica forwarded has been counted there.
    """
    limiter = RateLimiter(per_s=per_s, burst=max(2 * per_s, 1), most_keys=_MOST_ACCOUNTS)

    @web.middleware
    async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        account = request.get(ACCOUNT)
        wait_s = 0.0 if account is None or HOP in request else limiter.take(account.sid)
        if wait_s > 0:
            raise too_often(f"The account makes more than {per_s:g} requests a second: go slower", wait_s=wait_s)
        return await handler(request)

    return limit
