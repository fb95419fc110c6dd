"""Computes what waits from topics' end offsets and settled offsets. Pure; times are in seconds of any clock."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from eventstreams.kafka.records import Partition

STILL_S: Final = 300.0
"""A partition that has settled no event for this long is ``still``: even a broken sink is tried once a minute, and a
sink that takes one event in five minutes gains nothing from another worker."""
_STEPS: Final = 8  # bisections: of a quarter of a minute to 29 hours, to within 4 %
_SURE_S: Final = 15.0  # the time between two looks: a lower age is not worth finding


class State(StrEnum):
    """Whether a subscription's events make progress: some were settled recently, none was, or it is paused."""

    MOVING = "moving"
    STILL = "still"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition: the next offset to be settled, and its end offset."""

    partition: Partition
    settled: int
    end: int

    @property
    def waiting(self) -> int:
        return max(self.end - self.settled, 0)


class Progress:
    """Remembers how long each partition has not settled anything although events wait."""

    def __init__(self) -> None:
        self._since: dict[Partition, tuple[int, float]] = {}

    def look(self, lags: Iterable[PartitionLag], now: float) -> Mapping[Partition, float]:
        """How long each of ``lags`` has made no progress, in seconds; 0 if nothing waits. Forgets all others."""
        found: dict[Partition, tuple[int, float]] = {}
        for lag in lags:
            settled, since = self._since.get(lag.partition, (-1, now))
            found[lag.partition] = (lag.settled, since if lag.waiting and settled == lag.settled else now)
        self._since = found
        return {partition: now - since for partition, (_, since) in found.items()}


class OldestSearch:
    """Finds the age of the oldest waiting event of a group of partitions, by questions that Kafka can answer.

    Kafka can say which offset is the first at or after a time. If that is beyond what is settled, something older
    waits. So the age is found by bisection, for all partitions of a group at once.
    """

    def __init__(self, lags: Sequence[PartitionLag], *, longest_s: float) -> None:
        """``lags``: those partitions of the group where something waits; ``longest_s``: the greatest possible age."""
        self._lags = lags
        self._low_s, self._high_s = _SURE_S, max(longest_s, 2 * _SURE_S)
        self._left = _STEPS if lags else 0

    @property
    def question(self) -> tuple[Sequence[Partition], float] | None:
        """The partitions to ask for their first offset, and at how many seconds ago; None: the age is found."""
        if not self._left:
            return None
        return [lag.partition for lag in self._lags], self._middle_s

    def answer(self, offsets: Mapping[Partition, int]) -> None:
        """Take the answer to ``question``: first offsets, below 0 if there is no record at or after that time."""
        older = any(_is_older(lag, offsets.get(lag.partition)) for lag in self._lags)
        if older:
            self._low_s = self._middle_s
        else:
            self._high_s = self._middle_s
        self._left -= 1

    @property
    def age_s(self) -> float:
        """A lower bound on the age of the oldest waiting event, in seconds; 0 if nothing waits."""
        return self._low_s if self._lags else 0.0

    @property
    def _middle_s(self) -> float:
        return float((self._low_s * self._high_s) ** 0.5)


def _is_older(lag: PartitionLag, offset: int | None) -> bool:
    if offset is None:
        return False  # Kafka did not answer for it: its topic was deleted meanwhile
    return lag.waiting > 0 and (offset < 0 or offset > lag.settled)


def due_now(lag: PartitionLag, offset: int) -> int:
    """How many records of a retry partition are due: those before ``offset``, the first that is not; below 0: all."""
    return lag.waiting if offset < 0 else min(max(offset - lag.settled, 0), lag.waiting)


def for_autoscaler(*, moving: int, held: int, due: int) -> int:
    """How many events more workers could deliver; 1 if only held ones wait: they must be tried, and expire in time."""
    return max(moving + due, 1 if held else 0)
