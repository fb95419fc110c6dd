"""Sends requests to the API, and resends them if that is safe and can help."""

import asyncio
import os
import random
import re
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import aiohttp
import orjson
from aiohttp import hdrs

from eventstreams.client.errors import ApiError
from eventstreams.trust import tls_to

KEY: Final = "Idempotency-Key"
_ANSWER_S: Final = 60.0  # a preview takes ten seconds at most, a write during a failover of the primary fifteen
_ATTEMPTS: Final = 4
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 10.0  # if the API asks for a longer wait, its error is raised instead
_PASSING: Final = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE}
    | {HTTPStatus.GATEWAY_TIMEOUT}
)

Fields = Sequence[tuple[str, str]]
Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    retry_after_s: float


class Connection:
    """A connection to the API at one URL with one set of credentials. Use as ``async with``."""

    def __init__(
        self,
        url: str,
        user: str,
        token: str,
        *,
        attempts: int = _ATTEMPTS,
        pause: Callable[[float], float] = lambda longest_s: random.uniform(0, longest_s),  # noqa: S311 - no secret
    ) -> None:
        """Connect at the first request.

        Args:
            url: Address of the API; a ``/v1`` at its end is dropped.
            user: The SID of the account or of an API key.
            token: The account's auth token, or the key's secret.
            attempts: The most times that a request is sent.
            pause: Returns how many seconds to wait before a retry, given the maximum.
        """
        self.url = url.rstrip("/").removesuffix("/v1")
        self._headers = {hdrs.AUTHORIZATION: aiohttp.encode_basic_auth(user, token)}
        self._attempts = attempts
        self._pause = pause
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls_to(self.url)),
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=_ANSWER_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, fields: Fields = ()) -> Json:
        """The answer to a GET. Raises ``ApiError``."""
        return await self._ask(hdrs.METH_GET, path, query=fields)

    async def preview(self, path: str, fields: Fields = ()) -> Json:
        """POST a form that changes nothing, and so needs no idempotency key. Raises ``ApiError``."""
        return await self._ask(hdrs.METH_POST, path, form=fields)

    async def post(self, path: str, fields: Fields = (), *, key: str | None = None) -> Json:
        """POST a form that is executed once, however often it is sent. Raises ``ApiError``.

        Args:
            path: Path of the resource.
            fields: Names and values, in order.
            key: The idempotency key; a random one by default.
        """
        return await self._ask(hdrs.METH_POST, path, form=fields, key=key or str(uuid.uuid4()))

    async def delete(self, path: str) -> None:
        """Delete what ``path`` names. Raises ``ApiError``."""
        await self._ask(hdrs.METH_DELETE, path)

    async def pages(self, path: str, key: str, fields: Fields = ()) -> AsyncIterator[Json]:
        """Every item of a list, page after page. Raises ``ApiError``."""
        answer = await self.get(path, fields)
        while True:
            items, meta = answer.get(key), answer.get("meta")
            if not isinstance(items, list) or not isinstance(meta, dict):
                raise ApiError(f"{self.url}{path} is not a list: is it the Event Streams API?")
            for item in items:
                yield item
            following = meta.get("next_page_url")
            if following is None:
                return
            # Keep to the URL that we were given: the API may know only its internal address.
            answer = await self.get(f"{path}?{urlsplit(str(following)).query}")

    async def _ask(
        self, method: str, path: str, *, query: Fields = (), form: Fields = (), key: str | None = None
    ) -> Json:
        _check_text((*query, *form))
        wait_s = _FIRST_WAIT_S
        for left in reversed(range(self._attempts)):
            asked_s = 0.0
            try:
                answer = await self._send(method, path, query, form, key)
            except (aiohttp.ClientError, TimeoutError) as error:
                if not left:
                    raise self._silent(error, key) from error
            else:
                asked_s = answer.retry_after_s
                if answer.status not in _PASSING or not left or asked_s > _LONGEST_WAIT_S:
                    return self._told(answer, key)
            await asyncio.sleep(max(self._pause(wait_s), asked_s))
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
        raise ValueError("attempts must be at least 1")

    async def _send(self, method: str, path: str, query: Fields, form: Fields, key: str | None) -> _Answer:
        if self._session is None:
            raise RuntimeError("use it as a context manager: async with …")
        async with self._session.request(
            method,
            f"{self.url}{path}",
            params=list(query) or None,
            data=aiohttp.FormData(list(form)) if form else None,
            headers={} if key is None else {KEY: key},
            allow_redirects=False,  # the credentials are for this address alone
        ) as answer:
            return _Answer(answer.status, await answer.read(), _seconds(answer.headers.get(hdrs.RETRY_AFTER)))

    def _told(self, answer: _Answer, key: str | None) -> Json:
        """The body of ``answer``. Raises ``ApiError`` if it is a refusal, or does not come from the API."""
        if answer.status == HTTPStatus.NO_CONTENT:
            return {}
        try:
            told = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            told = None
        safe = answer.status in _PASSING
        if not isinstance(told, dict) or HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
            raise ApiError(
                f"{self.url} is not an Event Streams API: it answered with status {answer.status}",
                status=answer.status,
                retry_is_safe=safe,
                idempotency_key=key,
            )
        if answer.status >= HTTPStatus.BAD_REQUEST:
            code = told.get("code")
            raise ApiError(
                str(told.get("message")),
                status=answer.status,
                code=code if isinstance(code, int) else None,
                retry_is_safe=safe,
                idempotency_key=key,
            )
        return told

    def _silent(self, error: Exception, key: str | None) -> ApiError:
        message = f"the API at {self.url} does not answer ({_why(error)}): is it running?"
        return ApiError(message, retry_is_safe=True, idempotency_key=key)


def _check_text(fields: Fields) -> None:
    """Raises ``ApiError`` where a text cannot be sent: what a terminal gave us in bytes that are not UTF-8."""
    for name, value in fields:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ApiError(f"{name} is not valid UTF-8, which the API requires") from None


def _why(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "its host name does not resolve"
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not trusted"
        case aiohttp.ClientConnectorSSLError():  # whose errno is OpenSSL's, not the system's
            return "the TLS handshake failed: should its URL start with http://?"
        case aiohttp.ClientConnectorError(errno=int() as number):
            return os.strerror(number)
        case TimeoutError():
            return f"no answer within {_ANSWER_S:g} s"
        case _:
            return type(error).__name__


def _seconds(text: str | None) -> float:
    """The seconds that ``Retry-After`` asks for; 0 if it is missing or a date."""
    return float(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text) else 0.0
