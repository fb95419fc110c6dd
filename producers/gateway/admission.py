"""How much the gateway takes on at a time. Who comes when it is full is refused at once, never kept waiting.

An owner and its subaccounts have half of it at most, where there are others: whoever sends too much, or slowly, leaves
room for them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs

from eventstreams.http import RefusedError

_RETRY_AFTER_S: Final = "1"  # requests take some ten milliseconds: room comes back soon, or not for long


_SHARE: Final = 2  # one owner's of several is the whole, divided by this


class Admission:
    """Counts requests under way and the bytes of their bodies, of all and of each owner."""

    def __init__(
        self,
        *,
        max_requests: int,
        max_bytes: int,
        is_alone: Callable[[], bool] = lambda: False,
        what: str = "events",
    ) -> None:
        """``is_alone`` tells whether there is one owner in all, for whom it is the whole then; ``what`` is under way.

        Once there is a second one, the first has what it had until that ends, and gets no more before it is below half.
        """
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._is_alone = is_alone
        self._what = what
        self.requests: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()

    @contextmanager
    def admit(self, owner_sid: str, size: int) -> Iterator[None]:
        """Hold ``size`` bytes of ``owner_sid`` meanwhile.

        Raises:
            RefusedError: 429, there is no room; says when to come back.
        """
        if self.requests.total() >= self._max_requests or self.bytes.total() + size > self._max_bytes:
            raise too_many(f"Too many {self._what} are in progress: send them again later, or more slowly")
        own_requests, own_bytes = self.requests[owner_sid], self.bytes[owner_sid]
        share = 1 if self._is_alone() else _SHARE
        if own_requests >= self._max_requests // share or own_bytes + size > self._max_bytes // share:
            raise too_many(f"The account has too many {self._what} in progress: send them again later, or more slowly")
        self.requests[owner_sid] += 1
        self.bytes[owner_sid] += size
        try:
            yield
        finally:
            self.bytes[owner_sid] -= size
            self.requests[owner_sid] -= 1
            if not self.requests[owner_sid]:
                del self.requests[owner_sid], self.bytes[owner_sid]


def too_many(message: str, *, details: Mapping[str, object] | None = None) -> RefusedError:
    """429 with ``Retry-After``."""
    return RefusedError(
        message,
        status=HTTPStatus.TOO_MANY_REQUESTS,
        details=details,
        headers={hdrs.RETRY_AFTER: _RETRY_AFTER_S},
    )
