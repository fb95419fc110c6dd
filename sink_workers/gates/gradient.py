"""How many concurrent attempts beyond the usual a sink gets: as many as do not slow it down. Pure.

This is the gradient algorithm of Netflix's concurrency-limits; its floor is what every sink gets. After each round of
attempts

    limit = limit * min(1, 1.5 * time at the floor / time now) + root of limit

so the limit grows while attempts take about as long as they did at the floor, and stays or falls if they take longer.
Once a minute it returns to the floor for a moment, to measure how long attempts take there now. Times are in ms of a
steady clock.
"""

import math
from typing import Final

USUAL: Final = 64
"""The floor: concurrent attempts that a sink gets however slow it is, as long as it accepts what it is sent."""

_TOLERANCE: Final = 1.5  # a round's mean is uncertain by a third if the times of its attempts differ widely
_LEAST: Final = 0.5  # a round at most halves the limit
_SAMPLES: Final = 2 * USUAL  # for the time at the floor, which all others are compared with
_AGAIN_MS: Final = 60_000


class Gradient:
    """The concurrency limit of one sink above the floor."""

    def __init__(self) -> None:
        self._usual_ms: float | None = None  # how long the sink takes at the floor
        self._found_ms = 0
        self._back_to = 0.0  # the limit before it went back to the floor
        self._begin_round(-1)

    def cut(self, now_ms: int) -> None:
        """Begin a new round: the limit was lowered for another reason than slowness."""
        self._back_to = 0.0
        self._begin_round(now_ms)

    def next_limit(self, limit: float, *, began_ms: int, now_ms: int, cautious: bool) -> float:
        """Learn from an attempt that the sink took while the limit was reached; return the limit from now on.

        Args:
            limit: The limit until now, at least ``USUAL``.
            began_ms: When the attempt began.
            now_ms: When it ended.
            cautious: Whether the limit was ever cut: then it grows by only one a round.
        """
        if began_ms <= self._round_ms:
            return limit  # it began under another limit
        self._sum_ms += now_ms - began_ms
        self._count += 1
        at_floor = limit <= USUAL or self._usual_ms is None
        if self._count < (_SAMPLES if at_floor else limit / 2):  # half a round says as much, and sooner
            return limit
        mean_ms = max(self._sum_ms / self._count, 1.0)  # the clock's resolution
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
