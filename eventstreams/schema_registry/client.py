"""The few calls of the Confluent Schema Registry's API that registration needs."""

from http import HTTPStatus
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import aiohttp
import orjson
from aiohttp import hdrs

from eventstreams.answer_body import read_at_most
from eventstreams.errors import EventStreamsError
from eventstreams.settings import PREFIX, Settings
from eventstreams.trust import tls_to

_MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_TIMEOUT_S: Final = 30.0  # a registry that has to elect a leader takes seconds
_MAX_ANSWER_BYTES: Final = 4 << 20  # a schema with its documentation takes some tens of kilobytes
_MAX_TEXT: Final = 300
_NO_SUCH: Final = HTTPStatus.NOT_FOUND


class RegistryError(EventStreamsError):
    """The schema registry does not answer, or refuses.

    Attributes:
        for_all: Whether no other request would fare better.
    """

    def __init__(self, message: str, *, for_all: bool) -> None:
        super().__init__(message)
        self.for_all = for_all


class SchemaRegistry:
    """A registry. Use as ``async with``. Every call raises ``RegistryError``."""

    def __init__(self, url: str, *, auth: str | None = None) -> None:
        """``url`` is the registry's; ``auth`` is ``user:password`` for HTTP Basic."""
        self._url = url.rstrip("/")
        user, _, password = (auth or "").partition(":")
        self._headers = {hdrs.ACCEPT: _MEDIA_TYPE}
        if auth is not None:
            self._headers[hdrs.AUTHORIZATION] = aiohttp.encode_basic_auth(user, password)
        self._session: aiohttp.ClientSession

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """The registry that the settings name; None if they name none."""
        if settings.schema_registry_url is None:
            return None
        auth = settings.schema_registry_auth
        return cls(settings.schema_registry_url, auth=None if auth is None else auth.get_secret_value())

    async def __aenter__(self) -> Self:
        connector, timeout = aiohttp.TCPConnector(ssl=tls_to(self._url)), aiohttp.ClientTimeout(total=_TIMEOUT_S)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, headers=self._headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def check(self) -> None:
        """Return if it answers and lets us in."""
        await self._ask("GET", "/config")

    async def versions(self, subject: str) -> list[int]:
        """The version numbers of ``subject``, ascending; empty if there is no such subject."""
        found = await self._ask("GET", f"/subjects/{_quoted(subject)}/versions", absent_is_none=True)
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(each, int) for each in found):
            raise self._strange()
        return sorted(found)

    async def schema(self, subject: str, version: int) -> str:
        """The text of a version's schema."""
        found = await self._ask("GET", f"/subjects/{_quoted(subject)}/versions/{version}")
        text = found.get("schema") if isinstance(found, dict) else None
        if not isinstance(text, str):
            raise self._strange()
        return text

    async def add(self, subject: str, schema: str) -> None:
        """Register the Avro ``schema`` as the newest version of ``subject``, unless it is one of its versions."""
        await self._ask("POST", f"/subjects/{_quoted(subject)}/versions", {"schemaType": "AVRO", "schema": schema})

    async def compatibility(self, subject: str) -> str | None:
        """The compatibility mode set for ``subject`` itself; None if none is set, which some registries call NONE."""
        found = await self._ask("GET", f"/config/{_quoted(subject)}", absent_is_none=True)
        level = found.get("compatibilityLevel") if isinstance(found, dict) else None
        return level if isinstance(level, str) and level != "NONE" else None

    async def set_compatibility(self, subject: str, mode: str) -> None:
        await self._ask("PUT", f"/config/{_quoted(subject)}", {"compatibility": mode})

    async def _ask(self, method: str, path: str, body: object = None, *, absent_is_none: bool = False) -> object:
        try:
            async with self._session.request(
                method,
                f"{self._url}{path}",
                data=None if body is None else orjson.dumps(body),
                headers={} if body is None else {hdrs.CONTENT_TYPE: _MEDIA_TYPE},
                allow_redirects=False,  # another server must not get the password
            ) as response:
                status, raw = response.status, await read_at_most(response, _MAX_ANSWER_BYTES)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
            raise RegistryError(
                f"no schema registry answers at {self._url} ({why}): start it, or set {PREFIX}SCHEMA_REGISTRY_URL "
                "to another one",
                for_all=True,
            ) from error
        if status == _NO_SUCH and absent_is_none and _code(raw) is not None:
            return None
        if status != HTTPStatus.OK:
            raise self._refusal(status, raw)
        try:
            found: object = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise self._strange() from None
        return found

    def _refusal(self, status: int, raw: bytes) -> RegistryError:
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return RegistryError(
                f"the schema registry at {self._url} refuses our credentials ({status}): "
                f"{PREFIX}SCHEMA_REGISTRY_AUTH must be user:password of a user who may register schemas",
                for_all=True,
            )
        code, said = _code(raw), _said(raw)
        if code is None:
            return self._strange(f"{status} without a schema registry error")
        return RegistryError(f"the schema registry answers {status} ({code}): {said}", for_all=False)

    def _strange(self, what: str = "unexpected answer") -> RegistryError:
        return RegistryError(
            f"what answers at {self._url} is not a schema registry ({what}): {PREFIX}SCHEMA_REGISTRY_URL must be "
            "the base URL of a Confluent-compatible API, such as http://registry:8081",
            for_all=True,
        )


def _quoted(subject: str) -> str:
    return quote(subject, safe="")


def _error(raw: bytes) -> dict[str, object]:
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _code(raw: bytes) -> int | None:
    code = _error(raw).get("error_code")
    return code if isinstance(code, int) else None


def _said(raw: bytes) -> str:
    message = str(_error(raw).get("message", "no reason"))[:_MAX_TEXT]
    return "".join(each if each.isprintable() else " " for each in message)
