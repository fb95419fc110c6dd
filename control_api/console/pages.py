"""All pages of the console, its navigation, and its installation in the application."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from control_api.console import (
    account,
    accounts,
    catalogue,
    dead_letters,
    events,
    overview,
    send,
    sign_in,
    sinks,
    subscribing,
    subscriptions,
)
from control_api.console.live import STREAMS, Streams
from control_api.console.middleware import STATIC, Console
from control_api.console.page_request import PREFIX, Page
from control_api.console.render import Renderer
from control_api.console.send import GATEWAY
from control_api.console.session import Session, Sessions
from control_api.console.sign_in import SESSIONS
from control_api.console.static import StaticFiles
from control_api.http.declared import Caller
from control_api.plane import ControlPlane

ALL: Final[Sequence[Page]] = (
    *sign_in.PAGES,
    *sinks.PAGES,
    *subscribing.PAGES,  # before those whose paths have a SID where these have words
    *subscriptions.PAGES,
    *catalogue.PAGES,
    *overview.PAGES,
    *events.PAGES,
    *dead_letters.PAGES,
    *send.PAGES,
    *account.PAGES,
    *accounts.PAGES,
)


@dataclass(frozen=True, slots=True)
class Link:
    """A link at the top of every page, for some kind of user; current on all pages below ``path`` and ``others``."""

    title: str
    path: str
    caller: Caller = Caller.ACCOUNT
    others: tuple[str, ...] = ()

    def is_for(self, session: Session) -> bool:
        return session.is_operator if self.caller is Caller.OPERATOR else session.is_account

    def is_above(self, path: str) -> bool:
        return path.startswith((self.path, *self.others))


NAVIGATION: Final = (
    Link("Overview", f"{PREFIX}overview"),
    Link("Sinks", f"{PREFIX}sinks"),
    Link("Subscriptions", f"{PREFIX}subscriptions"),
    Link("Events", f"{PREFIX}events"),
    Link("Dead letters", f"{PREFIX}dead-letters", others=(f"{PREFIX}redrives",)),
    Link("Catalogue", f"{PREFIX}catalogue"),
    Link("Send", f"{PREFIX}send"),
    Link("Account", f"{PREFIX}account"),
    Link("Accounts", f"{PREFIX}accounts", Caller.OPERATOR),
)


def make_console(plane: ControlPlane) -> Console:
    """Create the console for the API that works with ``plane``."""
    static, url = StaticFiles(STATIC), urlsplit(plane.public_url or "")
    sessions = Sessions(plane.vault, plane.clock, https=url.scheme == "https")
    return Console(sessions, static, Renderer(static, NAVIGATION, plane.clock), url.netloc or None)


def add_console(app: web.Application, plane: ControlPlane, *, gateway_url: str | None = None) -> None:
    """Serve the console in ``app``, which must have its other middlewares already. See the setting ``gateway_url``."""
    console = make_console(plane)
    app[GATEWAY], app[STREAMS] = gateway_url or "", Streams(plane.feed.snapshot.customer_of)
    app.on_shutdown.append(app[STREAMS].stop)
    app[SESSIONS] = console.sessions
    app.middlewares.insert(0, console.middleware())
    app.add_routes(console.routes(ALL))
