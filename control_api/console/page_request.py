"""A browser's request as the handler of a page sees it, and the definition of a page."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from aiohttp import hdrs, web

from control_api.console.api import InnerApi
from control_api.console.render import Renderer
from control_api.console.session import Session
from control_api.http.declared import Caller
from control_api.http.forms import Form, read_form
from eventstreams.http import RefusedError

PREFIX: Final = "/console/"
CSRF: Final = "csrf"
_HTMX: Final = "HX-Request"


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a handler works with.

    Attributes:
        request: The HTTP request.
        session: The session; on pages for anybody, it may be one in which nobody has signed in.
        api: The API, with the session's credentials.
        renderer: Renders templates.
    """

    request: web.Request
    session: Session
    api: InnerApi
    renderer: Renderer

    @property
    def is_part(self) -> bool:
        """Whether htmx asks for a part to put into the page that is open."""
        return _HTMX in self.request.headers

    def name(self, key: str) -> str:
        """The part of the path in place of ``{key}``."""
        return self.request.match_info[key]

    async def form(self) -> Form:
        """The fields of a POST, without the CSRF token.

        Raises:
            RefusedError: 403: it was not sent by a page of this session; or the body is not a form.
        """
        form = await read_form(self.request)
        if not self.session.is_own(form.given(CSRF) or ""):
            message = (
                "This form belongs to an expired session: nothing was changed. Reload the page, and submit it again"
            )
            raise RefusedError(message, status=HTTPStatus.FORBIDDEN)
        return Form([(name, value) for name, value in form.fields if name != CSRF])

    def render(self, template: str, *, status: HTTPStatus = HTTPStatus.OK, **context: object) -> web.Response:
        """Render ``templates/<template>`` with ``context`` and what ``base.html`` needs."""
        return web.Response(status=status, text=self.render_text(template, **context), content_type="text/html")

    def render_text(self, template: str, **context: object) -> str:
        """Like ``render``, but return just the text."""
        return self.renderer.render(
            template,
            session=self.session,
            here=self.request.path,
            theme=self.request.cookies.get("theme", ""),
            said=self.request.query.get("said", ""),
            **context,
        )

    def redirect(self, path: str, *, said: str = "") -> web.Response:
        """Redirect the browser to ``path`` after a write.

        Args:
            path: A path below ``/console/``.
            said: What was done: a key of ``render.SAID``, whose text is shown at the top of that page.
        """
        query = f"?{urlencode({'said': said})}" if said else ""
        return web.Response(status=HTTPStatus.SEE_OTHER, headers={hdrs.LOCATION: f"{path}{query}"})


Handler = Callable[[PageRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the console. ``caller`` is whom it is for; others are asked to sign in, or get a 404."""

    method: str
    path: str
    handler: Handler
    caller: Caller = Caller.ACCOUNT


def get(path: str, handler: Handler, *, caller: Caller = Caller.ACCOUNT) -> Page:
    """Declare a page; ``path`` is relative to ``/console/``."""
    return Page(hdrs.METH_GET, f"{PREFIX}{path}", handler, caller)


def post(path: str, handler: Handler, *, caller: Caller = Caller.ACCOUNT) -> Page:
    return Page(hdrs.METH_POST, f"{PREFIX}{path}", handler, caller)
