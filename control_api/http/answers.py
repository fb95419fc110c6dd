"""JSON answers in the reference's format."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TypeVar

import orjson
from aiohttp import web

from control_api.http.paging import PageQuery, Position, envelope, paginate
from control_api.plane import PLANE

T = TypeVar("T")


def json_answer(body: Mapping[str, object], *, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


def list_answer(
    request: web.Request,
    items: Sequence[T],
    *,
    key: str,
    filters: Mapping[str, str],
    position: Callable[[T], Position],
    show: Callable[[T], Mapping[str, object]],
) -> web.Response:
    """The page of ``items`` that ``request`` asks for.

    Raises:
        RefusedError: the paging parameters are invalid.
    """
    query = PageQuery.parse(request.query)
    page = paginate(items, position, query)
    url = request.app[PLANE].url(request, request.path)
    return json_answer(envelope(page, query, key=key, url=url, filters=filters, show=show))


def timestamp(at_ms: int) -> str:
    """A time as ``YYYY-MM-DDTHH:MM:SSZ``: the official clients cannot parse fractions of a second."""
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
