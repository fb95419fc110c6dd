"""A running API, asked from the command line."""

from collections.abc import AsyncIterator, Mapping, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

import aiohttp
import orjson
from aiohttp import hdrs

from eventstreams.errors import EventStreamsError, SettingsError
from eventstreams.settings import PREFIX, Settings

_ANSWER_S: Final = 60.0  # a preview takes ten seconds at most
_BAD: Final = 400

Fields = Sequence[tuple[str, str]]
Answer = Mapping[str, object]


class RemoteError(EventStreamsError):
    """The API does not answer, or refused; says what it said."""


class Remote:
    """The API at ``url``, asked as the account of the settings, or as the operator. Use as ``async with``."""

    def __init__(self, settings: Settings, url: str | None, *, as_operator: bool = False) -> None:
        """Raises ``SettingsError`` where the settings name no account, or no operator's token."""
        user, token = (
            ("operator", settings.operator_token) if as_operator else (settings.account_sid, settings.auth_token)
        )
        if as_operator and token is None:
            raise SettingsError(f"set {PREFIX}OPERATOR_TOKEN to the token that the API was started with")
        if user is None or token is None:
            raise SettingsError(f"set {PREFIX}ACCOUNT_SID and {PREFIX}AUTH_TOKEN to the account that asks")
        self._url = (url or settings.public_url or "http://127.0.0.1:8080").rstrip("/")
        proof = aiohttp.encode_basic_auth(user, token.get_secret_value())
        self._session = aiohttp.ClientSession(
            headers={hdrs.AUTHORIZATION: proof}, timeout=aiohttp.ClientTimeout(total=_ANSWER_S)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, fields: Fields = ()) -> Answer:
        """The answer to a GET of ``path``, or of a URL out of an answer. Raises ``RemoteError``."""
        return await self._ask(hdrs.METH_GET, path, params=list(fields))

    async def post(self, path: str, fields: Fields) -> Answer:
        """The answer to a form. Raises ``RemoteError``."""
        return await self._ask(hdrs.METH_POST, path, data=aiohttp.FormData(list(fields)))

    async def delete(self, path: str) -> None:
        """Delete what ``path`` names. Raises ``RemoteError``."""
        await self._ask(hdrs.METH_DELETE, path)

    async def pages(self, path: str, key: str, fields: Fields) -> AsyncIterator[Answer]:
        """Every item of a list, page after page. Raises ``RemoteError``."""
        answer = await self.get(path, fields)
        while True:
            items, meta = answer[key], answer["meta"]
            assert isinstance(items, list)
            assert isinstance(meta, dict)
            for item in items:
                yield item
            # Asked for where we were told that the API is: its own address may be known inside only.
            following = meta["next_page_url"]
            if following is None:
                return
            answer = await self.get(path + "?" + str(following).partition("?")[2])

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        params: list[tuple[str, str]] | None = None,
        data: aiohttp.FormData | None = None,
    ) -> Answer:
        try:
            async with self._session.request(method, f"{self._url}{path}", params=params, data=data) as answer:
                status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RemoteError(
                f"the API at {self._url} does not answer ({type(error).__name__}): name it with --url"
            ) from error
        if status == HTTPStatus.NO_CONTENT:
            return {}
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError:
            told = None
        if not isinstance(told, dict):
            raise RemoteError(f"{self._url} is no API of Event Streams: it answered with status {status}")
        if status >= _BAD:
            raise RemoteError(f"the API refuses: {told.get('message')} (code {told.get('code')})")
        return told
