"""What stands before every handler: who asks, whether they may, how often, and the audit trail."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from pydantic import SecretStr

from control_api.accounts.operator import OPERATOR, USER, require_operator
from control_api.audit.trail import AuditTrail, audit_writes
from control_api.plane import ControlPlane
from control_api.replicas.forwarded import FORWARDED
from control_api.sinks import signing
from eventstreams.control.records import KeyScope
from eventstreams.http import ACCOUNT, Authenticator, ClientAddress, FailedAttempts, require_account, unavailable
from eventstreams.http.auth import needs_read_or_full
from eventstreams.http.limits import RateLimiter, too_often

PREFIXES: Final = ("/v1/", "/2010-04-01/")
"""Below these an account is needed."""
_HOUSEHOLD: Final = 4  # limits of one account that an owner and all its subaccounts share
_BODIES: Final = 64 << 20  # of memory: 256 of the largest, or some 50,000 of the usual
_BODIES_OF_ONE: Final = 16 << 20
_AGAIN_S: Final = 1.0
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
            found.append(limit_accounts(self.rate_limit, plane.feed.snapshot.customer_of))
        bodies = hold_bodies(plane.feed.snapshot.customer_of)
        return [*found, bodies, route, audit_writes(self.trail, self.clients)]


def needs(request: web.Request) -> KeyScope:
    """To look needs ``read``, all else ``full``; and so does a secret, for whoever has it can do more than look."""
    resource = request.match_info.route.resource
    shows_secret = resource is not None and resource.canonical == signing.PATH
    return KeyScope.FULL if shows_secret else needs_read_or_full(request)


def limit_accounts(per_s: float, customer_of: Callable[[str], str]) -> Middleware:
    """A middleware that refuses what an account asks above ``per_s`` requests a second, twice as many at once.

    An owner and its subaccounts, which are one customer, make four times as many together at most: none of them
    can take all of it, and a thousand subaccounts are not a thousand times the limit. What another replica forwarded
    has been counted there.
    """
    alone = RateLimiter(per_s=per_s, burst=max(2 * per_s, 1), most_keys=_MOST_ACCOUNTS)
    together_s = _HOUSEHOLD * per_s
    together = RateLimiter(per_s=together_s, burst=max(2 * together_s, 1), most_keys=_MOST_ACCOUNTS)

    @web.middleware
    async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        account = request.get(ACCOUNT)
        if account is not None and FORWARDED not in request:
            sid, owner_sid = account.sid, customer_of(account.sid)
            if (wait_s := alone.wait_s(sid)) > 0:
                raise too_often(f"The account makes more than {per_s:g} requests a second: go slower", wait_s=wait_s)
            if (wait_s := together.take(owner_sid)) > 0:
                message = f"Account {owner_sid} and its subaccounts make more than {together_s:g} requests a second"
                raise too_often(f"{message}: go slower", wait_s=wait_s)
            alone.take(sid)
        return await handler(request)

    return limit


def hold_bodies(customer_of: Callable[[str], str], *, most: int = _BODIES, of_one: int = _BODIES_OF_ONE) -> Middleware:
    """A middleware that bounds the bytes of all bodies that are read or worked on, and those of one ``customer_of``.

    A body counts as what it says it has, or else as the largest that there may be, until its request is answered. (How
    long it may take to come is bounded where it is read.)
    """
    held: dict[str, int] = {}

    @web.middleware
    async def hold(request: web.Request, handler: Handler) -> web.StreamResponse:
        size = body_size(request)
        if not size:
            return await handler(request)
        account = request.get(ACCOUNT)
        stranger = "" if request.get(OPERATOR) is None else USER
        who = stranger if account is None else customer_of(account.sid)
        if held.get(who, 0) + size > of_one:
            raise too_often("The account sends too much at once: send it bit by bit", wait_s=_AGAIN_S)
        if sum(held.values()) + size > most:
            raise unavailable("Too much is sent just now: try again")
        held[who] = held.get(who, 0) + size
        try:
            return await handler(request)
        finally:
            held[who] -= size
            if not held[who]:
                del held[who]

    return hold


def body_size(request: web.Request) -> int:
    """The most bytes that the body of ``request`` can become in memory."""
    if not request.can_read_body:
        return 0
    known = request.content_length is not None and hdrs.CONTENT_ENCODING not in request.headers
    return min(request.content_length or 0, request.client_max_size) if known else request.client_max_size
