"""Computes AWS Signature Version 4. Pure; the tests compare it with botocore's.

docs/adr/0031-signatures-of-our-own.md says why botocore does not do it.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_KEYS: Final = 64  # signing keys that are cached, each valid for a day; with more sinks, some are derived again
_END: Final = "aws4_request"
# Headers that proxies may change.
_UNSIGNED: Final = frozenset({"expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"})


@dataclass(frozen=True, slots=True)
class Signable:
    """The parts of a request that are signed.

    Attributes:
        method: The HTTP method.
        host: As in the Host header.
        path: Percent-encoded.
        query: Percent-encoded, without the question mark.
        headers: Those that are sent, without Host and without duplicates.
        payload: SHA-256 of the body, in hexadecimal.
    """

    method: str
    host: str
    path: str
    query: str
    headers: Mapping[str, str]
    payload: str


def authorization(
    request: Signable, key_id: str, secret: str, *, region: str, service: str, now: datetime
) -> Mapping[str, str]:
    """The headers ``X-Amz-Date`` and ``Authorization`` for ``request``; ``now`` is in UTC."""
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    day = stamp[:8]
    signed = {"host": request.host, "x-amz-date": stamp}
    for name, value in request.headers.items():
        if (lower := name.lower()) not in _UNSIGNED:
            signed[lower] = " ".join(value.split())
    names = sorted(signed)
    listed = ";".join(names)
    lines = [request.method, request.path, _in_order(request.query)]
    lines += [f"{name}:{signed[name]}" for name in names]
    lines += ["", listed, request.payload]
    scope = f"{day}/{region}/{service}/{_END}"
    digest = sha256("\n".join(lines).encode()).hexdigest()
    text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}"
    signature = _hmac(_signing_key(secret, day, region, service), text).hex()
    given = f"{_ALGORITHM} Credential={key_id}/{scope}, SignedHeaders={listed}, Signature={signature}"
    return {"X-Amz-Date": stamp, "Authorization": given}


def _in_order(query: str) -> str:
    if not query:
        return ""
    return "&".join(
        [f"{name}={value}" for name, value in sorted(each.partition("=")[::2] for each in query.split("&"))]
    )


@lru_cache(_KEYS)
def _signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, _END):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    # Not `hmac.digest`, which releases the GIL: a thread that compresses objects would then hold it for milliseconds.
    return hmac.new(key, text.encode(), sha256).digest()
