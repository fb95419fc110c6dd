"""When to try again, and where the event waits until then. Pure.

**When**: full jitter. After attempt *n* the wait is drawn uniformly from (0, delay *n*], where the delays come from
the settings and the last one repeats; never past the deadline, never sooner than the sink asked for.

**Where**: a retry topic is a timing wheel. Its partition *p* of *P* holds records for delay x (p + 1) / P, so each
partition is in time order without sorting, and only its head has to be checked. A record waits in the longest slot that
is not longer than its wait; if its time (``es_not_before``) has not come when the slot is over, it moves to a shorter
slot. So any time is met to within the shortest slot, and no record waits behind a later one for longer than
``HOLD_MS``. ADR 0004 has the reasons.
"""

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

HOLD_MS: Final = 500
"""A record this close to its time is waited for in place: half of the second within which the time must be met."""


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """One partition of one retry topic.

    Attributes:
        wait_ms: How long a record stays before it is examined again.
        delay: The delay of the topic.
        partition: The partition of the topic.
    """

    wait_ms: int
    delay: timedelta
    partition: int


class RetryWheel:
    """The slots of one sink type's retry topics."""

    def __init__(self, delays: Sequence[timedelta], *, partitions: int) -> None:
        """``delays``: ascending, one for each retry topic; ``partitions``: partitions of each topic, at least 1."""
        self.delays = tuple(delays)
        self._partitions = partitions
        self._slots = sorted(
            Slot(_ms(delay) * (partition + 1) // partitions, delay, partition)
            for delay in delays
            for partition in range(partitions)
        )

    def slot(self, wait_ms: int) -> Slot:
        """The longest slot that is not longer than ``wait_ms``; for shorter waits, the shortest slot."""
        position = bisect.bisect_right(self._slots, wait_ms, key=lambda slot: slot.wait_ms)
        return self._slots[max(position - 1, 0)]

    def resting_slot(self, *, put_ms: int, not_before_ms: int, now_ms: int) -> Slot:
        """The slot at ``now_ms`` of a record put on the wheel at ``put_ms``, if it moved whenever its slot was over."""
        while True:
            slot = self.slot(not_before_ms - put_ms)
            looked_at_ms = put_ms + slot.wait_ms
            if now_ms < looked_at_ms or not_before_ms <= looked_at_ms + HOLD_MS:
                return slot
            put_ms = looked_at_ms

    def wait_ms(self, delay: timedelta, partition: int) -> int:
        """How long a record stays in ``partition`` of the topic for ``delay``.

        A partition that is no longer part of the wheel (earlier settings had more) delays nothing: what is left there
        moves on at once.
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

    At most ``deadline_ms``; a result equal to it means that there will be no further attempt, and the event expires.

    Args:
        delays: The upper bound of the wait after each attempt; the last one repeats.
        attempt: The attempt that just failed.
        now_ms: When it failed.
        deadline_ms: No attempt begins at or after this.
        not_before_ms: What the sink asked for (``Retry-After``), or None.
        random: Returns uniformly distributed numbers from [0, 1).
    """
    longest = _ms(delays[min(attempt, len(delays)) - 1])
    remaining = max(deadline_ms - now_ms, 0)
    wait = min(longest, remaining) * (1.0 - random())
    return min(max(now_ms + round(wait), not_before_ms or 0), deadline_ms)


def _ms(delay: timedelta) -> int:
    return delay // timedelta(milliseconds=1)
