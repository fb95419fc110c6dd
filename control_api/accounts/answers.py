"""Answers about accounts in two formats: that of the reference's ``2010-04-01`` API, and that of our ``/v1``."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Final, TypeVar

from aiohttp import hdrs, web

from control_api.http.answers import json_answer
from control_api.http.paging import PageQuery, Position, envelope, paginate
from eventstreams.control.records import Account, AccountStatus, ApiKey
from eventstreams.times import from_ms, rfc3339_s

ROOT: Final = "/2010-04-01/Accounts"
T = TypeVar("T")


def secret_answer(body: Mapping[str, object], *, status: HTTPStatus = HTTPStatus.CREATED) -> web.Response:
    """An answer with ``body``, which contains a secret, so that no cache may store it."""
    answer = json_answer(body, status=status)
    answer.headers[hdrs.CACHE_CONTROL] = "no-store"
    return answer


def list_2010(
    request: web.Request,
    items: Sequence[T],
    *,
    key: str,
    filters: Mapping[str, str],
    position: Callable[[T], Position],
    show: Callable[[T], Mapping[str, object]],
) -> web.Response:
    """The page of ``items`` that ``request`` asks for. As everywhere in this API, its links are relative.

    Raises:
        RefusedError: the paging parameters are invalid.
    """
    query = PageQuery.parse(request.query)
    page = paginate(items, position, query)
    found = envelope(page, query, key=key, url=request.path, filters=filters, show=show)
    meta = found["meta"]
    assert isinstance(meta, dict)
    start = query.number * query.size
    return json_answer(
        {
            key: found[key],
            "page": query.number,
            "page_size": query.size,
            "start": start,
            "end": start + max(len(page.items) - 1, 0),
            "first_page_uri": meta["first_page_url"],
            "previous_page_uri": meta["previous_page_url"],
            "next_page_uri": meta["next_page_url"],
            "uri": meta["url"],
        }
    )


def show_2010(account: Account, status: AccountStatus, *, token: str | None = None) -> dict[str, object]:
    """The account. ``auth_token`` is null except in the answer to its creation."""
    uri = f"{ROOT}/{account.sid}"
    return {
        "sid": account.sid,
        "auth_token": token,
        "friendly_name": account.friendly_name,
        "owner_account_sid": account.owner_account_sid or account.sid,
        "status": status,
        "type": "Full",
        "date_created": _rfc2822(account.created_ms),
        "date_updated": _rfc2822(account.updated_ms),
        "uri": f"{uri}.json",
        "subresource_uris": {"keys": f"{uri}/Keys.json"},
    }


def show_key_2010(key: ApiKey) -> dict[str, object]:
    return {
        "sid": key.sid,
        "friendly_name": key.friendly_name,
        "date_created": _rfc2822(key.created_ms),
        "date_updated": _rfc2822(key.updated_ms),
    }


def show_account(account: Account, status: AccountStatus, *, now_ms: int, url: str) -> dict[str, object]:
    """The account as the operator sees it, without any token."""
    account = account.settled(now_ms)
    promoted = None if account.promote_at_ms is None else rfc3339_s(from_ms(account.promote_at_ms))
    return {
        "sid": account.sid,
        "friendly_name": account.friendly_name,
        "owner_account_sid": account.owner_account_sid,
        "status": status,
        "rotating": account.secondary_token is not None,
        "date_promoted": promoted,
        "date_created": rfc3339_s(from_ms(account.created_ms)),
        "date_updated": rfc3339_s(from_ms(account.updated_ms)),
        "url": url,
    }


def show_key(key: ApiKey, *, url: str) -> dict[str, object]:
    return {
        "sid": key.sid,
        "account_sid": key.account_sid,
        "friendly_name": key.friendly_name,
        "scope": key.scope,
        "date_created": rfc3339_s(from_ms(key.created_ms)),
        "date_updated": rfc3339_s(from_ms(key.updated_ms)),
        "url": url,
    }


def _rfc2822(at_ms: int) -> str:
    return format_datetime(datetime.fromtimestamp(at_ms // 1000, UTC))
