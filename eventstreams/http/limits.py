"""Rate limits: a token bucket for each of many keys, in bounded memory. Pure."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs

from eventstreams.http.errors import RefusedError

_ROUNDING_S: Final = 1e-6


class RateLimiter:
    """A token bucket for each key, kept as the one time at which it will be full again (GCRA).

    Counts in this process alone: several copies of a role let through that many times as much.
    """

    def __init__(
        self, *, per_s: float, burst: float, most_keys: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start with full buckets.

        Args:
            per_s: Tokens added to a bucket per second.
            burst: Tokens that a bucket holds.
            most_keys: Buckets kept. The least recently used one is dropped first, and is full when its key comes back.
            clock: A monotonic clock, in seconds.
        """
        self._each_s = 1 / per_s
        self._full_s = burst / per_s
        self._most_keys = most_keys
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Seconds until ``key`` has a token; 0 if it has one now. Takes nothing."""
        wait_s = self._full_at.get(key, 0.0) - self._clock() + self._each_s - self._full_s
        return wait_s if wait_s > _ROUNDING_S else 0.0

    def take(self, key: str) -> float:
        """Like ``wait_s``, but take a token if that is 0."""
        wait_s = self.wait_s(key)
        if wait_s == 0.0:
            self._full_at[key] = max(self._full_at.get(key, 0.0), self._clock()) + self._each_s
            self._full_at.move_to_end(key)
            if len(self._full_at) > self._most_keys:
                self._full_at.popitem(last=False)
        return wait_s

    def __len__(self) -> int:
        return len(self._full_at)


def too_often(message: str, *, wait_s: float, details: Mapping[str, object] | None = None) -> RefusedError:
    """429, code 20429, with ``Retry-After`` in whole seconds."""
    return RefusedError(
        message,
        status=HTTPStatus.TOO_MANY_REQUESTS,
        details=details,
        headers={hdrs.RETRY_AFTER: str(max(math.ceil(wait_s), 1))},
    )
