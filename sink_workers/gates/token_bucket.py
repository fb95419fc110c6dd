"""A token bucket: limits the rate of events, with bursts of one second's worth. Pure."""

from typing import Final

_BURST_S: Final = 1.0  # how much an idle sink may get at once


class TokenBucket:
    """A bucket whose rate may change from call to call. Times are in ms of any steady clock."""

    def __init__(self, now_ms: int) -> None:
        self._tokens: float | None = None  # full, whatever its size
        self._filled_ms = now_ms

    def take(self, events: int, rate: float | None, now_ms: int, *, debt: float = 0.0) -> bool:
        """Whether ``events`` may go now, and if so count them.

        Args:
            events: The size of the batch. One that exceeds the bucket may go once the bucket is full, and leaves it
                with a debt.
            rate: Events a second; None: unlimited.
            now_ms: The current time.
            debt: How far below zero the bucket may already be for this batch, in events.
        """
        if rate is None:
            self._tokens = None
            return True
        self._fill(rate, now_ms)
        assert self._tokens is not None
        if self._tokens + debt < min(events, _size(rate)):
            return False
        self._tokens -= events
        return True

    def wait_ms(self, events: int, rate: float | None, now_ms: int) -> int:
        """How long, in ms, until ``take`` would return True, if nothing else is taken meanwhile."""
        if rate is None:
            return 0
        self._fill(rate, now_ms)
        assert self._tokens is not None
        missing = min(events, _size(rate)) - self._tokens
        return max(0, int(missing / rate * 1000) + 1) if missing > 0 else 0

    def _fill(self, rate: float, now_ms: int) -> None:
        size = _size(rate)
        passed_s = max(now_ms - self._filled_ms, 0) / 1000
        self._tokens = size if self._tokens is None else min(self._tokens + passed_s * rate, size)
        self._filled_ms = now_ms


def _size(rate: float) -> float:
    return max(rate * _BURST_S, 1.0)
