"""Calls the API from within its own process: the same application, as if a client had sent the request."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson
from aiohttp import EMPTY_PAYLOAD, StreamReader, hdrs, web
from aiohttp.http import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from control_api.http.forms import FORM
from control_api.replicas.route import KEY
from eventstreams.http import RefusedError
from eventstreams.http.client_address import FORWARDED_FOR

Json = dict[str, Any]
Fields = Mapping[str, str] | Iterable[tuple[str, str]]
_TOLD: Final = (hdrs.HOST, FORWARDED_FOR, hdrs.USER_AGENT)
"""The headers that are copied from the browser's request: they say where it went and where it came from."""
_LARGEST: Final = "1000"  # items on the largest page of the API
_PAGES: Final = 5  # of a list that is shown whole: an account has 100 sinks, a catalogue a few hundred types
_KEPT: Final = (hdrs.RETRY_AFTER,)


class InnerApi:
    """The API, called with the credentials in ``authorization``, on behalf of the browser's ``request``.

    A call passes all middlewares, including forwarding to the primary: there is no second way in. It needs no
    connection, and takes some 0.2 ms if nothing is written.
    """

    def __init__(self, request: web.Request, authorization: str) -> None:
        self._request = request
        self._authorization = authorization

    async def get(self, path: str, *names: str, query: Fields = ()) -> Json:
        """The answer to a read.

        Args:
            path: With ``{}`` in place of each of ``names``.
            names: What the path names: SIDs, types. They are quoted, so that each is just one segment.
            query: The parameters; a name may occur several times.

        Raises:
            RefusedError: the API refused, with its status, code and message.
            web.HTTPUnauthorized: the credentials are no longer valid. Pages need not catch it: the visitor is asked to
                sign in.
        """
        return await self._ask(hdrs.METH_GET, _url(path, names, query))

    async def listed(self, path: str, *names: str, key: str, query: Fields = ()) -> list[Json]:
        """All items of a short list, of at most five pages. Raises like ``get``."""
        fields = list(query.items() if isinstance(query, Mapping) else query)
        found: list[Json] = []
        for number in range(_PAGES):
            asked = [*fields, ("PageSize", _LARGEST), ("Page", str(number))]
            answer = await self.get(path, *names, query=asked)
            found += answer[key]
            if not answer["meta"]["next_page_url"]:
                break
        return found

    async def post(self, path: str, *names: str, form: Fields = (), once: str = "") -> Json:
        """The answer to a write. Raises like ``get``.

        Args:
            path: As for ``get``.
            names: As for ``get``.
            form: The parameters to send.
            once: The value of ``once`` in the page's form: the same form, sent twice, is carried out once.
        """
        fields = form.items() if isinstance(form, Mapping) else form
        body = urlencode(list(fields), errors="replace").encode()
        # If somebody goes back and fills in something else, that is another request.
        key = hashlib.sha256(once.encode(errors="replace") + b"\0" + body).hexdigest() if once else ""
        return await self._ask(hdrs.METH_POST, _url(path, names), body, key)

    async def delete(self, path: str, *names: str) -> None:
        """Delete a resource. Raises like ``get``."""
        await self._ask(hdrs.METH_DELETE, _url(path, names))

    async def _ask(self, method: str, url: URL, body: bytes | None = None, key: str = "") -> Json:
        asked = self._made(method, url, body, key)
        # aiohttp's own entry point for a parsed request: finds the operation and passes the middlewares.
        answer = await self._request.app._handle(asked)  # noqa: SLF001 - tests/unit/test_console_api.py notices a change
        assert isinstance(answer, web.Response)  # no operation streams
        told = orjson.loads(answer.body) if isinstance(answer.body, bytes) and answer.body else {}
        assert isinstance(told, dict)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise web.HTTPUnauthorized(text=str(told.get("message", answer.reason)))
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise RefusedError(
                str(told.get("message", answer.reason)),
                status=answer.status,
                code=told.get("code"),
                details=told.get("details"),
                headers={name: answer.headers[name] for name in _KEPT if name in answer.headers},
            )
        return told

    def _made(self, method: str, url: URL, body: bytes | None, key: str) -> web.Request:
        came, loop = self._request, asyncio.get_running_loop()
        headers = CIMultiDict((name, value) for name in _TOLD for value in came.headers.getall(name, []))
        headers[hdrs.AUTHORIZATION] = self._authorization
        if key:
            headers[KEY] = key
        payload: StreamReader = EMPTY_PAYLOAD
        if body is not None:
            headers[hdrs.CONTENT_TYPE], headers[hdrs.CONTENT_LENGTH] = FORM, str(len(body))
            # A limit above its size: at the limit, a reader pauses its connection, which is the browser's.
            payload = StreamReader(came.protocol, len(body) + 1, loop=loop)
            payload.feed_data(body)
            payload.feed_eof()
        message = RawRequestMessage(
            method=method,
            path=url.raw_path_qs,
            version=came.version,
            headers=CIMultiDictProxy(headers),
            raw_headers=tuple((name.encode(), value.encode(errors="replace")) for name, value in headers.items()),
            should_close=False,
            compression=None,
            upgrade=False,
            chunked=False,
            url=url,
        )
        return web.Request(
            message,
            payload,
            came.protocol,
            came.writer,
            came.task,
            loop,
            client_max_size=came.client_max_size,
            scheme=came.scheme,
            remote=came.remote,
        )


def _url(path: str, names: tuple[str, ...], query: Fields = ()) -> URL:
    fields = query.items() if isinstance(query, Mapping) else query
    asked = urlencode(list(fields), errors="replace")
    found = path.format(*(quote(name, safe="", errors="replace") for name in names))
    return URL(f"{found}?{asked}" if asked else found, encoded=True)
