"""``Idempotency-Key``: a request that is repeated, at any gateway, gives its events the same ids as the first time.

Nothing is stored, so nothing can be lost, expire or need sharing. Ids are derived from the key: a repeated request
publishes its events again under the same ids, and receivers drop what they have seen, as they must anyway with
at-least-once delivery.
"""

import hashlib
import re
from typing import Final

from multidict import CIMultiDictProxy

from eventstreams.events import Event
from eventstreams.http import RefusedError
from eventstreams.sids import SidKind

HEADER: Final = "Idempotency-Key"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")  # a UUID has 36


def idempotency_key(headers: CIMultiDictProxy[str]) -> str | None:
    """The request's key; None if it has none. Quotation marks around it, as in the draft standard, are ignored.

    Raises:
        RefusedError: there are several keys, or the key is invalid.
    """
    found = headers.getall(HEADER, [])
    if not found:
        return None
    key = found[0].strip().removeprefix('"').removesuffix('"')
    if len(found) > 1 or not _KEY.fullmatch(key):
        raise RefusedError(f"{HEADER} must be given once, with 1 to 255 visible ASCII characters, such as a UUID")
    return key


def id_from_key(key: str, event: Event, *, position: int) -> str:
    """The id for an event without one, at ``position`` of a request with ``key``.

    It also depends on account, type and source, so that a key reused by mistake for other events does not make two
    events look like one.
    """
    parts = (event.account_sid, key, str(position), event.type, event.source)
    digest = hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()
    return f"{SidKind.EVENT}{digest[:32]}"
