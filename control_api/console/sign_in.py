"""Signing in with the API's credentials: SID and token of an account, SID and secret of a key, the operator's token."""

from http import HTTPStatus
from typing import Final

from aiohttp import web

from control_api.accounts.answers import ROOT
from control_api.accounts.operator import PATH, USER
from control_api.console.api import InnerApi
from control_api.console.middleware import SIGN_IN
from control_api.console.page_request import PREFIX, Page, PageRequest, get, post
from control_api.console.session import Sessions, basic
from control_api.http.declared import Caller
from eventstreams.http import RefusedError

SESSIONS: Final = web.AppKey("sessions", Sessions)
_WRONG: Final = "The SID and token do not match, or the account is suspended or closed: ask its operator."
_ONE: Final = {"PageSize": "1"}


async def show(page: PageRequest) -> web.Response:
    """The form."""
    return page.render("sign_in.html", next=_next(page), sid="", problem="")


async def sign_in(page: PageRequest) -> web.Response:
    """Check the credentials by reading the account from the API, which says who that is, or what is wrong."""
    form = await page.form()
    user, password = (form.given("sid") or "").strip(), (form.given("token") or "").strip()
    where = _below(form.given("next") or "")
    try:
        account = await _account(page, user, password)
    except web.HTTPUnauthorized:  # not answered as a 401, which would make browsers ask for a password themselves
        return page.render("sign_in.html", status=HTTPStatus.FORBIDDEN, next=where, sid=user, problem=_WRONG)
    except RefusedError as error:
        answer = page.render("sign_in.html", status=HTTPStatus(error.status), next=where, sid=user, problem=str(error))
        answer.headers.update(error.headers)
        return answer
    sessions = page.request.app[SESSIONS]
    session = sessions.sign_in(user, password, account_sid=account[0], account_name=account[1])
    answer = page.redirect(where or PREFIX)
    sessions.keep(page.request, answer, session)
    return answer


async def sign_out(page: PageRequest) -> web.Response:
    """Delete the session's cookie."""
    await page.form()
    answer = page.redirect(SIGN_IN, said="signed-out")
    page.request.app[SESSIONS].end(page.request, answer)
    return answer


async def home(page: PageRequest) -> web.Response:
    """Redirect to the first page for this kind of user."""
    if not page.session.sid:
        return page.redirect(SIGN_IN)
    return page.redirect(f"{PREFIX}accounts" if page.session.is_operator else f"{PREFIX}overview")


async def _account(page: PageRequest, user: str, password: str) -> tuple[str, str]:
    """SID and name of the account that the credentials are for; both empty for the operator.

    Raises:
        web.HTTPUnauthorized: the credentials are wrong.
        RefusedError: they are right, but do not allow reading the account; or the API refuses just now.
    """
    if ":" in user:  # a name with a colon cannot be sent
        raise web.HTTPUnauthorized
    api = InnerApi(page.request, basic(user, password))
    if user == USER:
        await api.get(PATH, query=_ONE)
        return "", ""
    found = (await api.get(f"{ROOT}.json", query=_ONE))["accounts"][0]
    return str(found["sid"]), str(found["friendly_name"])


def _next(page: PageRequest) -> str:
    return _below(page.request.query.get("next", ""))


def _below(path: str) -> str:
    """``path`` if it is one of the console's own; empty if not, so that nobody is led elsewhere."""
    return path if path.startswith(PREFIX) and path.isprintable() and "\\" not in path else ""


PAGES: Final[tuple[Page, ...]] = (
    get("", home, caller=Caller.ANYBODY),
    get("sign-in", show, caller=Caller.ANYBODY),
    post("sign-in", sign_in, caller=Caller.ANYBODY),
    post("sign-out", sign_out, caller=Caller.ANYBODY),
)
