"""``X-Twilio-Signature``: HMAC-SHA1 of the requested URL, which carries the SHA-256 of the body."""

import binascii
import hashlib
import hmac
from collections.abc import Callable
from typing import Final

HEADER: Final = "X-Twilio-Signature"
_BODY_HASH: Final = "bodySHA256"


def signed_url(url: str, body: bytes) -> str:
    """``url`` with the hash of ``body`` as its last query parameter: the URL to request and to sign."""
    mark = "&" if "?" in url else "?"
    return f"{url}{mark}{_BODY_HASH}={hashlib.sha256(body).hexdigest()}"


def signer(token: str) -> Callable[[str], str]:
    """Return a function from a request's URL to the header's value, keyed with ``token``, the account's auth token.

    The key is prepared only once: that is half of the work.
    """
    keyed = hmac.new(token.encode(), digestmod="sha1")

    def sign(url: str) -> str:
        mac = keyed.copy()
        mac.update(url.encode())
        return binascii.b2a_base64(mac.digest(), newline=False).decode()

    return sign
