"""The API, asked from within its own process: the same application, as if a client had sent the request."""

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
"""What goes along of the browser's own request: where to, and where from."""
_LARGEST: Final = "1000"  # page of the API
_PAGES: Final = 5  # of a list that is shown whole: an account has 100 sinks, a catalogue some hundreds of types
_KEPT: Final = (hdrs.RETRY_AFTER,)


class InnerApi:
    """The API for whoever ``authorization`` proves, in the course of ``request``.

    A request passes all that stands before every operation, the path to the primary included: there is no second way
    in. It costs no connection; some 0.2 ms where nothing is written.
    """

    def __init__(self, request: web.Request, authorization: str) -> None:
        self._request = request
        self._authorization = authorization

    async def get(self, path: str, *names: str, query: Fields = ()) -> Json:
        """The answer to a read.

        Args:
            path: With ``{}`` where ``names`` stand.
            names: What the path names: SIDs, types. They are quoted, so that none can be more than a name.
            query: Parameters, of which several may have one name.

        Raises:
            RefusedError: with the API's own status, code and words.
            web.HTTPUnauthorized: the credentials count no more. No page has to catch that: its visitor is to sign in.
        """
        return await self._ask(hdrs.METH_GET, _url(path, names, query))

    async def listed(self, path: str, *names: str, key: str, query: Fields = ()) -> list[Json]:
        """All items of a list that is short: some pages of it at most. Raises as ``get``."""
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
        """The answer to a write. Raises as ``get``.

        Args:
            path: As of ``get``.
            names: As of ``get``.
            form: What to send.
            once: What the page's form has in ``once``: the same form, sent twice, is carried out once.
        """
        fields = form.items() if isinstance(form, Mapping) else form
        body = urlencode(list(fields), errors="replace").encode()
        # Whoever goes back and fills in something else means something else.
        key = hashlib.sha256(once.encode(errors="replace") + b"\0" + body).hexdigest() if once else ""
        return await self._ask(hdrs.METH_POST, _url(path, names), body, key)

    async def delete(self, path: str, *names: str) -> None:
        """Raises as ``get``."""
        await self._ask(hdrs.METH_DELETE, _url(path, names))

    async def _ask(self, method: str, url: URL, body: bytes | None = None, key: str = "") -> Json:
        asked = self._made(method, url, body, key)
        # aiohttp's own entry for a request that was parsed: to find the operation, and to pass its middlewares.
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
            # A bound that it stays below: at it, a reader stops its connection, which has nothing to do with this.
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
