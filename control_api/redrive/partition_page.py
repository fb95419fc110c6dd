"""Reads a partition of dead letters backwards, as much at a time as a page needs."""

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar

from control_api.http.fair_semaphore import Slices
from eventstreams.errors import TopicError
from eventstreams.kafka.ranges import Range, RangeReader
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings

PAGE_BUDGET: Final = 50_000  # records searched for one page, over all topics: about a second of work
_READ: Final = 500
_FIRST_WINDOW: Final = 200  # offsets searched first for a page; each further window is larger
_MAX_WINDOW: Final = 10_000
_READ_S: Final = 10.0  # until a broker counts as not answering

T = TypeVar("T")


class PartitionPage(Generic[T]):
    """The results in one partition, newest first, each with its offset. Everything from ``floor`` on was searched."""

    def __init__(self, whole: Range, before: int | None) -> None:
        """Start without results. ``before``: the offset before which the page continues; None: from the end."""
        self.whole = whole
        self.found: list[tuple[int, T]] = []
        self._ceiling = whole.end if before is None else min(whole.end, before)
        self.floor = self._ceiling

    async def fill(self, settings: Settings, keep: Callable[[Record], T | None], size: int, budget: int) -> int:
        """Search backwards until there are ``size`` results; return how many records were searched.

        Args:
            settings: Where Kafka is.
            keep: Converts a record to a result; None: it is not one.
            size: The number of results to find.
            budget: After how many records to stop; the last window may exceed it.

        Raises:
            TopicError: the topic cannot be read.
        """
        looked_at, window, slices = 0, _FIRST_WINDOW, Slices()
        while self.floor > self.whole.first and len(self.found) < size and looked_at < budget:
            first = max(self.floor - window, self.whole.first)
            part = Range(self.whole.topic, self.whole.partition, first, self.floor)
            newest: deque[tuple[int, T]] = deque(maxlen=size - len(self.found))
            async for records in batches(settings, part):
                for each in records:
                    if (kept := keep(each)) is not None:
                        newest.append((each.offset, kept))
                    await slices.pause()
            # If there are as many as wanted, there may be more before them in this window.
            self.floor = newest[0][0] if len(newest) == newest.maxlen else first
            self.found += reversed(newest)
            looked_at += part.records
            window = min(window * 5, _MAX_WINDOW)
        return looked_at

    def left(self, shown: Iterable[int]) -> int:
        """The offset before which the next page continues, if the results at the offsets ``shown`` are shown."""
        offsets = list(shown)
        if len(offsets) == len(self.found):
            return self.floor
        return min(offsets, default=self._ceiling)


async def batches(settings: Settings, part: Range) -> AsyncIterator[Sequence[Record]]:
    """Read all records of ``part``. Raises ``TopicError`` if it cannot be read."""
    async with RangeReader(settings, [part]) as reader:
        deadline = time.monotonic() + _READ_S
        while not reader.ended:
            records = await reader.read(_READ)
            yield records
            if not records and time.monotonic() > deadline:
                raise TopicError(f"{part.topic} cannot be read: no broker answers")
