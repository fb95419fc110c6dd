"""The console's entry point: a middleware that handles the console's requests instead of the API.

It is the outermost middleware. So a page is not forwarded to the primary, and CORS does not apply to it: these are for
the requests that pages make to the API, which pass through the whole application again (``api.InnerApi``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode, urlsplit

import orjson
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from control_api.console.api import InnerApi
from control_api.console.page_request import PREFIX, Page, PageRequest
from control_api.console.render import Renderer
from control_api.console.session import Session, Sessions
from control_api.console.static import StaticFiles
from control_api.http.declared import Caller
from eventstreams.http import RefusedError, answer_errors, not_found
from eventstreams.http.auth import is_below

STATIC: Final = f"{PREFIX}static/"
SIGN_IN: Final = f"{PREFIX}sign-in"
_READING: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
_HTML: Final = "text/html"
_SITE: Final = "Sec-Fetch-Site"
_OWN: Final = frozenset({"same-origin", "none"})  # none: typed in, or from a bookmark
_MOST_BEFORE: Final = 8 << 10  # bytes of a body before sign-in: signing in takes some 300
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # not stricter: otherwise browsers do not say where a form comes from
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Console:
    """The console as a part of the API's application.

    Attributes:
        sessions: Reads and writes session cookies.
        static: The static files.
        renderer: Renders templates.
        public_host: The host at which people reach the API, if known.
    """

    sessions: Sessions
    static: StaticFiles
    renderer: Renderer
    public_host: str | None = None

    def middleware(self) -> Middleware:
        @web.middleware
        async def console(request: web.Request, handler: Handler) -> web.StreamResponse:
            if is_below(request, (PREFIX,)) or request.path == PREFIX.rstrip("/"):
                return await self._answer(request)
            if request.path == "/" and request.method in _READING and _HTML in request.headers.get(hdrs.ACCEPT, ""):
                return web.Response(status=HTTPStatus.SEE_OTHER, headers={hdrs.LOCATION: PREFIX})
            return await handler(request)

        return console

    def routes(self, pages: Sequence[Page]) -> Sequence[web.RouteDef]:
        """The routes of ``pages``, for the application that has the middleware."""
        return [web.route(each.method, each.path, self._handler(each)) for each in pages]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        answer: web.StreamResponse | None = self.static.answer(request) if request.method in _READING else None
        if answer is None:
            answer = await answer_errors(request, self._page)
            if answer.status >= HTTPStatus.BAD_REQUEST and isinstance(answer, web.Response):
                answer = self._problem(request, answer)
            answer.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
        answer.headers.update(HEADERS)
        return answer

    async def _page(self, request: web.Request) -> web.StreamResponse:
        if request.path == PREFIX.rstrip("/"):
            return web.Response(status=HTTPStatus.SEE_OTHER, headers={hdrs.LOCATION: PREFIX})
        if request.match_info.http_exception is not None:
            raise request.match_info.http_exception
        resource = request.match_info.route.resource
        if resource is None or not resource.canonical.startswith(PREFIX):  # only ours check credentials themselves
            raise not_found(request)
        if request.method not in _READING:
            self._refuse_others(request)
        return await request.match_info.handler(request)

    def _handler(self, page: Page) -> Handler:
        async def for_anybody(request: web.Request) -> web.StreamResponse:
            found = self.sessions.of(request)
            session = found or self.sessions.begin()
            _refuse_large(request)
            answer = await page.handler(self._page_request(request, session))
            if found is None and not answer.cookies:
                self.sessions.keep(request, answer, session)
            return answer

        async def handle(request: web.Request) -> web.StreamResponse:
            session = self.sessions.of(request)
            if session is None or not session.sid:
                return self._to_sign_in(request)
            if session.is_operator is not (page.caller is Caller.OPERATOR):  # it exists, but for the other kind of user
                raise _for_others(session)
            return await page.handler(self._page_request(request, session))

        return for_anybody if page.caller is Caller.ANYBODY else handle

    def _page_request(self, request: web.Request, session: Session) -> PageRequest:
        return PageRequest(request, session, InnerApi(request, session.authorization), self.renderer)

    def _to_sign_in(self, request: web.Request, said: str = "") -> web.Response:
        back = request.path_qs if request.method in _READING and not _is_part(request) else ""
        query = urlencode([each for each in (("next", back), ("said", said)) if each[1]])
        path = f"{SIGN_IN}?{query}" if query else SIGN_IN
        if _is_part(request):  # else it would be swapped into the middle of a page
            return web.Response(status=HTTPStatus.OK, headers={"HX-Redirect": path})
        return web.Response(status=HTTPStatus.SEE_OTHER, headers={hdrs.LOCATION: path})

    def _problem(self, request: web.Request, answer: web.Response) -> web.Response:
        """The error page for an error of ours, or for one of the API's that no page has handled."""
        if answer.content_type == _HTML:
            return answer  # a page with a form, which shows what is wrong
        session = self.sessions.of(request)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            ended = self._to_sign_in(request, "ended")
            self.sessions.end(request, ended)
            return ended
        assert isinstance(answer.body, bytes)
        page = self._page_request(request, session or self.sessions.begin())
        template = "problem_part.html" if page.is_part else "problem.html"
        shown = page.render(template, status=HTTPStatus(answer.status), problem=orjson.loads(answer.body))
        if hdrs.RETRY_AFTER in answer.headers:
            shown.headers[hdrs.RETRY_AFTER] = answer.headers[hdrs.RETRY_AFTER]
        return shown

    def _refuse_others(self, request: web.Request) -> None:
        """Raises ``RefusedError`` (403) if a browser says that a page of another site sent this."""
        site, origin = request.headers.get(_SITE), request.headers.get(hdrs.ORIGIN)
        if site is not None:
            own = site in _OWN
        else:  # an old browser, or none; without https, browsers leave the header out, too
            # Not ``request.host``: without a Host header, it would ask the resolver and block the event loop.
            ours = {request.headers.get(hdrs.HOST), self.public_host} - {None, ""}
            own = origin is None or _host_of(origin) in ours
        if not own:
            message = "This request came from a page of another site: nothing was changed"
            raise RefusedError(message, status=HTTPStatus.FORBIDDEN)


def _host_of(origin: str) -> str:
    """Host and port of ``origin``, as in ``Host``; ``origin`` itself, which equals no host, if it is not an origin."""
    try:
        return urlsplit(origin).netloc or origin
    except ValueError:
        return origin


def _for_others(session: Session) -> RefusedError:
    """The error for a page that is not for the kind of user who is signed in; it says what to do instead."""
    message = (
        "This page belongs to an account, but you are signed in as the operator: sign out, then sign in as the account"
        if session.is_operator
        else "This page is only for the operator: sign out, then sign in as the operator"
    )
    return RefusedError(message, status=HTTPStatus.NOT_FOUND)


def _refuse_large(request: web.Request) -> None:
    """Raises ``RefusedError`` (413) for a body that is larger than signing in needs."""
    if request.can_read_body and (request.content_length is None or request.content_length > _MOST_BEFORE):
        message = f"The body is larger than {_MOST_BEFORE} bytes, or its size is not given"
        raise RefusedError(message, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def _is_part(request: web.Request) -> bool:
    return "HX-Request" in request.headers
