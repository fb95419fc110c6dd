"""``/v1/Keys`` and ``/v1/AuthTokens``: an account's own credentials, on the reference's paths.

Scopes of keys and grace periods of tokens are our extensions.
"""

from http import HTTPStatus
from typing import Final

from aiohttp import web

from control_api.accounts import fields
from control_api.accounts.answers import secret_answer, show_key
from control_api.accounts.declared import CONFLICT, KEY_SID, NAME, SCOPE
from control_api.accounts.keyring import Keyring
from control_api.accounts.registry import AccountRegistry
from control_api.http.answers import json_answer, list_answer, timestamp
from control_api.http.declared import Listed, One, Operation, refused_with
from control_api.http.forms import read_form_or_json
from control_api.plane import PLANE
from control_api.sinks.signing import GRACE, read_grace
from eventstreams.client import accounts as models
from eventstreams.control.records import Account, ApiKey
from eventstreams.http import ACCOUNT, ErrorCode, not_found

PATH: Final = "/v1/Keys"
SECONDARY: Final = "/v1/AuthTokens/Secondary"
PROMOTE: Final = "/v1/AuthTokens/Promote"


async def create(request: web.Request) -> web.Response:
    """Create an API key with ``FriendlyName`` and ``Scope``. Only this answer contains its secret."""
    form = await read_form_or_json(request)
    form.refuse_others("FriendlyName", "Scope")
    name, scope = fields.friendly_name(form) or "", fields.key_scope(form)
    made = await Keyring(request.app[PLANE]).create(request[ACCOUNT], name, scope)
    return secret_answer({**_show(request, made.key), "secret": made.secret})


async def list_all(request: web.Request) -> web.Response:
    """List the account's keys, oldest first."""
    return list_answer(
        request,
        Keyring(request.app[PLANE]).of(request[ACCOUNT].sid),
        key="keys",
        filters={},
        position=lambda key: (key.created_ms, key.sid),
        show=lambda key: _show(request, key),
    )


async def fetch(request: web.Request) -> web.Response:
    return json_answer(_show(request, _find(request)))


async def update(request: web.Request) -> web.Response:
    """Change ``FriendlyName``. A key's scope cannot be changed."""
    key, form = _find(request), await read_form_or_json(request)
    form.refuse_others("FriendlyName")
    name = fields.friendly_name(form)
    if name is not None:
        key = await Keyring(request.app[PLANE]).rename(key, name)
    return json_answer(_show(request, key))


async def delete(request: web.Request) -> web.Response:
    """Revoke a key."""
    await Keyring(request.app[PLANE]).revoke(_find(request))
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def create_secondary(request: web.Request) -> web.Response:
    """Create a second auth token, valid alongside the first, which it replaces after ``GraceSeconds`` if given."""
    form = await read_form_or_json(request)
    grace = None if form.given("GraceSeconds") is None else read_grace(form)
    made = await AccountRegistry(request.app[PLANE]).rotate(request[ACCOUNT].sid, grace)
    return secret_answer({**_show_rotation(request, made.account), "secondary_auth_token": made.token})


async def fetch_secondary(request: web.Request) -> web.Response:
    """Show that there is a second token, and when it replaces the first, but not the token; 404 if there is none."""
    account = request[ACCOUNT].settled(request.app[PLANE].clock())
    if account.secondary_token is None:
        raise not_found(request)
    return json_answer(_show_rotation(request, account))


async def delete_secondary(request: web.Request) -> web.Response:
    """Revoke the second token."""
    await AccountRegistry(request.app[PLANE]).drop_secondary(request[ACCOUNT].sid)
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def promote(request: web.Request) -> web.Response:
    """Replace the first token by the second one now. It was shown when it was created, and is not shown again."""
    account = await AccountRegistry(request.app[PLANE]).promote(request[ACCOUNT].sid)
    return json_answer({**_show_token(request, account), "auth_token": None})


def _show(request: web.Request, key: ApiKey) -> dict[str, object]:
    return show_key(key, url=request.app[PLANE].url(request, f"{PATH}/{key.sid}"))


def _show_rotation(request: web.Request, account: Account) -> dict[str, object]:
    end_ms = account.promote_at_ms
    return {**_show_token(request, account), "date_promoted": None if end_ms is None else timestamp(end_ms)}


def _show_token(request: web.Request, account: Account) -> dict[str, object]:
    return {
        "account_sid": account.sid,
        "date_created": timestamp(account.updated_ms),
        "date_updated": timestamp(account.updated_ms),
        "url": request.app[PLANE].url(request, request.path),
    }


def _find(request: web.Request) -> ApiKey:
    key = Keyring(request.app[PLANE]).find(request[ACCOUNT].sid, request.match_info["sid"])
    if key is None:
        raise not_found(request)
    return key


_GROUP: Final = "API keys"
_TOKENS: Final = "Auth tokens"
_ONE: Final = f"{PATH}/{{sid}}"
OPERATIONS: Final = (
    Operation(
        name="CreateKey",
        method="POST",
        path=PATH,
        handler=create,
        group=_GROUP,
        summary="Create an API key",
        description="The secret is only in this response; it cannot be fetched again.",
        form=(NAME, SCOPE),
        answer=One(models.NewKey),
        statuses=(HTTPStatus.CREATED,),
        refusals=CONFLICT,
    ),
    Operation(
        name="ListKey",
        method="GET",
        path=PATH,
        handler=list_all,
        group=_GROUP,
        summary="List API keys",
        description="Oldest first.",
        answer=Listed("keys", models.Key),
    ),
    Operation(
        name="FetchKey",
        method="GET",
        path=_ONE,
        handler=fetch,
        group=_GROUP,
        summary="Fetch an API key",
        names=(KEY_SID,),
        answer=One(models.Key),
    ),
    Operation(
        name="UpdateKey",
        method="POST",
        path=_ONE,
        handler=update,
        group=_GROUP,
        summary="Rename an API key",
        description="The scope cannot be changed: create another key instead.",
        names=(KEY_SID,),
        form=(NAME,),
        answer=One(models.Key),
    ),
    Operation(
        name="DeleteKey",
        method="DELETE",
        path=_ONE,
        handler=delete,
        group=_GROUP,
        summary="Revoke an API key",
        names=(KEY_SID,),
        answer=None,
        statuses=(HTTPStatus.NO_CONTENT,),
    ),
    Operation(
        name="CreateSecondaryAuthToken",
        method="POST",
        path=SECONDARY,
        handler=create_secondary,
        group=_TOKENS,
        summary="Create a secondary auth token",
        description="It is valid alongside the primary one; with `GraceSeconds` it is promoted automatically.",
        form=(GRACE,),
        answer=One(models.SecondaryToken),
        statuses=(HTTPStatus.CREATED,),
        refusals=(*CONFLICT, *refused_with(ErrorCode.NOT_FOUND)),
    ),
    Operation(
        name="FetchSecondaryAuthToken",
        method="GET",
        path=SECONDARY,
        handler=fetch_secondary,
        group=_TOKENS,
        summary="Fetch the state of the secondary auth token",
        description="Whether there is one, and when it becomes the primary. The token itself is only shown when "
        "it is created.",
        answer=One(models.TokenRotation),
        refusals=refused_with(ErrorCode.NOT_FOUND),
    ),
    Operation(
        name="DeleteSecondaryAuthToken",
        method="DELETE",
        path=SECONDARY,
        handler=delete_secondary,
        group=_TOKENS,
        summary="Delete the secondary auth token",
        answer=None,
        statuses=(HTTPStatus.NO_CONTENT,),
        refusals=(*CONFLICT, *refused_with(ErrorCode.NOT_FOUND)),
    ),
    Operation(
        name="UpdateAuthTokenPromotion",
        method="POST",
        path=PROMOTE,
        handler=promote,
        group=_TOKENS,
        summary="Promote the secondary auth token to primary",
        answer=One(models.TokenPromotion),
        refusals=(*CONFLICT, *refused_with(ErrorCode.NOT_FOUND)),
    ),
)
