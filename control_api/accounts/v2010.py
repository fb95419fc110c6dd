"""``/2010-04-01/Accounts``: the reference's API for subaccounts and API keys, which its clients use.

An account can see and change itself and its subaccounts; all others are answered with 404.
"""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from aiohttp import web

from control_api.accounts import fields
from control_api.accounts.answers import ROOT, list_2010, secret_answer, show_2010, show_key_2010
from control_api.accounts.declared import (
    ACCOUNT_SID,
    CONFLICT,
    FORBIDDEN,
    KEY_SID,
    NAME,
    NAMED,
    OF_STATUS,
    SCOPE,
    STATUS,
)
from control_api.accounts.keyring import Keyring
from control_api.accounts.registry import AccountRegistry
from control_api.http.answers import json_answer
from control_api.http.declared import Listed2010, One, Operation
from control_api.http.forms import read_form
from control_api.plane import PLANE
from eventstreams.client import accounts as models
from eventstreams.control.records import Account, ApiKey
from eventstreams.http import ACCOUNT, RefusedError, not_found

_ACCOUNT: Final = f"{ROOT}/{{account_sid}}.json"
_KEYS: Final = f"{ROOT}/{{account_sid}}/Keys.json"
_KEY: Final = f"{ROOT}/{{account_sid}}/Keys/{{sid}}.json"


async def create(request: web.Request) -> web.Response:
    """Create a subaccount of the caller. Only this answer contains its token."""
    registry = AccountRegistry(request.app[PLANE])
    name = fields.friendly_name(await read_form(request))
    if name is None:
        now = datetime.fromtimestamp(registry.plane.clock() / 1000, UTC)
        name = f"SubAccount Created at {now:%Y-%m-%d %H:%M}"
    made = await registry.create(name, owner_sid=request[ACCOUNT].sid)
    shown = show_2010(made.account, made.account.status, token=made.token)
    return secret_answer(shown, status=HTTPStatus.CREATED)


async def list_all(request: web.Request) -> web.Response:
    """List the caller and its subaccounts, oldest first; filters ``FriendlyName`` and ``Status``."""
    registry, caller = AccountRegistry(request.app[PLANE]), request[ACCOUNT]
    found = [caller, *registry.plane.snapshot.subaccounts_of(caller.sid)]
    filters = {name: request.query[name] for name in ("FriendlyName", "Status") if name in request.query}
    if "FriendlyName" in filters:
        found = [each for each in found if each.friendly_name == filters["FriendlyName"]]
    if (status := fields.account_status(filters.get("Status"))) is not None:
        found = [each for each in found if registry.status_of(each) is status]
    return list_2010(
        request,
        found,
        key="accounts",
        filters=filters,
        position=lambda each: (each.created_ms, each.sid),
        show=lambda each: show_2010(each, registry.status_of(each)),
    )


async def fetch(request: web.Request) -> web.Response:
    account = _account(request)
    return json_answer(show_2010(account, AccountRegistry(request.app[PLANE]).status_of(account)))


async def update(request: web.Request) -> web.Response:
    """Change ``FriendlyName`` and, for a subaccount, ``Status``."""
    registry, account = AccountRegistry(request.app[PLANE]), _account(request)
    form = await read_form(request)
    name, status = fields.friendly_name(form), fields.account_status(fields.optional(form, "Status"))
    if status is not None and account.sid == request[ACCOUNT].sid:
        message = "An account cannot change its own status: only its owner or the operator can"
        raise RefusedError(message, status=HTTPStatus.FORBIDDEN)
    account = await registry.change(account.sid, friendly_name=name, status=status)
    return json_answer(show_2010(account, registry.status_of(account)))


async def create_key(request: web.Request) -> web.Response:
    """Create an API key. Only this answer contains its secret. ``Scope`` is an extension."""
    account, form = _account(request), await read_form(request)
    made = await Keyring(request.app[PLANE]).create(account, fields.friendly_name(form) or "", fields.key_scope(form))
    return secret_answer({**show_key_2010(made.key), "secret": made.secret})


async def list_keys(request: web.Request) -> web.Response:
    return list_2010(
        request,
        Keyring(request.app[PLANE]).of(_account(request).sid),
        key="keys",
        filters={},
        position=lambda each: (each.created_ms, each.sid),
        show=show_key_2010,
    )


async def fetch_key(request: web.Request) -> web.Response:
    return json_answer(show_key_2010(_key(request)))


async def update_key(request: web.Request) -> web.Response:
    """Change ``FriendlyName``."""
    key, name = _key(request), fields.friendly_name(await read_form(request))
    if name is not None:
        key = await Keyring(request.app[PLANE]).rename(key, name)
    return json_answer(show_key_2010(key))


async def delete_key(request: web.Request) -> web.Response:
    """Revoke a key."""
    await Keyring(request.app[PLANE]).revoke(_key(request))
    return web.Response(status=HTTPStatus.NO_CONTENT)


def _account(request: web.Request) -> Account:
    """The account in the path: the caller's own or one of its subaccounts.

    Raises:
        RefusedError: 404: it is neither.
    """
    caller = request[ACCOUNT]
    found = AccountRegistry(request.app[PLANE]).find(request.match_info["account_sid"])
    if found is None or caller.sid not in {found.sid, found.owner_account_sid}:
        raise not_found(request)
    return found


def _key(request: web.Request) -> ApiKey:
    key = Keyring(request.app[PLANE]).find(_account(request).sid, request.match_info["sid"])
    if key is None:
        raise not_found(request)
    return key


_GROUP: Final = "Accounts (2010-04-01)"
_BOTH: Final = (ACCOUNT_SID, KEY_SID)
OPERATIONS: Final = (
    Operation(
        name="CreateAccount",
        method="POST",
        path=f"{ROOT}.json",
        handler=create,
        group=_GROUP,
        summary="Create a subaccount",
        description="The auth token is only in this response; it cannot be fetched again.",
        form=(NAME,),
        answer=One(models.Account2010),
        statuses=(HTTPStatus.CREATED,),
        refusals=(*CONFLICT, *FORBIDDEN),
    ),
    Operation(
        name="ListAccount",
        method="GET",
        path=f"{ROOT}.json",
        handler=list_all,
        group=_GROUP,
        summary="List the account and its subaccounts",
        description="Oldest first.",
        query=(NAMED, OF_STATUS),
        answer=Listed2010("accounts", models.Account2010),
    ),
    Operation(
        name="FetchAccount",
        method="GET",
        path=_ACCOUNT,
        handler=fetch,
        group=_GROUP,
        summary="Fetch the account or a subaccount",
        names=(ACCOUNT_SID,),
        answer=One(models.Account2010),
    ),
    Operation(
        name="UpdateAccount",
        method="POST",
        path=_ACCOUNT,
        handler=update,
        group=_GROUP,
        summary="Rename an account, or suspend or close a subaccount",
        names=(ACCOUNT_SID,),
        form=(NAME, STATUS),
        answer=One(models.Account2010),
        refusals=(*CONFLICT, *FORBIDDEN),
    ),
    Operation(
        name="CreateAccountKey",
        method="POST",
        path=_KEYS,
        handler=create_key,
        group=_GROUP,
        summary="Create an API key",
        description="The secret is only in this response; it cannot be fetched again.",
        names=(ACCOUNT_SID,),
        form=(NAME, SCOPE),
        answer=One(models.NewKey2010),
        statuses=(HTTPStatus.CREATED,),
        refusals=CONFLICT,
    ),
    Operation(
        name="ListAccountKey",
        method="GET",
        path=_KEYS,
        handler=list_keys,
        group=_GROUP,
        summary="List API keys",
        names=(ACCOUNT_SID,),
        answer=Listed2010("keys", models.Key2010),
    ),
    Operation(
        name="FetchAccountKey",
        method="GET",
        path=_KEY,
        handler=fetch_key,
        group=_GROUP,
        summary="Fetch an API key",
        names=_BOTH,
        answer=One(models.Key2010),
    ),
    Operation(
        name="UpdateAccountKey",
        method="POST",
        path=_KEY,
        handler=update_key,
        group=_GROUP,
        summary="Rename an API key",
        names=_BOTH,
        form=(NAME,),
        answer=One(models.Key2010),
    ),
    Operation(
        name="DeleteAccountKey",
        method="DELETE",
        path=_KEY,
        handler=delete_key,
        group=_GROUP,
        summary="Revoke an API key",
        names=_BOTH,
        answer=None,
        statuses=(HTTPStatus.NO_CONTENT,),
    ),
)
