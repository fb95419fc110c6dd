"""Sends signed requests to one service with the sink's key, and with a new key if that one is refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from ipaddress import ip_network
from typing import Final

from eventstreams.sinks import DestinationGuard, RetryLater, SinkContext
from sink_workers.plugins.aws.access import TIMEOUT_S, Access, Allowed, url_of
from sink_workers.plugins.aws.keys import GivenKey, Keys, RoleKeys, assume_role
from sink_workers.plugins.aws.refusal import Refusal
from sink_workers.plugins.aws.signing import AccessKey, Endpoint, endpoint
from sink_workers.plugins.webhook.answer import excerpt
from sink_workers.plugins.webhook.client import Answer, HttpClient

_ANSWER_BYTES: Final = 1 << 20  # PutRecords' 500 entries are 60 KB, or 200 KB if each is an error with its message
_ANYWHERE: Final = DestinationGuard((ip_network("0.0.0.0/0"), ip_network("::/0")))
_SHOWN: Final = 4096  # bytes of an answer that secrets are removed from, before at most 1 KiB is shown


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls a service for one sink. ``code_of`` extracts AWS's error code from the body of an answer."""

    service: Endpoint
    client: HttpClient
    keys: Keys
    user_agent: str
    code_of: Callable[[bytes], str]

    async def call(
        self,
        headers: Mapping[str, str],
        body: bytes,
        *,
        method: str = "POST",
        path: str = "",
        payload: str | None = None,
    ) -> Answer | Refusal | RetryLater:
        """Send a request; return the answer if its status is 200, else why there is none.

        See ``Endpoint.signed`` for the arguments.
        """
        key = await self.keys.key()
        if isinstance(key, RetryLater):
            return key
        headers = {**headers, "User-Agent": self.user_agent}
        exchange = partial(self._exchange, headers=headers, body=body, method=method, path=path, payload=payload)
        answer = await exchange(key)
        if not isinstance(answer, Refusal) or not answer.is_about_the_key:
            return answer
        other = await self.keys.key(refused=key)
        if isinstance(other, RetryLater):
            return other
        return answer if other == key else await exchange(other)

    async def aclose(self) -> None:
        await self.keys.aclose()
        await self.client.aclose()

    async def _exchange(
        self, key: AccessKey, headers: Mapping[str, str], body: bytes, *, method: str, path: str, payload: str | None
    ) -> Answer | Refusal | RetryLater:
        request = self.service.signed(key, headers, body, method=method, path=path, payload=payload)
        answer = await self.client.exchange(request)
        if isinstance(answer, RetryLater) or answer.status == HTTPStatus.OK:
            return answer
        return Refusal(answer.status, self.code_of(answer.body), excerpt(answer.body[:_SHOWN], key.secrets))


def caller(
    service: Endpoint, access: Access, context: SinkContext, *, allowed: Allowed, code_of: Callable[[bytes], str]
) -> Caller:
    """Create a caller of ``service`` with the credentials in ``access``. Sends nothing yet.

    If they are a role's, its keys are restricted to ``allowed``.
    """
    keys = _keys(service.region, access, allowed, context)
    return Caller(service, _client(service, context), keys, context.user_agent, code_of)


def _keys(region: str, access: Access, allowed: Allowed, context: SinkContext) -> Keys:
    if access.access_key_id is not None and access.secret_access_key is not None:
        return GivenKey(AccessKey(access.access_key_id, access.secret_access_key.get_secret_value()))
    sts = endpoint("sts", region, url_of("sts", region))
    assume = assume_role(access.role_arn or "", access.external_id or "", session=context.sink_sid, allowed=allowed)
    return RoleKeys(assume, _client(sts, context), sts, user_agent=context.user_agent)


def _client(service: Endpoint, context: SinkContext) -> HttpClient:
    """An HTTP client that connects to public addresses only, unless the operator has set the service's address."""
    guard = _ANYWHERE if service.is_operators else context.guard
    return HttpClient(guard, timeout_s=TIMEOUT_S, body_bytes=_ANSWER_BYTES, body_s=TIMEOUT_S)
