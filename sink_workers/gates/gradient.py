"""How many attempts beyond the usual a sink gets: as many as do not make it slower. Pure; in ms of a steady clock.

It is the gradient of Netflix' concurrency-limits, with what every sink gets as its floor. After each round of attempts

    limit = limit * min(1, 1.5 * time at the floor / time now) + root of limit

so it grows while the sink takes about as long as it did at the floor, and stays or falls where it takes longer. Once a
minute it goes back to the floor for a moment, to learn how long the sink takes there now.
"""

import math
from typing import Final

USUAL: Final = 64
"""Attempts side by side that a sink gets, however long it takes, as long as it takes them: the floor."""

_TOLERANCE: Final = 1.5  # times of single rounds are uncertain by a third where those of attempts differ widely
_LEAST: Final = 0.5  # of the limit, after one round
_SAMPLES: Final = 2 * USUAL  # for the time at the floor, with which all others are compared
_AGAIN_MS: Final = 60_000


class Gradient:
    """Of one sink."""

    def __init__(self) -> None:
        self._usual_ms: float | None = None  # how long the sink takes at the floor
        self._found_ms = 0
        self._back_to = 0.0  # the limit before it went back to the floor
        self._begin_round(-1)

    def cut(self, now_ms: int) -> None:
        """The limit was lowered, for another reason than slowness."""
        self._back_to = 0.0
        self._begin_round(now_ms)

    def next_limit(self, limit: float, *, began_ms: int, now_ms: int, cautious: bool) -> float:
        """The limit from now on.

        Args:
            limit: Until now, ``USUAL`` at least.
            began_ms: When an attempt began that the sink has taken, with as many under way as ``limit`` allowed.
            now_ms: When it ended.
            cautious: Whether the sink has ever said that it gets too much: then the limit grows by one a round.
        """
        if began_ms <= self._round_ms:
            return limit  # by another limit
        self._sum_ms += now_ms - began_ms
        self._count += 1
        at_floor = limit <= USUAL or self._usual_ms is None
        if self._count < (_SAMPLES if at_floor else limit / 2):  # half of a round tells as much, and sooner
            return limit
        mean_ms = max(self._sum_ms / self._count, 1.0)  # the clock tells no less
        self._begin_round(now_ms)
        if at_floor or self._usual_ms is None:
            self._usual_ms, self._found_ms = mean_ms, now_ms
            limit, self._back_to, slope = max(limit, self._back_to), 0.0, 1.0
        elif now_ms - self._found_ms > _AGAIN_MS:
            self._back_to = limit
            return float(USUAL)
        else:
            slope = min(max(_TOLERANCE * self._usual_ms / mean_ms, _LEAST), 1.0)
        return max(limit * slope + (1.0 if cautious else math.sqrt(limit)), float(USUAL))

    def _begin_round(self, now_ms: int) -> None:
        self._round_ms, self._sum_ms, self._count = now_ms, 0, 0
