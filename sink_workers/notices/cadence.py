"""When a sink's owner is told of its errors: at the first, the 10th, 100th, 1000th …, and every 20 minutes. Pure.

A sink's **trouble** begins with an error and is over when the sink takes an event 20 minutes or more after its last
one. Silence does not end it: a dead sink whose events are tried every half hour is in one trouble all along. In one
trouble of *n* errors and *m* minutes there are at most 1 + log10(n) + m/20 notices.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from eventstreams.times import Clock

INTERVAL_MS: Final = 20 * 60 * 1000
"""The reference's: between notices while errors go on, and without errors until a sink counts as well again."""

_MAX_SINKS: Final = 10_000  # in trouble at the same time in one worker; 3 MB, measured


@dataclass(frozen=True, slots=True)
class Trouble:
    """How far a sink's trouble has come, the error included that it was asked at.

    Attributes:
        errors: How many there were; each event of a batch is one.
        since_ms: When the first was.
        at_ms: When the last was.
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
    """Counts the errors of sinks. Forgets the sink whose last error is oldest when there are too many."""

    def __init__(self, clock: Clock, *, max_sinks: int = _MAX_SINKS) -> None:
        self._clock = clock
        self._max_sinks = max_sinks
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def __len__(self) -> int:
        """How many sinks are in trouble."""
        return len(self._counts)

    def failed(self, sink_sid: str) -> Trouble | None:
        """Count an error of ``sink_sid``; a trouble where its owner is to be told now."""
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
        """``sink_sid`` has taken an event."""
        count = self._counts.get(sink_sid)
        if count is not None and self._clock() - count.last_error_ms >= INTERVAL_MS:
            del self._counts[sink_sid]
