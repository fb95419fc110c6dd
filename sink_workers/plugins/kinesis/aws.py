"""AWS' protocol by botocore's signatures and our own HTTP client: a quarter of what aiobotocore costs for an event.

docs/adr/0011-kinesis-by-signature.md has the figures. What botocore does here is what one should not write oneself:
sign, and find this worker's own credentials wherever AWS lets them be (environment, files, web identity, metadata).
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from sink_workers.plugins.webhook.client import HttpRequest

# At DEBUG it writes what it signs, session token and all, and what it was answered, which may be a key.
logging.getLogger("botocore").setLevel(logging.INFO)


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

    def signed(self, key: AccessKey, headers: Mapping[str, str], body: bytes) -> HttpRequest:
        """A POST with ``body``, signed with ``key`` for this moment."""
        request = AWSRequest("POST", self.url, data=body, headers=dict(headers))
        SigV4Auth(Credentials(key.id, key.secret, key.token), self.service, self.region).add_auth(request)
        return HttpRequest("POST", self.url, dict(request.headers.items()), body)


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
