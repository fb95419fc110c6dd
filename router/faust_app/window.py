"""How much may be under way: handed to the lane and not acknowledged. It bounds memory, and what is repeated. Pure.

A request takes the copies of one topic, few or many alike. So where there are many topics, the more is under way the
more copies of a topic come together, and the more is done in a second; up to what fills the time that a router has to
finish before it gives partitions away.
"""

from typing import Final

_RUNS: Final = 16
_WIDE_RUNS: Final = 64  # of up to 1 MiB, hence of about 1,000 events, or of many more that are small or compressed
_MANY_TOPICS: Final = 250
_WORTH_S: Final = 2.0  # half of the time that there is to finish
_A_TOPIC: Final = 12  # events: with 3 for each of 5,000 topics, or fewer, half as many are done in a second


class Window:
    """What is under way, in runs and in events: ``take`` and ``give_back``."""

    def __init__(self) -> None:
        self._runs = 0
        self._events = 0

    def take(self, events: int) -> None:
        """One more run, of so many events."""
        self._runs += 1
        self._events += events

    def give_back(self, events: int) -> None:
        """One less."""
        self._runs -= 1
        self._events -= events

    def is_full(self, *, topics: int, rate: float) -> bool:
        """Whether no other run should be taken now.

        ``_RUNS`` may always be under way: to go by the time alone would go round in a circle where a round of all
        topics takes longer than that. Fewer events took as long, so that fewer still would be taken.

        Args:
            topics: That copies go to.
            rate: Events that the lane does in a second; infinite while nobody knows.
        """
        if self._runs < _RUNS:
            return False
        is_wide = topics > _MANY_TOPICS and self._runs < _WIDE_RUNS
        return not is_wide or self._events >= max(rate * _WORTH_S, topics * _A_TOPIC)
