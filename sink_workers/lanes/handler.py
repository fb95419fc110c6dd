"""What a lane and its handler are to each other: what the lane asks, and what the handler has of it."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from eventstreams.kafka.records import Partition, Record
from sink_workers.lanes.offsets import OffsetTracker


class Limits(NamedTuple):
    """How a lane takes batches: see ``Capabilities``. ``max_in_flight`` 0: not now.

    A tuple, as one is made for every batch.
    """

    max_batch_events: int
    max_batch_bytes: int
    linger_s: float
    max_in_flight: int


class LaneHandle:
    """What a handler has of the lane while it works on a batch.

    Attributes:
        stopped: Done when the lane takes no more. Whoever only waits then returns; an attempt under way may finish.
    """

    def __init__(
        self, tracker: OffsetTracker, stopped: "asyncio.Future[None]", wake: Callable[[], None] = lambda: None
    ) -> None:
        """``wake``: called when a batch has stepped aside."""
        self._tracker = tracker
        self._wake = wake
        self.stopped = stopped
        self.stood_aside = 0
        """How many batches are under way that need no slot."""

    def settled(self, record: Record) -> None:
        """``record`` is delivered, or the broker has acknowledged its copy; it may be committed."""
        self._tracker.settle(record)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Meanwhile the batch only waits for Kafka, and another may have its slot.

        Without it a sink of which some attempts fail never has as many under way as it may, and so is never found to
        take more.
        """
        self.stood_aside += 1
        self._wake()
        try:
            yield
        finally:
            self.stood_aside -= 1


class Handler(Protocol):
    """What a lane asks. Handlers may be shared by lanes."""

    def limits(self, partition: Partition) -> Limits:
        """How to batch now; asked before each batch."""

    def ready_at_ms(self, record: Record) -> int:
        """When ``record`` may be taken, in ms since the epoch; 0 for at once. It holds up those behind it."""

    def deadline_ms(self, record: Record) -> int:
        """When ``record`` is to be taken whatever the limits say, in ms since the epoch."""

    def attach(self, partition: Partition, wake: Callable[[], None]) -> Callable[[], None]:
        """Have ``wake`` called when the limits of ``partition`` may have grown; returns what ends that."""

    async def handle(self, records: Sequence[Record], lane: LaneHandle) -> None:
        """Settle ``records``, of one partition, in order, and tell ``lane`` of each.

        Returns when the last is settled, or leaves some unsettled once ``lane.stopped`` is done. Raises only bugs.
        """
