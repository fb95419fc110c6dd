"""When to try again, and where the event waits until then. Pure.

**When**: full jitter. After attempt *n* the wait is drawn evenly from (0, delay *n*], where the delays are those
of the settings and the last one repeats; never past the deadline, never sooner than the sink asked for.

**Where**: a retry topic is a wheel. Its partition *p* of *P* holds records for delay x (p + 1) / P, so each
partition is in order of time without sorting, and only its head has to be looked at. A record waits in the slot
that is the longest not longer than its wait; when that is over and its time has not come (``es_not_before``),
it moves to a shorter slot. So any time is met to within the shortest slot, and no record waits behind a later
one for longer than ``HOLD_MS``. ADR 0004 has the reasons.
"""

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

HOLD_MS: Final = 500
"""A record this close to its time is waited for in place: half of the second within which it must be met."""


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """One partition of one retry topic.

    Attributes:
        wait_ms: How long a record stays before it is looked at again.
        delay: Which delay's topic.
        partition: Which partition of it.
    """

    wait_ms: int
    delay: timedelta
    partition: int


class RetryWheel:
    """The slots of one sink type's retry topics."""

    def __init__(self, delays: Sequence[timedelta], *, partitions: int) -> None:
        """``delays``: ascending, one retry topic each; ``partitions``: of each topic, at least 1."""
        self.delays = tuple(delays)
        self._partitions = partitions
        self._slots = sorted(
            Slot(_ms(delay) * (partition + 1) // partitions, delay, partition)
            for delay in delays
            for partition in range(partitions)
        )

    def slot(self, wait_ms: int) -> Slot:
        """The longest slot that is not longer than ``wait_ms``; the shortest of all for less."""
        position = bisect.bisect_right(self._slots, wait_ms, key=lambda slot: slot.wait_ms)
        return self._slots[max(position - 1, 0)]

    def resting_slot(self, *, put_ms: int, not_before_ms: int, now_ms: int) -> Slot:
        """Where a record is now that was put on the wheel at ``put_ms`` and moved on whenever its slot came round."""
        while True:
            slot = self.slot(not_before_ms - put_ms)
            looked_at_ms = put_ms + slot.wait_ms
            if now_ms < looked_at_ms or not_before_ms <= looked_at_ms + HOLD_MS:
                return slot
            put_ms = looked_at_ms

    def wait_ms(self, delay: timedelta, partition: int) -> int:
        """How long a record stays in ``partition`` of the topic for ``delay``.

        A partition that is none of the wheel's any more (its settings had more) holds up nothing: what is left
        there moves on at once.
        """
        if partition >= self._partitions:
            return 0
        return _ms(delay) * (partition + 1) // self._partitions


def next_attempt_ms(
    delays: Sequence[timedelta],
    *,
    attempt: int,
    now_ms: int,
    deadline_ms: int,
    not_before_ms: int | None,
    random: Callable[[], float],
) -> int:
    """When the attempt after attempt number ``attempt`` (from 1) may begin, in ms since the epoch.

    At most ``deadline_ms``; a result equal to it means that there will be no further attempt: the event
    expires then.

    Args:
        delays: The upper bound of the wait after each attempt; the last one repeats.
        attempt: The attempt that just failed.
        now_ms: When it failed.
        deadline_ms: No attempt begins at or after this.
        not_before_ms: What the sink asked for (``Retry-After``), or None.
        random: Evenly from [0, 1).
    """
    longest = _ms(delays[min(attempt, len(delays)) - 1])
    remaining = max(deadline_ms - now_ms, 0)
    wait = min(longest, remaining) * (1.0 - random())
    return min(max(now_ms + round(wait), not_before_ms or 0), deadline_ms)


def _ms(delay: timedelta) -> int:
    return delay // timedelta(milliseconds=1)
