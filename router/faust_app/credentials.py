"""Kafka credentials for Faust's own client: the same settings, as Faust's types."""

import math
import time
from typing import Final

import aiohttp
import faust
import orjson
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaError
from faust.types.auth import CredentialsT
from pydantic import SecretStr
from typing_extensions import override

from eventstreams.settings.kafka import KafkaSettings
from eventstreams.trust import tls_to

_TOKEN_S: Final = 10.0
_EARLY: Final = 0.8  # of a token's lifetime, after which the next is requested; as in librdkafka
_LONGEST_S: Final = 24 * 3600.0  # of a lifetime that is believed; also where a server gives none that ends
_LIFE_S: Final = 60.0  # if the authorization server gives no lifetime


def credentials(settings: KafkaSettings) -> CredentialsT | None:
    """Return the credentials that Faust uses for Kafka; None if Kafka needs neither TLS nor SASL."""
    tls = settings.tls_context() if settings.kafka_tls else None
    match settings.kafka_sasl:
        case "none":
            return None if tls is None else faust.SSLCredentials(tls)
        case "OAUTHBEARER":
            return faust.OAuthCredentials(oauth_cb=TokenProvider(settings), ssl_context=tls)
        case mechanism:
            return faust.SASLCredentials(
                username=settings.kafka_username,
                password=_secret(settings.kafka_password),
                mechanism=mechanism,
                ssl_context=tls,
            )


def _life_s(expires_in: str | float) -> float:
    """The life of a token in seconds, within bounds. Raises ``ValueError`` if it is no number, such as NaN."""
    life_s = float(expires_in)
    if math.isnan(life_s):
        raise ValueError("expires_in is not a number")
    return min(max(life_s, 0.0), _LONGEST_S)


def _secret(value: SecretStr | None) -> str:
    return "" if value is None else value.get_secret_value()


class TokenProvider(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """Gets a token by the client credentials grant (RFC 6749, 4.4), and a new one before it expires."""

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__()
        self._url = settings.kafka_oauth_token_url or ""
        self._scope = settings.kafka_oauth_scope
        self._authorization = aiohttp.encode_basic_auth(
            settings.kafka_oauth_client_id or "", _secret(settings.kafka_oauth_client_secret)
        )
        self._token = ""
        self._until = 0.0

    @override
    async def token(self) -> str:
        if time.monotonic() >= self._until:
            await self._renew()
        return self._token

    async def _renew(self) -> None:
        form = {"grant_type": "client_credentials"} | ({"scope": self._scope} if self._scope else {})
        headers = {"Authorization": self._authorization}
        timeout = aiohttp.ClientTimeout(total=_TOKEN_S)
        try:
            connector = aiohttp.TCPConnector(ssl=tls_to(self._url))
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout, raise_for_status=True) as session,
                session.post(self._url, data=form, headers=headers, allow_redirects=False) as answer,
            ):
                given = orjson.loads(await answer.read())
                token, life_s = str(given["access_token"]), _life_s(given.get("expires_in", _LIFE_S))
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            # Only after an error of its own kind does aiokafka try another connection later.
            raise KafkaError(f"{self._url} gives no token: {type(error).__name__}") from error
        self._token, self._until = token, time.monotonic() + life_s * _EARLY
