"""The gateway's web application."""

from typing import Final

from aiohttp import web

from eventstreams.control.records import KeyScope
from eventstreams.http import Authenticator, FailedAttempts, answer_errors, require_account
from eventstreams.process import Health
from eventstreams.process.health import health_routes
from producers.gateway.intake import MAX_BODY_BYTES, Intake

PATH: Final = "/v1/Events"


def make_app(
    intake: Intake, authenticator: Authenticator, health: Health, *, failures: FailedAttempts | None = None
) -> web.Application:
    """``POST /v1/Events`` for accounts; /livez and /readyz for everybody."""
    authenticate = require_account(authenticator, needs=lambda _: KeyScope.PUBLISH, failures=failures)
    app = web.Application(middlewares=[answer_errors, authenticate], client_max_size=MAX_BODY_BYTES)
    app.add_routes([web.post(PATH, intake.post), *health_routes(health)])
    return app
