"""Checks the headers that a subscriber adds to requests. Pure."""

import re
from collections.abc import Mapping
from typing import Final

_MAX_HEADERS: Final = 32
_MAX_BYTES: Final = 8192  # of all headers together: servers commonly take 8 KiB, for one or for all
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # token: RFC 9110, 5.6.2
_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?|")  # field-value without obs-text: 5.5
_OURS: Final = frozenset(
    {
        # These say how the message is framed and where it goes, which only we know (RFC 9110, 9112) …
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        # … and these authenticate it.
        "signature",
        "signature-input",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
        "x-twilio-signature",
    }
)


def check_headers(headers: Mapping[str, str]) -> None:
    """Check that all ``headers`` can be sent.

    Raises:
        ValueError: one cannot. The message contains no header's value.
    """
    if len(headers) > _MAX_HEADERS:
        raise ValueError(f"there are {len(headers)} headers: at most {_MAX_HEADERS} are allowed")
    size = 0
    seen: set[str] = set()
    for position, (name, value) in enumerate(headers.items(), 1):
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"the name of header {position} is not an HTTP token: use 1 to 128 letters, digits and !#$%&'*+-.^_`|~"
            )
        if name.lower() in _OURS:
            raise ValueError(f"{name} cannot be given: it is set by us for each request")
        if name.lower() in seen:
            raise ValueError(f"{name} is given twice: header names are case-insensitive")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"the value of {name} must be printable ASCII without spaces at its ends")
        seen.add(name.lower())
        size += len(name) + len(value)
    if size > _MAX_BYTES:
        raise ValueError(f"they have {size} bytes: at most {_MAX_BYTES} are allowed, names and values together")
