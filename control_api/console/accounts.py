"""Accounts and API keys, for the operator: create, rename, suspend, close; keys; another token."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

from control_api.console.api import Json
from control_api.console.render import next_page, page_query
from control_api.console.visit import PREFIX, Page, Visit, get, post
from control_api.http.declared import Caller
from eventstreams.control.records import AccountStatus, KeyScope
from eventstreams.http import RefusedError

PATH: Final = f"{PREFIX}accounts"
_ALL: Final = "/operator/v1/Accounts"
_ONE: Final = f"{_ALL}/{{}}"
_LISTED: Final = 50


async def list_all(visit: Visit) -> web.Response:
    return await _list(visit)


async def create(visit: Visit) -> web.Response:
    """Make an account. Its token is on the page that follows, and on no other."""
    form = await visit.form()
    name, owner = form.given("FriendlyName") or "", (form.given("OwnerAccountSid") or "").strip()
    fields = {"FriendlyName": name, **({"OwnerAccountSid": owner} if owner else {})}
    try:
        made = await visit.api.post(_ALL, form=fields, once=form.given("once") or "")
    except RefusedError as error:
        return await _list(visit, given=fields, problem=str(error), status=error.status)
    return await _show(visit, made["sid"], secret=("Auth token", made["auth_token"]))


async def show(visit: Visit) -> web.Response:
    return await _show(visit, visit.name("sid"))


async def update(visit: Visit) -> web.Response:
    """Another name, or another status."""
    form, sid = await visit.form(), visit.name("sid")
    try:
        await visit.api.post(_ONE, sid, form=form.fields)
    except RefusedError as error:
        return await _show(visit, sid, problem=error)
    return visit.go(f"{PATH}/{sid}", said="updated")


async def rotate(visit: Visit) -> web.Response:
    """Make another token, which is on the page that follows, and on no other."""
    form, sid = await visit.form(), visit.name("sid")
    try:
        made = await visit.api.post(f"{_ONE}/RotateToken", sid, form=form.fields)
    except RefusedError as error:
        return await _show(visit, sid, problem=error)
    return await _show(visit, sid, secret=("Auth token", made["auth_token"]))


async def promote(visit: Visit) -> web.Response:
    """End the grace of a rotation."""
    await visit.form()
    sid = visit.name("sid")
    try:
        await visit.api.post(f"{_ONE}/PromoteToken", sid)
    except RefusedError as error:
        return await _show(visit, sid, problem=error)
    return visit.go(f"{PATH}/{sid}", said="updated")


async def create_key(visit: Visit) -> web.Response:
    """Make a key, whose secret is on the page that follows, and on no other."""
    form, sid = await visit.form(), visit.name("sid")
    fields = {"FriendlyName": form.given("FriendlyName") or "", "Scope": form.given("Scope") or ""}
    try:
        made = await visit.api.post(f"{_ONE}/Keys", sid, form=fields, once=form.given("once") or "")
    except RefusedError as error:
        return await _show(visit, sid, problem=error)
    return await _show(visit, sid, secret=(f"Secret of key {made['sid']}", made["secret"]))


async def delete_key(visit: Visit) -> web.Response:
    await visit.form()
    sid = visit.name("sid")
    await visit.api.delete(f"{_ONE}/Keys/{{}}", sid, visit.name("key"))
    return visit.go(f"{PATH}/{sid}", said="deleted")


async def _list(
    visit: Visit, *, given: Mapping[str, str] | None = None, problem: str = "", status: int = HTTPStatus.OK
) -> web.Response:
    answer = await visit.api.get(_ALL, query=page_query(visit.request.query, _LISTED))
    meta = answer["meta"]
    return visit.page(
        "accounts/list.html",
        status=HTTPStatus(status),
        accounts=answer["accounts"],
        given=given or {},
        problem=problem,
        before=next_page(meta, "previous_page_url"),
        after=next_page(meta),
    )


async def _show(
    visit: Visit, sid: str, *, secret: tuple[str, str] | None = None, problem: RefusedError | None = None
) -> web.Response:
    """The page of an account. ``secret``: what it is, and itself, to be shown this once."""
    account: Json = await visit.api.get(_ONE, sid)
    return visit.page(
        "accounts/show.html",
        status=HTTPStatus.OK if problem is None else HTTPStatus(problem.status),
        account=account,
        subaccounts=await visit.api.listed(_ALL, key="accounts", query={"OwnerAccountSid": sid}),
        keys=await visit.api.listed(f"{_ONE}/Keys", sid, key="keys"),
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
