"""What was published, and what arrived, in memory that the publishing and the receiving process share.

A byte or a word for each event and no more: the files are mapped, have one writer each, and a million events with ten
subscriptions take 50 MB.
"""

import math
import mmap
from collections.abc import Iterable, Sequence
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Final, Literal

from eventstreams.verify.bitset import BitSet
from eventstreams.verify.plan import Batch, Plan

MOST: Final = 255
"""Where counts of one event end: they are bytes."""
_WORD: Final = 8
_Form = Literal["B", "Q"]  # bytes, and words of 64 bits


class State(IntEnum):
    """What the gateway has said of an event.

    ``unsent``: not asked yet. ``unknown``: it was sent, and no answer says what became of it.
    """

    UNSENT = 0
    UNKNOWN = 1
    ACKNOWLEDGED = 2
    REFUSED = 3


class Wrong(StrEnum):
    """What no delivery may be; ``forbidden``: to where nothing may be sent."""

    FORGED = "forged"
    MALFORMED = "malformed"
    FOREIGN = "foreign"
    OTHER_ACCOUNT = "stranger"
    UNWANTED = "unwanted"
    INVALID = "invalid"
    ALTERED = "altered"
    LATE = "late"
    FORBIDDEN = "forbidden"


class Count(IntEnum):
    """What is counted of one subscription, beside its events."""

    REQUESTS = 0
    FAILED_ON_PURPOSE = 1
    ACCEPTED = 2
    WRONG = 3  # and from here on one for each of ``Wrong``


_COUNTS: Final = Count.WRONG + len(Wrong)
_PER_POWER: Final = 8  # buckets of delays between a power of two, in ms, and the next
_BUCKETS: Final = 24 * _PER_POWER  # up to 4.6 h, and what is longer in the last


class _Mapped:
    """A file of several arrays, mapped."""

    def __init__(self, file: Path, sizes: Sequence[tuple[_Form, int]], *, new: bool) -> None:
        """``sizes``: form and length of each array. ``new``: make the file, of zeros."""
        total = sum((length if form == "B" else length * _WORD) for form, length in sizes)
        with file.open("w+b" if new else "r+b") as opened:
            if new:
                opened.truncate(total)
            self._map = mmap.mmap(opened.fileno(), total)
        whole = memoryview(self._map)
        self.arrays: list[memoryview] = []
        start = 0
        for form, length in sizes:
            end = start + (length if form == "B" else length * _WORD)
            self.arrays.append(whole[start:end].cast(form))
            start = end


class Ledger:
    """What was published. Written by the publisher alone."""

    def __init__(self, folder: Path, plan: Plan, *, new: bool) -> None:
        events, batches = plan.event_count, plan.batch_count
        mapped = _Mapped(
            folder / "ledger", [("Q", events), ("Q", batches), ("Q", batches), ("B", batches), ("B", events)], new=new
        )
        self._plan = plan
        self._digests, self._sent, self._acknowledged, self._again, self._states = mapped.arrays

    def sending(self, batch: Batch, digests: Iterable[int], at: float) -> None:
        """``batch`` is about to be sent for the first time; ``at``: ``time.time()``."""
        self._sent[batch.number] = round(at * 1000)
        for number, each in zip(batch.numbers, digests, strict=True):
            self._digests[number] = each
        self.set_states(batch.numbers, State.UNKNOWN)

    def sending_again(self, batch: Batch) -> None:
        """It may have been taken, and is sent once more."""
        self._again[batch.number] = 1

    def acknowledged(self, batch: Batch, numbers: Iterable[int], at: float) -> None:
        """Of ``batch``, these were; ``at``: ``time.time()``."""
        self.set_states(numbers, State.ACKNOWLEDGED)
        self._acknowledged[batch.number] = round(at * 1000)

    def set_states(self, numbers: Iterable[int], state: State) -> None:
        for number in numbers:
            self._states[number] = state

    def digest_of(self, number: int) -> int:
        """0: it was never sent."""
        return int(self._digests[number])

    def sent_at(self, number: int) -> float:
        """When its batch was sent first, ``time.time()``."""
        return int(self._sent[number // self._plan.size]) / 1000

    def acknowledged_at(self, number: int) -> float:
        """The last acknowledgement of its batch, ``time.time()``; 0 before that."""
        return int(self._acknowledged[number // self._plan.size]) / 1000

    def state_of(self, number: int) -> State:
        return State(self._states[number])

    def states(self) -> bytes:
        """A ``State`` for each event."""
        return self._states.tobytes()

    def again(self) -> BitSet:
        """Events that were sent more than once."""
        size = self._plan.size
        numbers = (range(batch * size, (batch + 1) * size) for batch, is_so in enumerate(self._again) if is_so)
        return BitSet.of_ranges(self._plan.event_count, numbers)


class Tally:
    """What arrived at one subscription's receiver. Written by the receiving process alone."""

    def __init__(self, folder: Path, position: int, plan: Plan, *, new: bool) -> None:
        events = plan.event_count
        mapped = _Mapped(
            folder / f"tally-{position}",
            [("Q", _COUNTS), ("Q", _BUCKETS), ("B", events), ("B", events), ("B", events)],
            new=new,
        )
        self._counts, self._delays, self._arrived, self._accepted, self._refused = mapped.arrays

    def arrived(self, number: int) -> int:
        """The event came once more; how often it has."""
        self._arrived[number] = count = min(self._arrived[number] + 1, MOST)
        return int(count)

    def accepted(self, number: int, delay_s: float) -> None:
        """It was answered with success, so long after it was made."""
        again = self._accepted[number]
        self._accepted[number] = min(again + 1, MOST)
        self._counts[Count.ACCEPTED] += 1
        if not again:
            self._delays[_bucket(delay_s)] += 1

    def refused(self, number: int) -> None:
        """It was refused for good."""
        self._refused[number] = 1

    def count(self, what: Count) -> None:
        self._counts[what] += 1

    def wrong(self, what: Wrong) -> int:
        """A delivery was wrong; how many were, in this way."""
        place = _place(what)
        self._counts[place] += 1
        return int(self._counts[place])

    def get(self, what: Count) -> int:
        return int(self._counts[what])

    def wrongs(self) -> dict[Wrong, int]:
        """Those that there were."""
        return {what: int(self._counts[_place(what)]) for what in Wrong if self._counts[_place(what)]}

    def arrivals(self) -> bytes:
        return self._arrived.tobytes()

    def acceptances(self) -> bytes:
        return self._accepted.tobytes()

    def refusals(self) -> bytes:
        return self._refused.tobytes()

    def delays(self) -> Sequence[int]:
        """How many events took how long, by bucket; see ``longest_of``."""
        return [int(each) for each in self._delays]


def longest_of(bucket: int) -> float:
    """The longest delay in a bucket of ``Tally.delays``, in seconds."""
    power, part = divmod(bucket, _PER_POWER)
    return (1 << power) * (1 + (part + 1) / _PER_POWER) / 1000


def _bucket(delay_s: float) -> int:
    ms = max(math.ceil(delay_s * 1000), 1)  # up: below 8 ms a bucket is narrower than a millisecond
    power = ms.bit_length() - 1
    return min(power * _PER_POWER + (ms * _PER_POWER >> power) - _PER_POWER, _BUCKETS - 1)


def _place(what: Wrong) -> int:
    return Count.WRONG + _ORDER[what]


_ORDER: Final = {what: place for place, what in enumerate(Wrong)}
