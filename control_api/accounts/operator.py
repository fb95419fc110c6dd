"""``/operator/v1``: accounts and keys, for the operator of the installation. Protected by a token from the settings."""

import hashlib
import hmac
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from pydantic import SecretStr

from control_api.accounts import fields
from control_api.accounts.answers import secret_answer, show_account, show_key
from control_api.accounts.keyring import Keyring
from control_api.accounts.registry import AccountRegistry
from control_api.accounts.secret_rotation import rotate_secrets
from control_api.http.answers import json_answer, list_answer
from control_api.http.forms import read_form_or_json
from control_api.plane import PLANE
from control_api.sinks.signing import read_grace
from eventstreams.control.records import Account, ApiKey
from eventstreams.http import FailedAttempts, RefusedError, not_found
from eventstreams.http.auth import is_below, parse_basic, unauthenticated
from eventstreams.settings import PREFIX
from eventstreams.sids import SidKind, is_sid

START: Final = "/operator/"
USER: Final = "operator"
PATH: Final = f"{START}v1/Accounts"
RELOCK: Final = f"{START}v1/SecretRotations"
OPERATOR: Final = web.RequestKey("operator", bool)
"""Present, and True, in requests of the operator."""

ACCOUNT: Final = f"{PATH}/{{account_sid}}"
KEYS: Final = f"{ACCOUNT}/Keys"


def require_operator(token: SecretStr | None, failures: FailedAttempts) -> Middleware:
    """A middleware that lets requests below ``/operator/`` pass only with the operator's token."""

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_below(request, (START,)):
            if token is None:
                raise RefusedError(
                    f"The operator's API is off: set {PREFIX}OPERATOR_TOKEN and restart the API",
                    status=HTTPStatus.FORBIDDEN,
                )
            failures.check(request)
            user, given = parse_basic(request.headers.get(hdrs.AUTHORIZATION)) or ("", b"")
            wanted = hashlib.sha256(token.get_secret_value().encode()).digest()  # hides its length
            right = hmac.compare_digest(hashlib.sha256(given).digest(), wanted)
            if not right or user != USER:
                failures.failed(request)
                message = f"Authenticate with HTTP Basic: {USER} and the token from {PREFIX}OPERATOR_TOKEN"
                raise unauthenticated(message, realm="Event Streams operator")
            failures.succeeded(request)
            request[OPERATOR] = True
        return await handler(request)

    return authenticate


async def create(request: web.Request) -> web.Response:
    """Create an account, or with ``OwnerAccountSid`` a subaccount; with ``Sid``, under a SID that is known already."""
    registry, form = AccountRegistry(request.app[PLANE]), await read_form_or_json(request)
    name = fields.friendly_name(form)
    if name is None:
        raise RefusedError("Missing required parameter FriendlyName in the post body")
    made = await registry.create(
        name,
        owner_sid=_sid(fields.optional(form, "OwnerAccountSid"), "OwnerAccountSid"),
        sid=_sid(fields.optional(form, "Sid"), "Sid"),
    )
    return secret_answer({**_show(request, made.account), "auth_token": made.token})


async def list_all(request: web.Request) -> web.Response:
    """List all accounts, oldest first; filters ``FriendlyName``, ``Status`` and ``OwnerAccountSid``."""
    registry = AccountRegistry(request.app[PLANE])
    names = ("FriendlyName", "Status", "OwnerAccountSid")
    filters = {name: request.query[name] for name in names if name in request.query}
    status = fields.account_status(filters.get("Status"))
    found: Sequence[Account] = registry.all()
    if "FriendlyName" in filters:
        found = [each for each in found if each.friendly_name == filters["FriendlyName"]]
    if (owner := _sid(filters.get("OwnerAccountSid"), "OwnerAccountSid")) is not None:
        found = [each for each in found if each.owner_account_sid == owner]
    if status is not None:
        found = [each for each in found if registry.status_of(each) is status]
    return list_answer(
        request,
        found,
        key="accounts",
        filters=filters,
        position=lambda each: (each.created_ms, each.sid),
        show=lambda each: _show(request, each),
    )


async def fetch(request: web.Request) -> web.Response:
    return json_answer(_show(request, _account(request)))


async def update(request: web.Request) -> web.Response:
    """Change ``FriendlyName`` or ``Status``."""
    account, form = _account(request), await read_form_or_json(request)
    changed = await AccountRegistry(request.app[PLANE]).change(
        account.sid,
        friendly_name=fields.friendly_name(form),
        status=fields.account_status(fields.optional(form, "Status")),
    )
    return json_answer(_show(request, changed))


async def rotate(request: web.Request) -> web.Response:
    """Create a new auth token; the present one remains valid for ``GraceSeconds``."""
    account, grace = _account(request), read_grace(await read_form_or_json(request))
    made = await AccountRegistry(request.app[PLANE]).rotate(account.sid, grace)
    return secret_answer({**_show(request, made.account), "auth_token": made.token})


async def promote(request: web.Request) -> web.Response:
    """End the grace period of a rotation now."""
    return json_answer(_show(request, await AccountRegistry(request.app[PLANE]).promote(_account(request).sid)))


async def create_key(request: web.Request) -> web.Response:
    """Create an API key of the account, with ``FriendlyName`` and ``Scope``."""
    account, form = _account(request), await read_form_or_json(request)
    made = await Keyring(request.app[PLANE]).create(account, fields.friendly_name(form) or "", fields.key_scope(form))
    return secret_answer({**_show_key(request, made.key), "secret": made.secret})


async def list_keys(request: web.Request) -> web.Response:
    return list_answer(
        request,
        Keyring(request.app[PLANE]).of(_account(request).sid),
        key="keys",
        filters={},
        position=lambda key: (key.created_ms, key.sid),
        show=lambda key: _show_key(request, key),
    )


async def delete_key(request: web.Request) -> web.Response:
    """Revoke a key of the account."""
    keyring = Keyring(request.app[PLANE])
    key = keyring.find(_account(request).sid, request.match_info["sid"])
    if key is None:
        raise not_found(request)
    await keyring.revoke(key)
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def relock_secrets(request: web.Request) -> web.Response:
    """Re-encrypt some of the secrets that are not encrypted with the first key; the answer says how many are left."""
    done, left = await rotate_secrets(request.app[PLANE])
    return json_answer({"reencrypted": done, "left": left})


def _show(request: web.Request, account: Account) -> dict[str, object]:
    plane = request.app[PLANE]
    return show_account(
        account,
        plane.snapshot.status_of(account),
        now_ms=plane.clock(),
        url=plane.url(request, f"{PATH}/{account.sid}"),
    )


def _show_key(request: web.Request, key: ApiKey) -> dict[str, object]:
    return show_key(key, url=request.app[PLANE].url(request, f"{PATH}/{key.account_sid}/Keys/{key.sid}"))


def _account(request: web.Request) -> Account:
    found = AccountRegistry(request.app[PLANE]).find(request.match_info["account_sid"])
    if found is None:
        raise not_found(request)
    return found


def _sid(text: str | None, name: str) -> str | None:
    if text is not None and not is_sid(text, SidKind.ACCOUNT):
        raise RefusedError(f"{name} is malformed: it must be AC and 32 hexadecimal digits")
    return text
