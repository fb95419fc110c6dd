"""Writes copies to record batches, and sees to it that the brokers have them. For the lane's thread alone."""

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

ROOM_BYTES: Final = 128 << 20  # a second of what one router makes: bounds memory, and what a crash repeats
HEADERS_BYTES: Final = 512  # of a copy, about
_TOPICS: Final = 250

_log = get_logger(__name__)


class OpenBatches(dict[Place, RecordBatch]):
    """The batches of one group that copies are added to, one for each place."""

    def __init__(self) -> None:
        super().__init__()
        self.group = 0

    def __missing__(self, place: Place) -> RecordBatch:
        self[place] = batch = RecordBatch(place, self.group)
        return batch


class BatchedCopies(Copies):
    """``make`` any number, then ``settle``. Who makes many adds them to ``open``, as ``make`` does.

    What is made up to a ``hand_over`` is a group, and can be settled while the next one is made.
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
        """No copies yet; ``planner`` knows which topics are wanted."""
        super().__init__(dead_topic=dead_topic, restore=restore, avoided_topics=avoided_topics, turned=turned)
        self._planner = planner
        self._producer = producer
        self._failed: list[Failed] = []  # of which no batch was made
        self._topics: set[str] = set()
        self._kept = _TOPICS
        self.open = OpenBatches()
        self.room = ROOM_BYTES
        """How many bytes of copies may still be made before the next ``settle``, about."""
        self._room_before = ROOM_BYTES  # this group
        self._used: dict[int, int] = {}  # by groups that were handed over

    @property
    @override
    def topics(self) -> int:
        return len(self._topics)

    @override
    def close(self) -> None:
        self._producer.close()

    def make(self, copy: Copy, source: Source) -> None:
        """Write ``copy`` where it goes; waits while there is no room."""
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
        """Send ``full``, which has no room for a copy, and open another for its place; itself where it is empty."""
        if not full.records:
            return full
        self._topics.add(full.place[0])
        self._producer.send([full])
        del self.open[full.place]
        return self.open[full.place]

    def hand_over(self) -> int:
        """Send what was made since the last time; the number of this group."""
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
        """Return once the brokers have every copy, on its topic or on its way around it; or its topic is gone.

        Args:
            group: Those of this one alone; None: all.

        Returns:
            Whether all are settled: once one failed it waits for all.

        Raises:
            FatalProducerError: none can ever be delivered again; nothing is known of the copies.
        """
        strikes: Counter[Place] = Counter()
        while self._flush(group):
            group = None
            failed = [*self._failed, *self._read_again()]
            self._failed = []
            count = len(failed)
            error = failed[0].error.str()
            _log.warning("copies.not_acked", count=count, error=error, follows="they are sent again")
            # There are half a dozen errors for a topic that is gone, so the broker is asked, not the error.
            # What no broker will ever take needs no look, and nobody has to wait for it to become a dead letter.
            topics = {each.copy.topic for each in failed if not each.lasts}
            gone = self._restore(topics) if topics else set[str]()
            if gone is None:  # no broker answers, which says nothing about the topics
                time.sleep(RETRY_S)
            else:
                failed = [each for each in failed if each.copy.topic not in gone]
                self._judge(failed, strikes)
            self.dropped += count - len(failed)
            self._turned()
            again = [self._again(each) for each in failed]
            # Of a copy whose partition is not known any of its topic may be the one.
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
        """The copies that no broker took, read from their batches."""
        failed = deque(self._producer.take_failed())
        while failed:
            batch, error = failed.popleft()  # its bytes are not kept beside its records
            topic, partition = batch.place
            for record in batch.read():
                headers = [*record.headers]
                home = self._avoided_topics.home_of(topic, headers)
                yield Failed(error, Copy(topic, headers, partition, home), record, partition)

    def _flush(self, group: int | None = None) -> bool:
        """Wait until the brokers have answered for every copy, or do not for ``STUCK_S``; whether any is not there."""
        if group is None:
            self._send_open()
        left = least = self._producer.flush(TURN_S, group)
        since = time.monotonic()
        while left:
            before, bad = left, self._producer.failed
            left = self._producer.flush(TURN_S, group)
            self._turned()
            self.turns += before - left > self._producer.failed - bad  # what was given up is no progress
            # While no broker answers, all wait; as long as any copy is acknowledged, it is only slow.
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
