"""The batches of one partition, waiting or in flight: which may be sent, and what a response settles. No I/O.

Two batches may be in flight, so that one is on its way while the broker writes the other. Their sequence numbers keep
the order: a broker refuses the second unless it has the first. It can tell only if it remembers the producer id, so the
second is not sent until a batch was accepted under that id, and none was refused since.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from router.at_least_once.codes import TAKEN
from router.at_least_once.record_batch import Place, RecordBatch

_IN_FLIGHT: Final = 2
_REMEMBERED_S: Final = 3_600.0  # a broker forgets a producer id that was not used for a day, in Kafka's default


class Outcome(NamedTuple):
    """What a response settled.

    Attributes:
        accepted: Batches that the broker has; they are no longer in the queue.
        refused: Error code for the batch that is first in the queue now; None if there is nothing to handle yet.
    """

    accepted: Sequence[RecordBatch]
    refused: int | None = None


class PartitionQueue:
    """Batches of ``place`` in order, of which the first few may be in flight."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._batches: deque[RecordBatch] = deque()
        self._in_flight = 0  # how many of the first batches
        self._leader: int | None = None  # the broker that has them
        self._codes: dict[RecordBatch, int] = {}  # responses that cannot be handled before another one has come
        self._is_backing_off = False
        self._accepted_at: float | None = None  # monotonic; None before the first batch, and after an error

    @property
    def is_idle(self) -> bool:
        """Whether it has batches, and none of them is in flight."""
        return bool(self._batches) and not self._in_flight

    @property
    def first(self) -> RecordBatch:
        """The first batch; there must be one."""
        return self._batches[0]

    @property
    def next(self) -> RecordBatch:
        """The batch that goes next, if ``may_send``."""
        return self._batches[self._in_flight]

    def add(self, batch: RecordBatch) -> None:
        """Put ``batch`` behind all others."""
        self._batches.append(batch)

    def may_send(self, now: float) -> bool:
        """Return whether ``next`` may be sent; ``now`` is on the monotonic clock."""
        if self._is_backing_off or len(self._batches) <= self._in_flight:
            return False
        if not self._in_flight:
            return True
        return (
            self._in_flight < _IN_FLIGHT and self._accepted_at is not None and now - self._accepted_at < _REMEMBERED_S
        )

    def goes_to(self, leader: int) -> bool:
        """Return whether ``next`` may be sent to ``leader``: not while another broker still has the batch before it."""
        return not self._in_flight or leader == self._leader

    def send(self, leader: int) -> RecordBatch:
        """Return ``next``, which counts as in flight to ``leader`` from now on."""
        batch = self.next
        self._in_flight += 1
        self._leader = leader
        return batch

    def answered(self, batch: RecordBatch, code: int, now: float) -> Outcome:
        """Take in the broker's ``code`` for ``batch``, which was in flight.

        An error is handled once nothing is in flight any more, as it decides what becomes of the batches behind it.
        """
        self._codes[batch] = code
        accepted: list[RecordBatch] = []
        while self._batches and self._codes.get(self.first) in TAKEN:
            del self._codes[self.first]
            accepted.append(self._batches.popleft())
            self._in_flight -= 1
        if not self._codes:
            if self._accepted_at is not None or all(each.identity is None for each in self._batches):
                self._accepted_at = now  # after an error not until all that was sent before it is settled
            return Outcome(accepted)
        self._accepted_at = None
        if len(self._codes) < self._in_flight:
            return Outcome(accepted)
        # A broker that has forgotten the producer id may have the second and not the first.
        accepted += (each for each, said in self._codes.items() if said in TAKEN)
        refused = self._codes[self.first]
        self._batches = deque(each for each in self._batches if each not in accepted)
        self._codes.clear()
        self._in_flight = 0
        return Outcome(accepted, refused)

    def back_off(self) -> None:
        """Send nothing until ``go_on``."""
        self._is_backing_off = True

    def go_on(self) -> None:
        """End what ``back_off`` began."""
        self._is_backing_off = False

    def begin_anew(self) -> None:
        """Let all batches get new identities. None may be in flight."""
        self._accepted_at = None
        for batch in self._batches:
            batch.identity = None

    def replace_first(self, batches: Iterable[RecordBatch]) -> None:
        """Put ``batches`` in the place of the first one, which must not be in flight."""
        self._batches.popleft()
        self._batches.extendleft(reversed([*batches]))

    def take_all(self) -> Sequence[RecordBatch]:
        """Remove and return all batches. None may be in flight."""
        taken = [*self._batches]
        self._batches.clear()
        self._is_backing_off = False
        return taken
