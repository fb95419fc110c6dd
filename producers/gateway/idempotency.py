"""``Idempotency-Key``: a request that is sent again, to whichever gateway, gives its events the ids of the first time.

Nothing is remembered, so there is nothing to lose, to expire or to share. Ids are made of the key: a repeated request
puts its events on the topic again, under the same ids, and whoever receives them drops what it has seen, as it must
anyway where delivery is at least once.
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
    """The request's key; None where it has none. A key in quotation marks, as the draft standard has it, is the same.

    Raises:
        RefusedError: there are several keys, or what is there is none.
    """
    found = headers.getall(HEADER, [])
    if not found:
        return None
    key = found[0].strip().removeprefix('"').removesuffix('"')
    if len(found) > 1 or not _KEY.fullmatch(key):
        raise RefusedError(f"{HEADER} must be given once, with 1 to 255 visible ASCII characters, such as a UUID")
    return key


def id_from_key(key: str, event: Event, *, position: int) -> str:
    """The id of an event that came without one, at ``position`` of a request with ``key``.

    Account, type and source are part of it, so that a key that is used again by mistake, for other events, does not
    make two events look like one.
    """
    parts = (event.account_sid, key, str(position), event.type, event.source)
    digest = hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()
    return f"{SidKind.EVENT}{digest[:32]}"
