"""Which batches were sent and are not settled yet. Shared by the thread that sends and the one that waits for it."""

import threading
from collections import Counter
from collections.abc import Sequence

from confluent_kafka import KafkaError

from eventstreams.errors import FatalProducerError
from router.at_least_once.record_batch import RecordBatch


class Ledger:
    """Counts records by their group until each is accepted by a broker or has failed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._left: Counter[int] = Counter()  # unsettled records of each group
        self._failed: list[tuple[RecordBatch, KafkaError]] = []
        self._gave_up: BaseException | None = None

    @property
    def failed(self) -> int:
        """How many records ``take_failed`` would return, in their batches."""
        with self._changed:
            return sum(batch.records for batch, _ in self._failed)

    def add(self, batches: Sequence[RecordBatch]) -> None:
        """Count ``batches`` as unsettled."""
        with self._changed:
            for batch in batches:
                self._left[batch.group] += batch.records

    def wait(self, timeout_s: float, group: int | None) -> int:
        """Wait until all batches of ``group`` (None: of all) are settled; return how many records are left.

        Raises:
            FatalProducerError: ``give_up`` was called; whether brokers have what is left is unknown.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._unsettled(group) or self._gave_up is not None, timeout_s)
            if self._gave_up is not None:
                raise FatalProducerError(f"the Kafka sender gave up: {self._gave_up}") from self._gave_up
            return self._unsettled(group)

    def _unsettled(self, group: int | None) -> int:
        return self._left.total() if group is None else self._left[group]

    def take_failed(self) -> Sequence[tuple[RecordBatch, KafkaError]]:
        """Return the batches that failed since the last call, each with its error."""
        with self._changed:
            failed, self._failed = self._failed, []
        return failed

    def accept(self, batches: Sequence[RecordBatch]) -> None:
        """Settle ``batches``: brokers have them."""
        with self._changed:
            self._settle(batches)

    def fail(self, batches: Sequence[RecordBatch], error: KafkaError) -> None:
        """Settle ``batches`` as failed."""
        with self._changed:
            self._failed += ((batch, error) for batch in batches)
            self._settle(batches)

    def _settle(self, batches: Sequence[RecordBatch]) -> None:
        for batch in batches:
            self._left[batch.group] -= batch.records
            if not self._left[batch.group]:
                del self._left[batch.group]
                self._changed.notify_all()

    def give_up(self, error: BaseException) -> None:
        """Have every ``wait`` fail with ``error`` from now on."""
        with self._changed:
            self._gave_up = error
            self._changed.notify_all()
