"""OAuth 2 client credentials (RFC 6749, 4.4): an access token is fetched when needed, and shared until it expires."""

import asyncio
import base64
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final, Literal
from urllib.parse import quote_plus, urlencode

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from eventstreams.sinks import RetryLater, RetryReason
from sink_workers.plugins.hosts import check_authority, url_of
from sink_workers.plugins.webhook.client import Answer, HttpClient, HttpRequest

_MAX_TEXT: Final = 2048  # characters of a URL, id, secret or scope: what servers commonly take
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,8000}")  # what fits into a header that servers take
_DEFAULT_S: Final = 300.0  # a token's life if the server does not say: short enough for any
_LONGEST_S: Final = 86_400.0
_SPARE_S: Final = 30.0  # renewed this long before it expires, so that none expires on its way; at most half its life
_YOUNG_S: Final = 1.0  # a destination that refuses every token costs one fetch a second
_ERROR: Final = re.compile(r"[a-z_]{1,40}")  # RFC 6749, 5.2: a closed set, and extensions like it
_CLOSED: Final = RetryLater(RetryReason.SINK_UNUSABLE, "no access token: the sink was closed in the meantime")


class OAuthConfig(BaseModel):
    """Where to get tokens, and as whom."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    token_url: Annotated[
        str,
        Field(
            max_length=_MAX_TEXT,
            description="Token endpoint: https, or http on this machine, because the client's secret is sent to it.",
        ),
    ]
    client_id: Annotated[str, Field(min_length=1, max_length=_MAX_TEXT)]
    client_secret: Annotated[SecretStr, Field(min_length=1, max_length=_MAX_TEXT)]
    scope: Annotated[str, Field(min_length=1, max_length=_MAX_TEXT)] | None = None
    audience: Annotated[str, Field(min_length=1, max_length=_MAX_TEXT)] | None = None
    client_authentication: Annotated[
        Literal["basic", "body"],
        Field(
            description="How the client authenticates. `basic`: in a header, which every server must support. "
            "`body`: in the form."
        ),
    ] = "basic"

    @field_validator("token_url")
    @classmethod
    def _is_safe(cls, token_url: str) -> str:
        try:
            url = url_of(token_url)
            host = url.raw_host
        except ValueError:
            raise ValueError("it is not a URL") from None
        if not token_url.isascii() or not token_url.isprintable() or " " in token_url:
            raise ValueError("it must be percent-encoded ASCII without spaces")
        if url.scheme != "https" and not (url.scheme == "http" and host in _LOOPBACK):
            raise ValueError("it must be an https URL, because the client's secret is sent to it")
        if not host or url.port is None:
            raise ValueError("it must be a URL with a host")
        if url.raw_user is not None or url.raw_password is not None or url.raw_fragment:
            raise ValueError("it must have neither user nor fragment: client_id and client_secret identify the client")
        check_authority(url)
        return token_url

    def public(self, hidden: str) -> dict[str, object]:
        """The configuration as the API shows it, with ``hidden`` in place of the secret."""
        given = {key: getattr(self, key) for key in type(self).model_fields if key in self.model_fields_set}
        return {**given, "client_secret": hidden}


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. Times are by the monotonic clock; it is renewed after ``until_s``."""

    value: str
    fetched_s: float
    until_s: float


class TokenSource:
    """The tokens of one sink. Concurrent callers share one request."""

    def __init__(
        self, config: OAuthConfig, client: HttpClient, *, user_agent: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._request = _token_request(config, user_agent)
        self._client = client
        self._clock = clock
        self._token: Token | None = None
        self._fetching: asyncio.Task[Token | RetryLater] | None = None

    async def token(self, *, refused: Token | None = None) -> Token | RetryLater:
        """A token that is valid for a while, or why there is none.

        Args:
            refused: A token that the destination has just answered with 401. It is not returned again, unless it is
                less than a second old: then a new one would be refused as well.
        """
        token, now_s = self._token, self._clock()
        if token is not None and now_s < token.until_s and (token != refused or now_s - token.fetched_s < _YOUNG_S):
            return token
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch(), name="oauth token")
            self._fetching.add_done_callback(self._fetched)
        fetching = self._fetching
        await asyncio.wait([fetching])  # a caller that is cancelled does not cancel it for the others
        return _CLOSED if fetching.cancelled() else fetching.result()

    async def aclose(self) -> None:
        """Cancel a request for a token that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    async def _fetch(self) -> Token | RetryLater:
        answer = await self._client.exchange(self._request)
        return (
            _refusal(answer.reason, answer.detail) if isinstance(answer, RetryLater) else _read(answer, self._clock())
        )

    def _fetched(self, task: "asyncio.Task[Token | RetryLater]") -> None:
        self._fetching = None
        if not task.cancelled() and task.exception() is None:
            result = task.result()
            self._token = result if isinstance(result, Token) else None


def _token_request(config: OAuthConfig, user_agent: str) -> HttpRequest:
    secret = config.client_secret.get_secret_value()
    form = {"grant_type": "client_credentials", "scope": config.scope, "audience": config.audience}
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
        "User-Agent": user_agent,
    }
    if config.client_authentication == "basic":
        pair = f"{quote_plus(config.client_id)}:{quote_plus(secret)}"  # encoded twice: RFC 6749, 2.3.1
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": config.client_id, "client_secret": secret}
    body = urlencode({key: value for key, value in form.items() if value is not None}).encode()
    return HttpRequest("POST", config.token_url, headers, body)


def _read(answer: Answer, now_s: float) -> Token | RetryLater:
    """The token in the token endpoint's answer, or what is wrong; it repeats at most the answer's OAuth error code."""
    fields = _fields(answer.body)
    if answer.status != HTTPStatus.OK:
        error = fields.get("error")
        why = f": {error}" if isinstance(error, str) and _ERROR.fullmatch(error) else ""
        return _refusal(RetryReason.SINK_UNUSABLE, f"HTTP {answer.status}{why}")
    value, kind = fields.get("access_token"), fields.get("token_type", "Bearer")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        return _refusal(RetryReason.SINK_UNUSABLE, "its answer has no usable access_token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return _refusal(RetryReason.SINK_UNUSABLE, "its token is not of the type Bearer")
    life_s = _life_s(fields.get("expires_in"))
    return Token(value, now_s, now_s + life_s - min(_SPARE_S, life_s / 2))


def _refusal(reason: RetryReason, what: str) -> RetryLater:
    kept = reason if reason is RetryReason.DESTINATION_FORBIDDEN else RetryReason.SINK_UNUSABLE
    return RetryLater(kept, f"no access token: the token endpoint: {what}")


def _fields(body: bytes) -> Mapping[str, object]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _life_s(expires_in: object) -> float:
    """The life of a token in seconds, which some servers send as text; the default if it is not a number."""
    try:
        life_s = float(expires_in) if isinstance(expires_in, int | float | str) else _DEFAULT_S
    except ValueError:
        life_s = _DEFAULT_S
    return min(life_s, _LONGEST_S) if life_s > 0 else 0.0
