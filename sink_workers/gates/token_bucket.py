"""A token bucket: no more than a rate of events, with a second's worth at once. Pure."""

from typing import Final

_BURST_S: Final = 1.0  # what a sink that was idle may get at once


class TokenBucket:
    """Counts events against a rate that may change from call to call. Times are in ms of any steady clock."""

    def __init__(self, now_ms: int) -> None:
        self._tokens: float | None = None  # a full bucket, of whatever size
        self._filled_ms = now_ms

    def take(self, events: int, rate: float | None, now_ms: int, *, debt: float = 0.0) -> bool:
        """Whether ``events`` may go now, and if so count them.

        Args:
            events: How many, in one batch. A batch above the bucket's size goes when the bucket is full; it is paid
                for afterwards.
            rate: Events a second; None: without limit.
            now_ms: The time.
            debt: How many events below zero the bucket may be for this one.
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
        """How long until ``take`` says yes, if nobody else takes."""
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
