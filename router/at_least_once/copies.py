"""Writes copies into record batches and makes sure that the brokers have them. Only for the lane's thread."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Final

from confluent_kafka import KafkaError
from typing_extensions import override

from eventstreams.telemetry.logging import get_logger
from router.at_least_once.producer import BatchProducer
from router.at_least_once.record_batch import BATCH_BYTES, Place, RecordBatch
from router.copying.avoided_topics import AvoidedTopics
from router.copying.copies import RETRY_S, STUCK_S, TURN_S, Copies, Failed, Restore, Source
from router.planning.plan import Copy, Planner, partition_of
from router.record_format import field, header_fields

ROOM_BYTES: Final = 128 << 20  # what one router makes in a second: bounds memory, and what is repeated after a crash
HEADERS_BYTES: Final = 512  # of a copy, estimated
_TOPICS: Final = 250

_log = get_logger(__name__)


class OpenBatches(dict[Place, RecordBatch]):
    """The batches of the current group that copies are added to, one for each partition; made when first asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.group = 0

    def __missing__(self, place: Place) -> RecordBatch:
        self[place] = batch = RecordBatch(place, self.group)
        return batch


class BatchedCopies(Copies):
    """Copies on their way to the brokers: ``make`` any number of them, then ``settle``.

    A loop that makes very many adds them to the batches in ``open`` itself, as ``make`` does. ``hand_over`` ends a
    group of copies, which can then be settled while the next group is made.
    """

    def __init__(
        self,
        planner: Planner,
        *,
        dead_topic: str,
        restore: Restore,
        avoided_topics: AvoidedTopics,
        turned: Callable[[], None],
        producer: BatchProducer,
    ) -> None:
        """Start without copies; ``planner`` knows which topics routes lead to. For the others see ``Copies``."""
        super().__init__(dead_topic=dead_topic, restore=restore, avoided_topics=avoided_topics, turned=turned)
        self._planner = planner
        self._producer = producer
        self._failed: list[Failed] = []  # never put in a batch: their topic has no known partitions
        self._topics: set[str] = set()
        self._kept = _TOPICS
        self.open = OpenBatches()
        self.room = ROOM_BYTES
        """About how many bytes of copies may still be made before the next ``settle``."""
        self._room_before = ROOM_BYTES  # when the current group began
        self._used: dict[int, int] = {}  # bytes of each group that was handed over

    @property
    @override
    def topics(self) -> int:
        return len(self._topics)

    @override
    def close(self) -> None:
        self._producer.close()

    def make(self, copy: Copy, source: Source) -> None:
        """Add ``copy`` to the batch of its partition; if there is no room, first wait for all copies made so far."""
        size = len(source.key or b"") + len(source.value or b"")
        self.room -= size + HEADERS_BYTES
        if self.room < 0:
            self._flush()
        partition = copy.partition
        if partition < 0:
            count = self._producer.partitions(copy.topic, STUCK_S)
            if not count:
                error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
                self._failed.append(Failed(error, copy, source, partition))
                return
            partition = partition_of(source.key, count)
        place = copy.topic, partition
        headers = header_fields(copy.headers)
        batch = self.open[place]
        if batch.size + size + len(headers) > BATCH_BYTES:
            batch = self.next_batch(batch)
        batch.add(field(source.key) + field(source.value), len(copy.headers), headers)

    def next_batch(self, full: RecordBatch) -> RecordBatch:
        """Send ``full``, which has no room for a copy, and return a new batch for its partition.

        Returns ``full`` itself if it is empty: the copy is larger than ``BATCH_BYTES``, and gets a batch of its own.
        """
        if not full.records:
            return full
        self._topics.add(full.place[0])
        self._producer.send([full])
        del self.open[full.place]
        return self.open[full.place]

    def hand_over(self) -> int:
        """Send the open batches and begin the next group; return the number of the one that ends."""
        self._send_open()
        group = self.open.group
        self._used[group] = self._room_before - self.room
        self._room_before = self.room
        self.open.group += 1
        return group

    def _send_open(self) -> None:
        if self.open:
            self._topics.update(topic for topic, _ in self.open)
            self._producer.send([*self.open.values()])
            self.open.clear()

    @override
    def settle(self, group: int | None = None) -> bool:
        """Wait until the brokers have every copy, on its topic or on a detour, or its topic is gone.

        Args:
            group: Wait only for copies of this group; None for all.

        Returns:
            Whether all groups are settled, not only ``group``: if a copy fails, all are waited for.

        Raises:
            FatalProducerError: The producer can never deliver again; whether brokers have the copies is unknown.
        """
        strikes: Counter[Place] = Counter()
        while self._flush(group):
            group = None
            failed = [*self._failed, *self._read_again()]
            self._failed = []
            count = len(failed)
            error = failed[0].error.str()
            _log.warning("copies.not_acked", count=count, error=error, follows="they are sent again")
            # Half a dozen errors can mean that a topic is gone, so a broker is asked instead of going by the error.
            # A copy that no broker will ever accept becomes a dead letter at once, whether or not its topic exists.
            topics = {each.copy.topic for each in failed if not each.lasts}
            gone = self._restore(topics) if topics else set[str]()
            if gone is None:  # could not find out, as when no broker answers: that says nothing about the topics
                time.sleep(RETRY_S)
            else:
                failed = [each for each in failed if each.copy.topic not in gone]
                self._judge(failed, strikes)
            self.dropped += count - len(failed)
            self._turned()
            again = [self._again(each) for each in failed]
            # A copy of unknown partition (-1) may go to any partition of its topic, so any strike there counts.
            struck = {*strikes, *((topic, -1) for topic, _ in strikes)}
            if any((copy.topic, copy.partition) in struck for copy, _ in again):
                time.sleep(RETRY_S)
            for copy, source in again:
                self.make(copy, source)
        if group is None and len(self._topics) > 2 * self._kept:
            self._topics &= self._planner.topics()
            self._kept = max(len(self._topics), _TOPICS)
            self._producer.keep(frozenset(self._topics))
        return group is None

    def _read_again(self) -> Iterator[Failed]:
        """Yield the copies that no broker accepted, parsed from their batches."""
        failed = deque(self._producer.take_failed())
        while failed:
            batch, error = failed.popleft()  # popped, so that each batch is freed once its records are read
            topic, partition = batch.place
            for record in batch.read():
                headers = [*record.headers]
                home = self._avoided_topics.home_of(topic, headers)
                yield Failed(error, Copy(topic, headers, partition, home), record, partition)

    def _flush(self, group: int | None = None) -> bool:
        """Wait until every copy of ``group`` (None: of all) is acknowledged or has failed; return whether any failed.

        While brokers answer but acknowledge no copy for ``STUCK_S``, the producer is told to give back what is queued.
        """
        if group is None:
            self._send_open()
        left = least = self._producer.flush(TURN_S, group)
        since = time.monotonic()
        while left:
            before, bad = left, self._producer.failed
            left = self._producer.flush(TURN_S, group)
            self._turned()
            self.turns += before - left > self._producer.failed - bad  # copies that failed are no progress
            # With no broker answering, everything waits; while copies are still acknowledged, it is only slow.
            if left < least or not self._producer.answered(TURN_S):
                least, since = left, time.monotonic()
            elif time.monotonic() - since > STUCK_S:
                self._producer.give_back()
        if group is None:
            self.room = self._room_before = ROOM_BYTES
            self._used.clear()
        else:
            used = self._used.pop(group, 0)
            self.room += used
            self._room_before += used
        return bool(self._failed or self._producer.failed)
