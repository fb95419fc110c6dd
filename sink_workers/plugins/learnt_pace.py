"""How many records a second a destination gets, learnt from those that it throttles. Pure: times are s, of any clock.

What is throttled comes again, and takes a place once more. Where much of what was put is throttled, the destination
gets as many a second as it has just taken, and by and by more.
"""

from collections import deque
from typing import Final

_WINDOW_S: Final = 1.0
_MUCH: Final = 0.2  # of what was put; below it may be a single part that is hot, for which the others need not wait
_QUIET_S: Final = 3.0
_GROWTH: Final = 1.1  # a second, from then on
_LONGEST_S: Final = 120.0  # that it is let grow at once: then it is free, and the growth of two hours is no float
_FREE: Final = 20_000.0  # records a second: more than a process puts


class Pace:
    """Of one destination. Whoever puts records waits, says ``begin``, and tells ``learn`` what became of them."""

    def __init__(self, *, least: float) -> None:
        """No limit yet. ``least``: records a second that it always gets; fewer say nothing of what it takes."""
        self._least = least
        self._rate: float | None = None  # records a second; None: without limit
        self._grown_s = 0.0
        self._cut_s = float("-inf")
        self._free_s = 0.0  # when all that may be put by then was put
        self._answers: deque[tuple[float, int, int]] = deque()  # when, records, throttled of them: of one window

    def wait_s(self, *, now_s: float) -> float:
        """How long to wait before the next ones are put; to be asked again then."""
        return 0.0 if self._current(now_s) is None else max(self._free_s - now_s, 0.0)

    def begin(self, records: int, *, now_s: float) -> None:
        """So many are put now."""
        rate = self._current(now_s)
        if rate is not None:
            self._free_s = max(self._free_s, now_s) + records / rate

    def learn(self, *, records: int, throttled: int, began_s: float, now_s: float) -> None:
        """Learn from the answer to a request. ``began_s``: when it was put."""
        if began_s < self._cut_s:  # it was under way as the rate was cut
            return
        answers = self._answers
        answers.append((now_s, records, throttled))
        while answers[0][0] <= now_s - _WINDOW_S:
            answers.popleft()
        put, refused = (sum(each[which] for each in answers) for which in (1, 2))
        if put < self._least or refused < _MUCH * put or now_s < self._cut_s + _WINDOW_S:
            return
        rate = self._current(now_s)
        taken = (put - refused) / _WINDOW_S
        self._rate = max(self._least, taken if rate is None else min(taken, rate))
        self._cut_s, self._grown_s = now_s, now_s + _QUIET_S
        if rate is None:
            self._free_s = now_s + _WINDOW_S  # what it takes in this second it has taken
        answers.clear()

    def _current(self, now_s: float) -> float | None:
        if self._rate is not None and now_s > self._grown_s:
            self._rate *= _GROWTH ** min(now_s - self._grown_s, _LONGEST_S)
            self._grown_s = now_s
            if self._rate > _FREE:
                self._rate = None
        return self._rate
