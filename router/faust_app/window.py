"""How much may be under way, that is handed to the lane and not acknowledged: bounds memory and repeats. No I/O.

A produce request costs the same for few copies of a topic as for many. With many topics, therefore, the more is under
way the more copies of a topic share a request, and the higher the throughput; the limit is what a router can finish in
the time it has before it gives up partitions.
"""

from typing import Final

_RUNS: Final = 16
_WIDE_RUNS: Final = 64  # of up to 1 MiB, hence of about 1,000 events, or of many more that are small or compressed
_MANY_TOPICS: Final = 250
_WORTH_S: Final = 2.0  # half of the time there is to finish
_A_TOPIC: Final = 12  # events per topic: with 3 or fewer and 5,000 topics, throughput is half


class Window:
    """Counts what is under way, in runs and in events."""

    def __init__(self) -> None:
        self._runs = 0
        self._events = 0

    def take(self, events: int) -> None:
        """Count one more run, with ``events`` events."""
        self._runs += 1
        self._events += events

    def give_back(self, events: int) -> None:
        """Count one run fewer, with ``events`` events."""
        self._runs -= 1
        self._events -= events

    def is_full(self, *, topics: int, rate: float) -> bool:
        """Return whether no other run should be taken now.

        ``_RUNS`` may always be under way. A limit by time alone would spiral down if a round of all topics takes longer
        than that time: fewer events would take as long, so even fewer would be taken.

        Args:
            topics: Number of topics that copies go to.
            rate: Events per second of the lane; infinite while unknown.
        """
        if self._runs < _RUNS:
            return False
        is_wide = topics > _MANY_TOPICS and self._runs < _WIDE_RUNS
        return not is_wide or self._events >= max(rate * _WORTH_S, topics * _A_TOPIC)
