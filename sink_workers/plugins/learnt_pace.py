"""Limits the records a second that a destination gets, learnt from what it throttles. Pure: times are in s, any clock.

A throttled record is sent again and uses up capacity a second time. So if much of what was sent is throttled, the rate
is set to what the destination has just taken, and then grows gradually.
"""

from collections import deque
from typing import Final

_WINDOW_S: Final = 1.0
_MUCH: Final = 0.2  # of what was sent; below it, it may be a single hot shard, for which the others need not wait
_QUIET_S: Final = 3.0  # after a cut, before the rate grows again
_GROWTH: Final = 1.1  # the factor for each second from then on
_LONGEST_S: Final = 120.0  # the longest growth at a time: by then the limit is lifted, and two hours overflow a float
_FREE: Final = 20_000.0  # records a second above which the limit is lifted: more than a process sends


class Pace:
    """The rate for one destination. To send: wait for ``wait_s``, call ``begin``, then ``learn`` with the result."""

    def __init__(self, *, least: float) -> None:
        """Start without a limit.

        ``least``: the records a second that the destination always gets. Less traffic says nothing about its capacity.
        """
        self._least = least
        self._rate: float | None = None  # records a second; None: unlimited
        self._grown_s = 0.0
        self._cut_s = float("-inf")
        self._free_s = 0.0  # when the rate allows more records
        self._answers: deque[tuple[float, int, int]] = deque()  # time, records, throttled ones; of one window

    def wait_s(self, *, now_s: float) -> float:
        """How long to wait before sending more, in seconds. Ask again after the wait."""
        return 0.0 if self._current(now_s) is None else max(self._free_s - now_s, 0.0)

    def begin(self, records: int, *, now_s: float) -> None:
        """Note that so many records are sent now."""
        rate = self._current(now_s)
        if rate is not None:
            self._free_s = max(self._free_s, now_s) + records / rate

    def learn(self, *, records: int, throttled: int, began_s: float, now_s: float) -> None:
        """Learn from the answer to a request. ``began_s``: when it was sent."""
        if began_s < self._cut_s:  # it was under way when the rate was cut
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
            self._free_s = now_s + _WINDOW_S  # it has already taken what it takes in this second
        answers.clear()

    def _current(self, now_s: float) -> float | None:
        if self._rate is not None and now_s > self._grown_s:
            self._rate *= _GROWTH ** min(now_s - self._grown_s, _LONGEST_S)
            self._grown_s = now_s
            if self._rate > _FREE:
                self._rate = None
        return self._rate
