"""Records what was published and what arrived, in memory shared by the publishing and the receiving process.

Each event takes only a few bytes in memory-mapped files with one writer each: a million events with ten subscriptions
take 50 MB.
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
"""The largest count for one event, since counts are bytes."""
_WORD: Final = 8
_Form = Literal["B", "Q"]  # bytes, and words of 64 bits


class State(IntEnum):
    """What the gateway has answered about an event.

    ``unsent``: not sent yet. ``unknown``: sent, but no answer says what became of it.
    """

    UNSENT = 0
    UNKNOWN = 1
    ACKNOWLEDGED = 2
    REFUSED = 3


class Wrong(StrEnum):
    """What can be wrong with a delivery; ``forbidden``: it went where nothing may be sent."""

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
    """What is counted for one subscription, besides its events."""

    REQUESTS = 0
    FAILED_ON_PURPOSE = 1
    ACCEPTED = 2
    WRONG = 3  # and from here on one for each of ``Wrong``


_COUNTS: Final = Count.WRONG + len(Wrong)
_PER_POWER: Final = 8  # buckets of delays between two powers of two, in ms
_BUCKETS: Final = 24 * _PER_POWER  # up to 4.6 h; longer delays are in the last


class _Mapped:
    """A memory-mapped file of several arrays."""

    def __init__(self, file: Path, sizes: Sequence[tuple[_Form, int]], *, new: bool) -> None:
        """``sizes``: element type and length of each array. ``new``: create the file, filled with zeros."""
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
    """What was published. Written only by the publisher."""

    def __init__(self, folder: Path, plan: Plan, *, new: bool) -> None:
        events, batches = plan.event_count, plan.batch_count
        mapped = _Mapped(
            folder / "ledger", [("Q", events), ("Q", batches), ("Q", batches), ("B", batches), ("B", events)], new=new
        )
        self._plan = plan
        self._digests, self._sent, self._acknowledged, self._again, self._states = mapped.arrays

    def sending(self, batch: Batch, digests: Iterable[int], at: float) -> None:
        """Note that ``batch`` is about to be sent for the first time; ``at``: ``time.time()``."""
        self._sent[batch.number] = round(at * 1000)
        for number, each in zip(batch.numbers, digests, strict=True):
            self._digests[number] = each
        self.set_states(batch.numbers, State.UNKNOWN)

    def sending_again(self, batch: Batch) -> None:
        """Note that ``batch`` is sent again, although it may have been accepted."""
        self._again[batch.number] = 1

    def acknowledged(self, batch: Batch, numbers: Iterable[int], at: float) -> None:
        """Note that these events of ``batch`` were acknowledged; ``at``: ``time.time()``."""
        self.set_states(numbers, State.ACKNOWLEDGED)
        self._acknowledged[batch.number] = round(at * 1000)

    def set_states(self, numbers: Iterable[int], state: State) -> None:
        for number in numbers:
            self._states[number] = state

    def digest_of(self, number: int) -> int:
        """The digest of the event; 0 if it was never sent."""
        return int(self._digests[number])

    def sent_at(self, number: int) -> float:
        """When its batch was first sent, ``time.time()``."""
        return int(self._sent[number // self._plan.size]) / 1000

    def acknowledged_at(self, number: int) -> float:
        """When its batch was last acknowledged, ``time.time()``; 0 if never."""
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
    """What arrived at one subscription's receiver. Written only by the receiving process."""

    def __init__(self, folder: Path, position: int, plan: Plan, *, new: bool) -> None:
        events = plan.event_count
        mapped = _Mapped(
            folder / f"tally-{position}",
            [("Q", _COUNTS), ("Q", _BUCKETS), ("B", events), ("B", events), ("B", events)],
            new=new,
        )
        self._counts, self._delays, self._arrived, self._accepted, self._refused = mapped.arrays

    def arrived(self, number: int) -> int:
        """Note that the event arrived; returns how often it has."""
        self._arrived[number] = count = min(self._arrived[number] + 1, MOST)
        return int(count)

    def accepted(self, number: int, delay_s: float) -> None:
        """Note that it was answered with success, ``delay_s`` seconds after it was first sent."""
        again = self._accepted[number]
        self._accepted[number] = min(again + 1, MOST)
        self._counts[Count.ACCEPTED] += 1
        if not again:
            self._delays[_bucket(delay_s)] += 1

    def refused(self, number: int) -> None:
        """Note that it was refused for good."""
        self._refused[number] = 1

    def count(self, what: Count) -> None:
        self._counts[what] += 1

    def wrong(self, what: Wrong) -> int:
        """Note a wrong delivery; returns how many were wrong in this way."""
        place = _place(what)
        self._counts[place] += 1
        return int(self._counts[place])

    def get(self, what: Count) -> int:
        return int(self._counts[what])

    def wrongs(self) -> dict[Wrong, int]:
        """The kinds of wrong deliveries that occurred, and how many."""
        return {what: int(self._counts[_place(what)]) for what in Wrong if self._counts[_place(what)]}

    def arrivals(self) -> bytes:
        return self._arrived.tobytes()

    def acceptances(self) -> bytes:
        return self._accepted.tobytes()

    def refusals(self) -> bytes:
        return self._refused.tobytes()

    def delays(self) -> Sequence[int]:
        """How many events were delivered with which delay, by bucket; see ``longest_of``."""
        return [int(each) for each in self._delays]


def longest_of(bucket: int) -> float:
    """The longest delay in a bucket of ``Tally.delays``, in seconds."""
    power, part = divmod(bucket, _PER_POWER)
    return (1 << power) * (1 + (part + 1) / _PER_POWER) / 1000


def _bucket(delay_s: float) -> int:
    ms = max(math.ceil(delay_s * 1000), 1)  # rounded up: below 8 ms a bucket is narrower than a millisecond
    power = ms.bit_length() - 1
    return min(power * _PER_POWER + (ms * _PER_POWER >> power) - _PER_POWER, _BUCKETS - 1)


def _place(what: Wrong) -> int:
    return Count.WRONG + _ORDER[what]


_ORDER: Final = {what: place for place, what in enumerate(Wrong)}
