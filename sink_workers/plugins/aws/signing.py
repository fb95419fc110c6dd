"""AWS' protocols by our own HTTP client and signatures: a fraction of what aiobotocore costs for an event.

docs/adr/0011-kinesis-by-signature.md and 0031-signatures-of-our-own.md have the figures. What botocore does here is
what one should not write oneself: find this worker's own credentials wherever AWS lets them be (environment, files,
web identity, metadata).
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session
from botocore.utils import normalize_url_path

from sink_workers.plugins.aws.signature import Signable, authorization
from sink_workers.plugins.webhook.client import HttpRequest
from sink_workers.plugins.webhook.dialer import origin_of

# At DEBUG it writes what it signs, session token and all, and what it was answered, which may be a key. Nor is it news
# where a key was found.
logging.getLogger("botocore").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """Whom a request comes from. ``token`` is there where the key is a temporary one."""

    id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    @property
    def secrets(self) -> list[str]:
        """What of it nobody may see."""
        return [self.secret, *([] if self.token is None else [self.token])]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a service of one region is.

    Attributes:
        is_operators: The operator has named the address, so that it may be in the operator's own network.
    """

    service: str
    region: str
    url: str
    is_operators: bool

    def signed(
        self,
        key: AccessKey,
        headers: Mapping[str, str],
        body: bytes,
        *,
        method: str = "POST",
        path: str = "",
        payload: str | None = None,
    ) -> HttpRequest:
        """A request with ``body``, signed with ``key`` for this moment.

        Args:
            key: Whose request it is.
            headers: Without those that sign it.
            body: Bytes.
            method: Of HTTP.
            path: Follows the URL, and is percent-encoded as it goes on the wire.
            payload: SHA-256 of ``body``, in hexadecimal, where it is known already.
        """
        payload = payload or sha256(body).hexdigest()
        sent = dict(headers)
        if key.token is not None:
            sent["X-Amz-Security-Token"] = key.token
        target, _, query = path.partition("?")
        host, base = _place(self.url)
        if self.service == "s3":  # which has paths signed as they are sent, and the body's hash in a header
            sent["X-Amz-Content-SHA256"] = payload
            target = base + target
        else:
            target = quote(normalize_url_path(base + target), safe="/~")
        signable = Signable(method, host, target, query, sent, payload)
        now = datetime.now(UTC)
        sent |= authorization(signable, key.id, key.secret, region=self.region, service=self.service, now=now)
        return HttpRequest(method, self.url + path, sent, body)


@lru_cache(64)
def _place(url: str) -> tuple[str, str]:
    """Of ``url``: the host as the client sends it, letter for letter, and the path."""
    return origin_of(url).shown, urlsplit(url).path or "/"


def endpoint(service: str, region: str, url: str) -> Endpoint:
    """Of ``service``: ``url``, or where AWS' own variables for that send every client (``AWS_ENDPOINT_URL…``)."""
    given = os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or os.environ.get("AWS_ENDPOINT_URL")
    if not given:
        return Endpoint(service, region, url, is_operators=False)
    return Endpoint(service, region, f"{given.rstrip('/')}/", is_operators=True)


async def own_key() -> AccessKey | None:
    """The key of this worker, from where AWS' clients look for one; None where there is none to be had."""
    return await asyncio.to_thread(_own_key)


def _own_key() -> AccessKey | None:
    try:
        found = Session().get_credentials()
        if found is None:
            return None
        key = found.get_frozen_credentials()
    except (BotoCoreError, ClientError):
        return None
    return (
        None
        if key.access_key is None or key.secret_key is None
        else AccessKey(key.access_key, key.secret_key, key.token)
    )
