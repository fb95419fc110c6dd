"""Decides when a sink's owner is notified of errors: at the 1st, 10th, 100th, 1000th …, and every 20 minutes. Pure.

A sink's **trouble** begins with an error and ends when the sink takes an event 20 minutes or more after the last one.
Silence does not end it: a dead sink whose events are tried every half hour remains in one trouble. A trouble of *n*
errors and *m* minutes causes at most 1 + log10(n) + m/20 notices.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from eventstreams.times import Clock

INTERVAL_MS: Final = 20 * 60 * 1000
"""As in the reference: between notices while errors go on, and without errors before a sink counts as recovered."""

_MAX_SINKS: Final = 10_000  # in trouble at the same time in one worker: 3 MB, measured


@dataclass(frozen=True, slots=True)
class Trouble:
    """The state of a sink's trouble, including the error that was just counted.

    Attributes:
        errors: The number of errors; each event of a batch counts as one.
        since_ms: When the first error happened, in ms since the epoch.
        at_ms: When the last one happened.
    """

    errors: int
    since_ms: int
    at_ms: int


@dataclass(slots=True)
class _Count:
    since_ms: int
    last_error_ms: int
    noticed_ms: int
    errors: int = 0
    next_round: int = 1


class Cadence:
    """Counts the errors of sinks. If there are too many sinks, it forgets the one whose last error is the oldest."""

    def __init__(self, clock: Clock, *, max_sinks: int = _MAX_SINKS) -> None:
        self._clock = clock
        self._max_sinks = max_sinks
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def __len__(self) -> int:
        """How many sinks are in trouble."""
        return len(self._counts)

    def failed(self, sink_sid: str) -> Trouble | None:
        """Count an error of ``sink_sid``; return its trouble if the owner is to be notified now, else None."""
        now_ms = self._clock()
        count = self._counts.get(sink_sid)
        if count is None:
            count = self._counts[sink_sid] = _Count(now_ms, now_ms, now_ms)
            if len(self._counts) > self._max_sinks:
                self._counts.popitem(last=False)
        self._counts.move_to_end(sink_sid)
        count.errors += 1
        count.last_error_ms = now_ms
        is_round = count.errors == count.next_round
        if is_round:
            count.next_round *= 10
        if not is_round and now_ms - count.noticed_ms < INTERVAL_MS:
            return None
        count.noticed_ms = now_ms
        return Trouble(count.errors, count.since_ms, now_ms)

    def delivered(self, sink_sid: str) -> None:
        """Note that ``sink_sid`` has taken an event."""
        count = self._counts.get(sink_sid)
        if count is not None and self._clock() - count.last_error_ms >= INTERVAL_MS:
            del self._counts[sink_sid]
