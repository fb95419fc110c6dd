"""How much the gateway takes on at a time. Who comes when it is full is refused at once, never kept waiting."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs

from eventstreams.http import RefusedError

_RETRY_AFTER_S: Final = "1"  # requests take some ten milliseconds: room comes back soon, or not for long


class Admission:
    """Counts requests under way and the bytes of their bodies."""

    def __init__(self, *, max_requests: int, max_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self.requests = 0
        self.bytes = 0

    @contextmanager
    def admit(self, size: int) -> Iterator[None]:
        """Hold ``size`` bytes meanwhile.

        Raises:
            RefusedError: 429, there is no room; says when to come back.
        """
        if self.requests >= self._max_requests or self.bytes + size > self._max_bytes:
            raise too_many("Too many events are under way: send them again later, or slower")
        self.requests += 1
        self.bytes += size
        try:
            yield
        finally:
            self.requests -= 1
            self.bytes -= size


def too_many(message: str, *, details: Mapping[str, object] | None = None) -> RefusedError:
    """429 with ``Retry-After``."""
    return RefusedError(
        message,
        status=HTTPStatus.TOO_MANY_REQUESTS,
        details=details,
        headers={hdrs.RETRY_AFTER: _RETRY_AFTER_S},
    )
