"""The gateway's web application."""

from aiohttp import hdrs, web

from eventstreams.control.records import KeyScope
from eventstreams.http import Authenticator, FailedAttempts, answer_errors, require_account
from eventstreams.process import Health
from eventstreams.process.health import health_routes
from producers.gateway.intake import MAX_BODY_BYTES, Intake
from producers.gateway.listing import PATH, Listing


def make_app(
    intake: Intake,
    authenticator: Authenticator,
    health: Health,
    *,
    failures: FailedAttempts | None = None,
    listing: Listing | None = None,
) -> web.Application:
    """Serve ``POST /v1/Events`` to accounts, and ``GET`` if there is a ``listing``; /livez and /readyz to everybody."""

    def needs(request: web.Request) -> KeyScope:
        reads = listing is not None and request.method == hdrs.METH_GET
        return KeyScope.READ if reads else KeyScope.PUBLISH

    authenticate = require_account(authenticator, needs=needs, failures=failures)
    app = web.Application(middlewares=[answer_errors, authenticate], client_max_size=MAX_BODY_BYTES)
    app.add_routes([web.post(PATH, intake.post), *health_routes(health)])
    if listing is not None:
        app.add_routes([web.get(PATH, listing.get, allow_head=False)])
    return app
