"""The middlewares before every handler: authentication, authorization, rate limits, and the audit trail."""

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
"""Paths below these require an account."""
_HOUSEHOLD: Final = 4  # an owner and all its subaccounts together have this many times the limit of an account
_BODIES: Final = 64 << 20  # bytes of memory: 256 of the largest bodies, or some 50,000 ordinary ones
_BODIES_OF_ONE: Final = 16 << 20
_AGAIN_S: Final = 1.0
_MOST_ACCOUNTS: Final = 100_000  # buckets of some 100 bytes: more than there are accounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """How the API is guarded.

    Attributes:
        operator_token: The token for the operator's API; None: that API is off.
        rate_limit: Requests a second of one account, with bursts of twice as many; 0: unlimited.
        clients: Determines the address that a request comes from.
        trail: Where writes are recorded.
    """

    operator_token: SecretStr | None
    rate_limit: float
    clients: ClientAddress
    trail: AuditTrail

    def middlewares(self, plane: ControlPlane, route: Middleware) -> list[Middleware]:
        """The middlewares, in the order in which a request passes them.

        If ``route`` forwards a request, the other process records it on the audit trail.
        """
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
    """The scope that a request needs: ``read`` for reading, ``full`` for all else, and for reading a secret."""
    resource = request.match_info.route.resource
    shows_secret = resource is not None and resource.canonical == signing.PATH
    return KeyScope.FULL if shows_secret else needs_read_or_full(request)


def limit_accounts(per_s: float, customer_of: Callable[[str], str]) -> Middleware:
    """A middleware that limits each account to ``per_s`` requests a second, with bursts of twice as many.

    An owner and its subaccounts, which are one customer, may make four times as many together: so none of them can use
    up all of it, and a thousand subaccounts do not have a thousand times the limit. A request that another replica has
    forwarded was counted there.
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
                raise too_often(f"The account makes more than {per_s:g} requests per second: slow down", wait_s=wait_s)
            if (wait_s := together.take(owner_sid)) > 0:
                message = f"Account {owner_sid} and its subaccounts make more than {together_s:g} requests per second"
                raise too_often(f"{message}: slow down", wait_s=wait_s)
            alone.take(sid)
        return await handler(request)

    return limit


def hold_bodies(customer_of: Callable[[str], str], *, most: int = _BODIES, of_one: int = _BODIES_OF_ONE) -> Middleware:
    """A middleware that bounds the bytes of all request bodies in memory, and those of one customer.

    Until its request is answered, a body counts as the size that it declares, or else as the largest allowed. (How long
    it may take to arrive is bounded where it is read.)
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
            raise too_often("The account sends too much at once: send it in smaller parts", wait_s=_AGAIN_S)
        if sum(held.values()) + size > most:
            raise unavailable("Too much is being sent right now: try again")
        held[who] = held.get(who, 0) + size
        try:
            return await handler(request)
        finally:
            held[who] -= size
            if not held[who]:
                del held[who]

    return hold


def body_size(request: web.Request) -> int:
    """The most bytes that the body of ``request`` can take in memory."""
    if not request.can_read_body:
        return 0
    known = request.content_length is not None and hdrs.CONTENT_ENCODING not in request.headers
    return min(request.content_length or 0, request.client_max_size) if known else request.client_max_size
