"""What waits, from how far topics reach and how far they are settled. Pure; times are in seconds of any clock."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from eventstreams.kafka.records import Partition

STILL_S: Final = 300.0
"""So long without one event settled, and a partition is still: even a broken sink is tried once a minute, and whoever
takes one event in five minutes gains nothing from another worker."""
_STEPS: Final = 8  # of halving: from a quarter of a minute to 29 hours, to within 4 %
_SURE_S: Final = 15.0  # younger than the time between two looks: no matter how much


class State(StrEnum):
    """Whether a subscription's events get on: some were settled of late, none was, or none is meant to be."""

    MOVING = "moving"
    STILL = "still"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition: the next offset to be settled, and where it ends."""

    partition: Partition
    settled: int
    end: int

    @property
    def waiting(self) -> int:
        return max(self.end - self.settled, 0)


class Progress:
    """Remembers since when a partition stands still: since its oldest event could be settled and was not."""

    def __init__(self) -> None:
        self._since: dict[Partition, tuple[int, float]] = {}

    def look(self, lags: Iterable[PartitionLag], now: float) -> Mapping[Partition, float]:
        """For how long each of ``lags`` has stood still; 0 where nothing waits. Forgets all others."""
        found: dict[Partition, tuple[int, float]] = {}
        for lag in lags:
            settled, since = self._since.get(lag.partition, (-1, now))
            found[lag.partition] = (lag.settled, since if lag.waiting and settled == lag.settled else now)
        self._since = found
        return {partition: now - since for partition, (_, since) in found.items()}


class OldestSearch:
    """How old the oldest waiting event of a group of partitions is, by questions that Kafka can answer.

    Kafka tells the first offset at or after a time. Where that is beyond what is settled, something older waits; so the
    age is found by halving, of all partitions of a group at once.
    """

    def __init__(self, lags: Sequence[PartitionLag], *, longest_s: float) -> None:
        """``lags``: those of the group where something waits; ``longest_s``: nothing is older."""
        self._lags = lags
        self._low_s, self._high_s = _SURE_S, max(longest_s, 2 * _SURE_S)
        self._left = _STEPS if lags else 0

    @property
    def question(self) -> tuple[Sequence[Partition], float] | None:
        """Of which partitions, and for how many seconds ago, the first offset is to be asked; None: it is found."""
        if not self._left:
            return None
        return [lag.partition for lag in self._lags], self._middle_s

    def answer(self, offsets: Mapping[Partition, int]) -> None:
        """``offsets``: to the question; below 0 where there was no record at or after that time."""
        older = any(_is_older(lag, offsets.get(lag.partition)) for lag in self._lags)
        if older:
            self._low_s = self._middle_s
        else:
            self._high_s = self._middle_s
        self._left -= 1

    @property
    def age_s(self) -> float:
        """Something has waited at least for so long; 0 where nothing waits."""
        return self._low_s if self._lags else 0.0

    @property
    def _middle_s(self) -> float:
        return float((self._low_s * self._high_s) ** 0.5)


def _is_older(lag: PartitionLag, offset: int | None) -> bool:
    if offset is None:
        return False  # Kafka did not say: its topic went meanwhile
    return lag.waiting > 0 and (offset < 0 or offset > lag.settled)


def due_now(lag: PartitionLag, offset: int) -> int:
    """Of a retry partition: how many wait from before ``offset``, the first whose time has not come; below 0: all."""
    return lag.waiting if offset < 0 else min(max(offset - lag.settled, 0), lag.waiting)


def for_autoscaler(*, moving: int, held: int, due: int) -> int:
    """What another worker could get on with; 1 where only what is held waits: it must be tried, and expire in time."""
    return max(moving + due, 1 if held else 0)
