"""Limits what the gateway handles at a time. When it is full, requests are refused at once, never kept waiting.

An owner and its subaccounts get at most half of it if there are other owners, so that one that sends too much, or
slowly, leaves room for them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs

from eventstreams.http import RefusedError

_RETRY_AFTER_S: Final = "1"  # requests take some ten milliseconds: there is room again soon, or not for a long time


_SHARE: Final = 2  # divides the whole to give one owner's share if there are several


class Admission:
    """Counts requests in progress and the bytes of their bodies, in total and by owner."""

    def __init__(
        self,
        *,
        max_requests: int,
        max_bytes: int,
        is_alone: Callable[[], bool] = lambda: False,
        what: str = "events",
    ) -> None:
        """``is_alone`` returns whether there is only one owner, who may then use everything; ``what``: for error texts.

        When a second owner appears, the requests of the first continue, but it gets no more until it is below half.
        """
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._is_alone = is_alone
        self._what = what
        self.requests: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()

    @contextmanager
    def admit(self, owner_sid: str, size: int) -> Iterator[None]:
        """Count a request of ``owner_sid`` with ``size`` bytes while inside.

        Raises:
            RefusedError: 429, there is no room; with ``Retry-After``.
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
