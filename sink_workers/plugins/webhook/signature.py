"""``X-Twilio-Signature``: HMAC-SHA1 of the requested URL, which carries the SHA-256 of the body."""

import base64
import hashlib
import hmac
from typing import Final

HEADER: Final = "X-Twilio-Signature"
_BODY_HASH: Final = "bodySHA256"


def signed_url(url: str, body: bytes) -> str:
    """``url`` with the hash of ``body`` as its last query parameter: the URL to request and to sign."""
    mark = "&" if "?" in url else "?"
    return f"{url}{mark}{_BODY_HASH}={hashlib.sha256(body).hexdigest()}"


def signature(url: str, token: str) -> str:
    """The header's value for a request of ``url`` by the owner of ``token``, the account's auth token."""
    return base64.b64encode(hmac.digest(token.encode(), url.encode(), "sha1")).decode()
