"""Verifies a request's signatures, as docs/sinks/webhook.md tells receivers to do. Pure."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TWILIO: Final = "X-Twilio-Signature"
_STANDARD: Final = "webhook-signature"
_HMAC: Final = "whsec_"
_PUBLIC: Final = "whpk_"
_AGE_S: Final = 300  # as in the specification's own libraries
_PUBLIC_BYTES: Final = 32
_LONGEST_STAMP: Final = 12


class Verdict(StrEnum):
    """The result of verification. ``unchecked``: there is no secret to verify with."""

    GENUINE = "genuine"
    WRONG = "wrong"
    MISSING = "missing"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Known:
    """What requests are verified with.

    Attributes:
        token: The account's auth token; None if it is not known.
        standard: The sink's ``whsec_…`` or ``whpk_…``; None if it does not use Standard Webhooks.
        url: The URL that the sink delivers to; None: that of the request.
    """

    token: str | None = field(default=None, repr=False)
    standard: str | None = field(default=None, repr=False)
    url: str | None = None


def check_secret(text: str) -> str:
    """Return ``text`` if Standard Webhooks can be verified with it; else raise ``ValueError``, without quoting it."""
    if text.startswith(_HMAC) and _decoded(text.removeprefix(_HMAC)):
        return text
    public = _decoded(text.removeprefix(_PUBLIC)) if text.startswith(_PUBLIC) else None
    if public is not None and len(public) == _PUBLIC_BYTES:
        return text
    raise ValueError(f"it must be {_HMAC}… or {_PUBLIC}…, as GET /v1/Sinks/DG…/SigningSecret shows it")


def verdict(known: Known, url: str, headers: Mapping[str, str], body: bytes, *, now_s: float) -> Verdict:
    """The verdict on all signatures that can be verified: if one is wrong or missing, that decides."""
    found = [
        Verdict.UNCHECKED if known.token is None else twilio(known.token, known.url, url, headers.get(TWILIO), body),
        Verdict.UNCHECKED if known.standard is None else standard_webhooks(known.standard, headers, body, now_s=now_s),
    ]
    return next(each for each in (Verdict.WRONG, Verdict.MISSING, Verdict.GENUINE, Verdict.UNCHECKED) if each in found)


def twilio(token: str, sink_url: str | None, url: str, given: str | None, body: bytes) -> Verdict:
    """Verify ``X-Twilio-Signature`` of a request to ``url``; ``sink_url``: the original URL, if a proxy changes it."""
    if given is None:
        return Verdict.MISSING
    if sink_url is not None:
        query = urlsplit(url).query
        hashed = query.rpartition("&")[2]
        url = f"{sink_url}{'&' if '?' in sink_url else '?'}{hashed}"
    said = urlsplit(url).query.rpartition("&")[2]
    right = f"bodySHA256={hashlib.sha256(body).hexdigest()}"
    signed = base64.b64encode(hmac.digest(token.encode(), url.encode(errors="replace"), "sha1"))
    is_right = hmac.compare_digest(signed, given.encode(errors="replace"))
    return Verdict.GENUINE if is_right and said == right else Verdict.WRONG


def standard_webhooks(secret: str, headers: Mapping[str, str], body: bytes, *, now_s: float) -> Verdict:
    """Verify Standard Webhooks: one of the signatures must be right, and the time within five minutes of now."""
    given, stamp = headers.get(_STANDARD), headers.get("webhook-timestamp", "")
    if given is None:
        return Verdict.MISSING
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= _LONGEST_STAMP):
        return Verdict.WRONG
    if abs(now_s - int(stamp)) > _AGE_S:
        return Verdict.WRONG
    message_id = headers.get("webhook-id", "")
    content = b"%b.%b.%b" % (message_id.encode(errors="replace"), stamp.encode(), body)
    is_right = _hmac_is_right if secret.startswith(_HMAC) else _ed25519_is_right
    return Verdict.GENUINE if is_right(secret, content, given.split()) else Verdict.WRONG


def _hmac_is_right(secret: str, content: bytes, given: Sequence[str]) -> bool:
    key = _decoded(secret.removeprefix(_HMAC)) or b""
    right = b"v1," + base64.b64encode(hmac.digest(key, content, "sha256"))
    return any(hmac.compare_digest(right, each.encode(errors="replace")) for each in given)


def _ed25519_is_right(public: str, content: bytes, given: Sequence[str]) -> bool:
    key = Ed25519PublicKey.from_public_bytes(_decoded(public.removeprefix(_PUBLIC)) or b"")
    for each in given:
        version, _, signature = each.partition(",")
        try:
            if version == "v1a":
                key.verify(_decoded(signature) or b"", content)
                return True
        except InvalidSignature:
            continue
    return False


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
