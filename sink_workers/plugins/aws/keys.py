"""Provides access keys: the subscriber's own, or temporary ones of the role, renewed before they expire."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import orjson

from eventstreams.sinks import RetryLater, RetryReason
from sink_workers.plugins.aws.access import Allowed
from sink_workers.plugins.aws.signing import AccessKey, Endpoint, own_key
from sink_workers.plugins.webhook.client import HttpClient

_LIFE_S: Final = 3600  # the longest that AWS allows if a role assumes another; also AWS's default
_SPARE_S: Final = 300.0  # a key is renewed this long before it expires, but not before half its life
_AGAIN_S: Final = 5.0  # between attempts to renew a key that is still valid
_YOUNG_S: Final = 1.0  # a destination that refuses every key costs one fetch a second
_NAMES: Final = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
_CLOSED: Final = RetryLater(RetryReason.SINK_UNUSABLE, "the sink was closed in the meantime")


class Keys(Protocol):
    """Provides the key for a sink's requests."""

    async def key(self, *, refused: AccessKey | None = None) -> AccessKey | RetryLater:
        """The current key, or why there is none. ``refused``: a key that was just refused."""

    async def aclose(self) -> None:
        """Cancel a request for a key that is under way."""


@dataclass(frozen=True, slots=True)
class GivenKey:
    """The subscriber's own key. It cannot be renewed."""

    given: AccessKey

    async def key(self, *, refused: AccessKey | None = None) -> AccessKey | RetryLater:  # noqa: ARG002 - of the protocol
        return self.given

    async def aclose(self) -> None:
        """There is nothing to cancel."""


@dataclass(frozen=True, slots=True)
class _Temporary:
    """A temporary key: when it was fetched, is to be renewed, and expires, by the monotonic clock."""

    key: AccessKey
    fetched_s: float
    renew_s: float
    ends_s: float


class RoleKeys:
    """The temporary keys of one sink's role. Concurrent callers share one request.

    It owns ``client``, and closes it.
    """

    def __init__(
        self,
        assume: bytes,
        client: HttpClient,
        sts: Endpoint,
        *,
        user_agent: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``assume``: the body of a request made by ``assume_role``."""
        self._body = assume
        self._headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": user_agent}
        self._client = client
        self._sts = sts
        self._clock = clock
        self._held: _Temporary | None = None
        self._fetching: asyncio.Task[_Temporary | RetryLater] | None = None

    async def key(self, *, refused: AccessKey | None = None) -> AccessKey | RetryLater:
        """A key that is valid for a while, or why there is none.

        Args:
            refused: A key that was just refused. It is not returned again, unless it is less than a second old: then a
                new one would be refused as well.
        """
        held, now_s = self._held, self._clock()
        usable = held if held is not None and now_s < held.ends_s else None
        if usable is not None and usable.key == refused and now_s - usable.fetched_s >= _YOUNG_S:
            usable = None
        if usable is not None and now_s < usable.renew_s:
            return usable.key
        fetched = await self._fetch_once()
        if isinstance(fetched, _Temporary):
            return fetched.key
        if usable is None:
            return fetched
        self._held = _Temporary(usable.key, usable.fetched_s, self._clock() + _AGAIN_S, usable.ends_s)
        return usable.key

    async def aclose(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])
        await self._client.aclose()

    async def _fetch_once(self) -> _Temporary | RetryLater:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch(), name="aws role")
            self._fetching.add_done_callback(self._fetched)
        fetching = self._fetching
        await asyncio.wait([fetching])  # a caller that is cancelled does not cancel it for the others
        return _CLOSED if fetching.cancelled() else fetching.result()

    async def _fetch(self) -> _Temporary | RetryLater:
        own = await own_key()
        if own is None:
            return RetryLater(RetryReason.ROLE_REFUSED, "this worker has no AWS credentials to assume the role with")
        answer = await self._client.exchange(self._sts.signed(own, self._headers, self._body))
        if isinstance(answer, RetryLater):
            return RetryLater(RetryReason.ROLE_REFUSED, f"the role could not be assumed: {answer.detail}")
        return read_role(answer.status, answer.body, now_s=self._clock(), now=datetime.now(UTC))

    def _fetched(self, task: "asyncio.Task[_Temporary | RetryLater]") -> None:
        self._fetching = None
        if not task.cancelled() and task.exception() is None:
            result = task.result()
            self._held = result if isinstance(result, _Temporary) else self._held


def assume_role(role_arn: str, external_id: str, *, session: str, allowed: Allowed) -> bytes:
    """The body of an ``AssumeRole`` request for keys that are restricted to ``allowed``."""
    statements: list[Mapping[str, object]] = [
        {"Effect": "Allow", "Action": actions, "Resource": resource} for actions, resource in allowed
    ]
    form = {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": role_arn,
        "ExternalId": external_id,
        "RoleSessionName": f"eventstreams-{session}",
        "DurationSeconds": str(_LIFE_S),
        "Policy": orjson.dumps({"Version": "2012-10-17", "Statement": statements}).decode(),
    }
    return urlencode(form).encode()


def read_role(status: int, body: bytes, *, now_s: float, now: datetime) -> _Temporary | RetryLater:
    """The key in an answer to ``AssumeRole``, or what is wrong; of the answer, only AWS's error code is repeated."""
    try:
        root = ET.fromstring(body)  # noqa: S314 - from STS, or a server that the operator put in its place
    except ET.ParseError:
        root = ET.Element("nothing")
    if status != HTTPStatus.OK:
        code = (root.findtext(".//{*}Error/{*}Code") or "")[:100]
        return _refused(f"HTTP {status} {code}".strip())
    values = [root.findtext(f".//{{*}}Credentials/{{*}}{name}") or "" for name in _NAMES]
    if not all(values):
        return _refused("the answer has no credentials")
    key_id, secret, token, until = values
    try:
        life_s = (datetime.fromisoformat(until) - now).total_seconds()
    except (ValueError, TypeError):
        return _refused("the credentials in the answer have no valid expiry time")
    life_s = min(life_s, float(_LIFE_S))
    return _Temporary(
        AccessKey(key_id, secret, token), now_s, now_s + life_s - min(_SPARE_S, life_s / 2), now_s + life_s
    )


def _refused(what: str) -> RetryLater:
    return RetryLater(RetryReason.ROLE_REFUSED, f"the role could not be assumed: {what}")
