"""The interface between a lane and its handler: what the lane asks of it, and the handle that it is given."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from eventstreams.kafka.records import Partition, Record
from sink_workers.lanes.offsets import OffsetTracker


class Limits(NamedTuple):
    """How a lane forms batches: see ``Capabilities``. A ``max_in_flight`` of 0 means none now.

    A tuple, because one is made for every batch.
    """

    max_batch_events: int
    max_batch_bytes: int
    linger_s: float
    max_in_flight: int


class LaneHandle:
    """The handler's view of the lane while it works on a batch.

    Attributes:
        stopped: Done once the lane takes no more. A handler that is only waiting then returns; an attempt under way may
            finish.
    """

    def __init__(
        self, tracker: OffsetTracker, stopped: "asyncio.Future[None]", wake: Callable[[], None] = lambda: None
    ) -> None:
        """``wake``: called when a batch gives up its slot."""
        self._tracker = tracker
        self._wake = wake
        self.stopped = stopped
        self.stood_aside = 0
        """How many batches are under way without a slot."""
        self.probes: set[asyncio.Task[object]] = set()
        """The tasks of batches whose attempt will most likely fail."""

    def settled(self, record: Record) -> None:
        """Report that ``record`` was delivered, or its copy acknowledged by the broker: it may be committed."""
        self._tracker.settle(record)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Give up the batch's slot to another batch, for as long as this one only waits for Kafka.

        Without it, a sink that fails some attempts would never have as many under way as its limit allows, so its limit
        would never grow.
        """
        self.stood_aside += 1
        self._wake()
        try:
            yield
        finally:
            self.stood_aside -= 1

    @contextmanager
    def probing(self) -> Iterator[None]:
        """Say that the batch's attempt probes a broken sink, and will most likely fail: a drain does not wait for it.

        Without it, one sink that answers nothing would delay, in each rebalance, all others that its worker serves.
        """
        task = asyncio.current_task()
        assert task is not None
        self.probes.add(task)
        try:
            yield
        finally:
            self.probes.discard(task)


class Handler(Protocol):
    """What a lane asks of its handler. Lanes may share one."""

    def limits(self, partition: Partition) -> Limits:
        """How to form the next batch; asked before each one."""

    def ready_at_ms(self, record: Record) -> int:
        """When ``record`` may be taken, in ms since the epoch; 0: at once. Until then it holds up those behind it."""

    def deadline_ms(self, record: Record) -> int:
        """When ``record`` is to be taken whatever the limits say, in ms since the epoch."""

    def attach(self, partition: Partition, wake: Callable[[], None]) -> Callable[[], None]:
        """Call ``wake`` whenever the limits of ``partition`` may have grown; returns a function that ends that."""

    async def handle(self, records: Sequence[Record], lane: LaneHandle) -> None:
        """Settle ``records``, all of one partition, in order, and report each to ``lane``.

        Returns once the last is settled; after ``lane.stopped`` is done, it may leave some unsettled. An exception
        means a bug.
        """
