"""The operator's pages of accounts: create, rename, suspend and close them, rotate tokens, manage API keys."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

from control_api.console.api import Json
from control_api.console.page_request import PREFIX, Page, PageRequest, get, post
from control_api.console.render import next_page, page_query
from control_api.http.declared import Caller
from eventstreams.control.records import AccountStatus, KeyScope
from eventstreams.http import RefusedError

PATH: Final = f"{PREFIX}accounts"
_ALL: Final = "/operator/v1/Accounts"
_ONE: Final = f"{_ALL}/{{}}"
_LISTED: Final = 50


async def list_all(page: PageRequest) -> web.Response:
    return await _list(page)


async def create(page: PageRequest) -> web.Response:
    """Create an account, whose token only the answering page shows."""
    form = await page.form()
    name, owner = form.given("FriendlyName") or "", (form.given("OwnerAccountSid") or "").strip()
    fields = {"FriendlyName": name, **({"OwnerAccountSid": owner} if owner else {})}
    try:
        made = await page.api.post(_ALL, form=fields, once=form.given("once") or "")
    except RefusedError as error:
        return await _list(page, given=fields, problem=str(error), status=error.status)
    return await _show(page, made["sid"], secret=("Auth token", made["auth_token"]))


async def show(page: PageRequest) -> web.Response:
    return await _show(page, page.name("sid"))


async def update(page: PageRequest) -> web.Response:
    """Change the name or the status."""
    form, sid = await page.form(), page.name("sid")
    try:
        await page.api.post(_ONE, sid, form=form.fields)
    except RefusedError as error:
        return await _show(page, sid, problem=error)
    return page.redirect(f"{PATH}/{sid}", said="updated")


async def rotate(page: PageRequest) -> web.Response:
    """Create a new token, which only the answering page shows."""
    form, sid = await page.form(), page.name("sid")
    try:
        made = await page.api.post(f"{_ONE}/RotateToken", sid, form=form.fields)
    except RefusedError as error:
        return await _show(page, sid, problem=error)
    return await _show(page, sid, secret=("Auth token", made["auth_token"]))


async def promote(page: PageRequest) -> web.Response:
    """End the grace period of a rotation."""
    await page.form()
    sid = page.name("sid")
    try:
        await page.api.post(f"{_ONE}/PromoteToken", sid)
    except RefusedError as error:
        return await _show(page, sid, problem=error)
    return page.redirect(f"{PATH}/{sid}", said="updated")


async def create_key(page: PageRequest) -> web.Response:
    """Create a key, whose secret only the answering page shows."""
    form, sid = await page.form(), page.name("sid")
    fields = {"FriendlyName": form.given("FriendlyName") or "", "Scope": form.given("Scope") or ""}
    try:
        made = await page.api.post(f"{_ONE}/Keys", sid, form=fields, once=form.given("once") or "")
    except RefusedError as error:
        return await _show(page, sid, problem=error)
    return await _show(page, sid, secret=(f"Secret of key {made['sid']}", made["secret"]))


async def delete_key(page: PageRequest) -> web.Response:
    await page.form()
    sid = page.name("sid")
    await page.api.delete(f"{_ONE}/Keys/{{}}", sid, page.name("key"))
    return page.redirect(f"{PATH}/{sid}", said="deleted")


async def _list(
    page: PageRequest, *, given: Mapping[str, str] | None = None, problem: str = "", status: int = HTTPStatus.OK
) -> web.Response:
    answer = await page.api.get(_ALL, query=page_query(page.request.query, _LISTED))
    meta = answer["meta"]
    return page.render(
        "accounts/list.html",
        status=HTTPStatus(status),
        accounts=answer["accounts"],
        given=given or {},
        problem=problem,
        before=next_page(meta, "previous_page_url"),
        after=next_page(meta),
    )


async def _show(
    page: PageRequest, sid: str, *, secret: tuple[str, str] | None = None, problem: RefusedError | None = None
) -> web.Response:
    """The page of an account. ``secret``: a title and the secret itself, to be shown just once."""
    account: Json = await page.api.get(_ONE, sid)
    return page.render(
        "accounts/show.html",
        status=HTTPStatus.OK if problem is None else HTTPStatus(problem.status),
        account=account,
        subaccounts=await page.api.listed(_ALL, key="accounts", query={"OwnerAccountSid": sid}),
        keys=await page.api.listed(f"{_ONE}/Keys", sid, key="keys"),
        scopes=list(KeyScope),
        statuses=[each for each in AccountStatus if each != account["status"]],
        secret=secret,
        problem="" if problem is None else str(problem),
    )


_SID: Final = "accounts/{sid}"
PAGES: Final[tuple[Page, ...]] = (
    get("accounts", list_all, caller=Caller.OPERATOR),
    post("accounts", create, caller=Caller.OPERATOR),
    get(_SID, show, caller=Caller.OPERATOR),
    post(_SID, update, caller=Caller.OPERATOR),
    post(f"{_SID}/rotate", rotate, caller=Caller.OPERATOR),
    post(f"{_SID}/promote", promote, caller=Caller.OPERATOR),
    post(f"{_SID}/keys", create_key, caller=Caller.OPERATOR),
    post(f"{_SID}/keys/{{key}}/delete", delete_key, caller=Caller.OPERATOR),
)
