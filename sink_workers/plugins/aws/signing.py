"""Signs requests to AWS for our own HTTP client, at a fraction of what aiobotocore costs per event.

docs/adr/0011-kinesis-by-signature.md and 0031-signatures-of-our-own.md have the figures. botocore is used only for what
one should not write oneself: finding this worker's own credentials wherever AWS allows them to be (environment, files,
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

# At DEBUG, it logs what it signs, session token included, and the answers, which may contain a key. At INFO, it logs
# where it found a key, which is no news.
logging.getLogger("botocore").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """The credentials of a request. ``token``: the session token of a temporary key."""

    id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    @property
    def secrets(self) -> list[str]:
        """The parts that nobody may see."""
        return [self.secret, *([] if self.token is None else [self.token])]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a service in one region.

    Attributes:
        service: AWS's name for it, as in signatures.
        region: The region.
        url: Where it is; ends with a slash.
        is_operators: Whether the operator has set the address, so that it may be in the operator's own network.
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
        """Build a request with ``body``, signed with ``key`` at the current time.

        Args:
            key: The key to sign with.
            headers: The headers, without those of the signature.
            body: The body.
            method: The HTTP method.
            path: Path and query, appended to the URL; percent-encoded as on the wire.
            payload: SHA-256 of ``body``, in hexadecimal, if it is known already.
        """
        payload = payload or sha256(body).hexdigest()
        sent = dict(headers)
        if key.token is not None:
            sent["X-Amz-Security-Token"] = key.token
        target, _, query = path.partition("?")
        host, base = _place(self.url)
        if self.service == "s3":  # S3 signs paths as they are sent, and wants the body's hash in a header
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
    """The host of ``url``, exactly as the client sends it, and its path."""
    return origin_of(url).shown, urlsplit(url).path or "/"


def endpoint(service: str, region: str, url: str) -> Endpoint:
    """The endpoint of ``service``: ``url``, or what AWS's own variables say (``AWS_ENDPOINT_URL…``)."""
    given = os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or os.environ.get("AWS_ENDPOINT_URL")
    if not given:
        return Endpoint(service, region, url, is_operators=False)
    return Endpoint(service, region, f"{given.rstrip('/')}/", is_operators=True)


async def own_key() -> AccessKey | None:
    """This worker's own key, found as AWS's clients find theirs; None if there is none."""
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
