"""Limits the rate of a job. Pure: it gets the time, and says how long to wait."""

from typing import Final

MIN_RATE: Final = 1
MAX_RATE: Final = 5000
DEFAULT_RATE: Final = 50  # events a second: what a small webhook can take in addition to its new events
_CHUNKS_A_SECOND: Final = 4
_MAX_CHUNK: Final = 500


def chunk_of(rate: int) -> int:
    """How many events to write in one transaction: a quarter of a second's worth, so that the rate is even."""
    return min(max(rate // _CHUNKS_A_SECOND, 1), _MAX_CHUNK)


class Pace:
    """In any period of *t* seconds, at most ``rate`` · *t* events plus one chunk pass."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._free_s = 0.0

    def wait_s(self, events: int, *, now_s: float) -> float:
        """How many seconds ``events`` events have to wait; they count as passed after that."""
        begin_s = max(self._free_s, now_s)
        self._free_s = begin_s + events / self._rate
        return begin_s - now_s
