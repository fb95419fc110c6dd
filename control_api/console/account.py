"""An account's own pages: its name, token, API keys and subaccounts, and its audit trail."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from aiohttp import web

from control_api.accounts.answers import ROOT
from control_api.accounts.keys import PATH as KEYS
from control_api.accounts.keys import PROMOTE, SECONDARY
from control_api.audit.events import PATH as AUDIT
from control_api.console.api import InnerApi, Json
from control_api.console.page_request import PREFIX, Page, PageRequest, get, post
from control_api.console.render import next_page, page_query
from control_api.console.sign_in import SESSIONS
from eventstreams.control.records import AccountStatus, KeyScope
from eventstreams.http import RefusedError

PATH: Final = f"{PREFIX}account"
_ONE: Final = f"{ROOT}/{{}}.json"
_WRITES: Final = 20
_SUBACCOUNTS: Final = 1000  # as many as an account may have open

_Secret = tuple[str, str]
"""A title and the secret itself, to be shown just once."""


async def show(page: PageRequest) -> web.Response:
    return await _show(page)


async def rename(page: PageRequest) -> web.Response:
    form = await page.form()
    fields = {"FriendlyName": form.given("FriendlyName") or ""}
    try:
        account = await page.api.post(_ONE, page.session.account_sid, form=fields)
    except RefusedError as error:
        return await _show(page, problem=error)
    answer = page.redirect(PATH, said="updated")
    named = replace(page.session, account_name=str(account["friendly_name"]))
    page.request.app[SESSIONS].keep(page.request, answer, named)
    return answer


async def rotate(page: PageRequest) -> web.Response:
    """Create a second token, which only the answering page shows."""
    form = await page.form()
    grace = {"GraceSeconds": form.given("GraceSeconds") or ""}
    return await _made(
        page, page.api.post(SECONDARY, form=grace), lambda made: ("New auth token", made["secondary_auth_token"])
    )


async def promote(page: PageRequest) -> web.Response:
    """Replace the first token by the second one. Whoever signed in with the first has to sign in again."""
    await page.form()
    return await _done(page, page.api.post(PROMOTE), "updated")


async def take_back(page: PageRequest) -> web.Response:
    """Revoke the second token."""
    await page.form()
    return await _done(page, page.api.delete(SECONDARY), "deleted")


async def create_key(page: PageRequest) -> web.Response:
    """Create a key, whose secret only the answering page shows."""
    form = await page.form()
    fields = {"FriendlyName": form.given("FriendlyName") or "", "Scope": form.given("Scope") or ""}
    return await _made(
        page,
        page.api.post(KEYS, form=fields, once=form.given("once") or ""),
        lambda made: (f"Secret of key {made['sid']}", made["secret"]),
    )


async def delete_key(page: PageRequest) -> web.Response:
    await page.form()
    return await _done(page, page.api.delete(f"{KEYS}/{{}}", page.name("key")), "deleted")


async def create_subaccount(page: PageRequest) -> web.Response:
    """Create a subaccount, whose token only the answering page shows."""
    form = await page.form()
    fields = {"FriendlyName": form.given("FriendlyName") or ""}
    return await _made(
        page,
        page.api.post(f"{ROOT}.json", form=fields, once=form.given("once") or ""),
        lambda made: (f"Auth token of {made['sid']}", made["auth_token"]),
    )


async def update_subaccount(page: PageRequest) -> web.Response:
    """Suspend, resume or close a subaccount."""
    form = await page.form()
    fields = {"Status": form.given("Status") or ""}
    return await _done(page, page.api.post(_ONE, page.name("sid"), form=fields), "updated")


async def writes(page: PageRequest) -> web.Response:
    """The audit trail, page by page. Reading the topic takes time, so the account's own page does not wait for it."""
    answer = await page.api.get(AUDIT, query=page_query(page.request.query, _WRITES))
    template = "account/writes.html" if page.is_part else "account/trail.html"
    return page.render(template, writes=answer["audit_events"], after=next_page(answer["meta"]))


async def _made(page: PageRequest, asked: Awaitable[Json], secret: Callable[[Json], _Secret]) -> web.Response:
    try:
        made = await asked
    except RefusedError as error:
        return await _show(page, problem=error)
    return await _show(page, secret=secret(made))


async def _done(page: PageRequest, asked: Awaitable[object], said: str) -> web.Response:
    try:
        await asked
    except RefusedError as error:
        return await _show(page, problem=error)
    return page.redirect(PATH, said=said)


async def _show(
    page: PageRequest, *, secret: _Secret | None = None, problem: RefusedError | None = None
) -> web.Response:
    api, sid = page.api, page.session.account_sid
    account = await api.get(_ONE, sid)
    listed = await api.get(f"{ROOT}.json", query={"PageSize": str(_SUBACCOUNTS)})
    return page.render(
        "account/show.html",
        status=HTTPStatus.OK if problem is None else HTTPStatus(problem.status),
        account=account,
        is_subaccount=account["owner_account_sid"] != sid,
        subaccounts=[each for each in listed["accounts"] if each["sid"] != sid],
        has_more=listed["next_page_uri"] is not None,
        statuses=list(AccountStatus),
        rotation=await _rotation(api),
        keys=await api.listed(KEYS, key="keys"),
        scopes=list(KeyScope),
        secret=secret,
        problem="" if problem is None else str(problem),
    )


async def _rotation(api: InnerApi) -> Json | None:
    """The rotation of the token that is under way; None if there is none."""
    try:
        return await api.get(SECONDARY)
    except RefusedError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise


PAGES: Final[tuple[Page, ...]] = (
    get("account", show),
    get("account/writes", writes),
    post("account", rename),
    post("account/token", rotate),
    post("account/token/promote", promote),
    post("account/token/take-back", take_back),
    post("account/keys", create_key),
    post("account/keys/{key}/delete", delete_key),
    post("account/subaccounts", create_subaccount),
    post("account/subaccounts/{sid}", update_subaccount),
)
