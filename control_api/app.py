"""The API's web application."""

from collections.abc import Sequence

from aiohttp import web

from control_api import attempts, events, sinks, subscriptions
from control_api.cors import add_cors
from control_api.delivery_log.desk import DESK, LogDesk
from control_api.forms import MAX_BODY_BYTES
from control_api.plane import PLANE, ControlPlane
from control_api.readiness import readiness_routes
from eventstreams.http import Authenticator, answer_errors, require_account
from eventstreams.process import Health


def make_app(
    plane: ControlPlane, health: Health, *, desk: LogDesk | None = None, ready_urls: Sequence[str] = ()
) -> web.Application:
    """``/v1/…`` for accounts; /livez and /readyz for everybody. ``desk`` None: there is no delivery log."""
    authenticator = Authenticator(plane.feed.snapshot, plane.vault)
    app = web.Application(
        middlewares=[add_cors, answer_errors, require_account(authenticator)], client_max_size=MAX_BODY_BYTES
    )
    app[PLANE] = plane
    if desk is not None:
        app[DESK] = desk
    for path, resource in ((sinks.PATH, sinks), (subscriptions.PATH, subscriptions)):
        app.add_routes(
            [
                web.post(path, resource.create),
                web.get(path, resource.list_all),
                web.get(f"{path}/{{sid}}", resource.fetch),
                web.delete(f"{path}/{{sid}}", resource.delete),
            ]
        )
    app.add_routes([web.get(attempts.PATH, attempts.list_all), web.get(f"{events.PATH}/{{id}}", events.fetch)])
    app.add_routes(readiness_routes(health, ready_urls))
    return app
