"""The lane of a router that copies exactly once: copies of runs, and the offsets behind these, in one transaction."""

import time
from collections.abc import Collection, Sequence
from functools import partial
from itertools import takewhile
from typing import Final

from confluent_kafka import KafkaException, TopicPartition
from typing_extensions import override

from eventstreams.errors import FatalProducerError
from eventstreams.settings import Settings
from router.batches import SourceRecord
from router.copying.avoided_topics import AvoidedTopics
from router.copying.copies import Restore
from router.copying.lane import Job, Lane, Settled, Tally
from router.exactly_once.copies import TransactionalCopies
from router.exactly_once.probes import Probes
from router.exactly_once.transactions import Seat, SpoiltError, Transactions
from router.planning.plan import Copy, Planner, Run, partition_of

_LONGEST_S: Final = 2.0  # that copies are made for before they are committed: who reads them waits for that
_PUT_OUT_S: Final = 60.0  # a member that was put out of its group is back within seconds
_UNDONE: Final = Settled(0, matched=0, dead=0, unmatched=0)
_NO_RUN: Final = Run("", -1, (), is_last=True)


class TransactionalLane(Lane):
    """A ``Lane``. Runs that were fetched before the last seek are not routed: they are fetched again.

    What it answers for such a run, or for one whose offsets Kafka refused as its partition is somebody else's now,
    is that nothing was done. Kafka has the offsets of all others when it answers: nobody else may commit any.
    """

    _copies: TransactionalCopies

    def __init__(
        self, settings: Settings, planner: Planner, *, dead_topic: str, restore: Restore, avoided_topics: AvoidedTopics
    ) -> None:
        super().__init__()
        self._planner = planner
        self._dead_topic = dead_topic
        self._avoided_topics = avoided_topics
        self._transactions = Transactions(settings, turned=self._turned)
        self._copies = TransactionalCopies(
            dead_topic=dead_topic,
            restore=restore,
            avoided_topics=avoided_topics,
            turned=self._turned,
            transactions=self._transactions,
        )
        self._special: Collection[str] = ()  # topics of which each copy is looked at before it is made
        self._probes = Probes(settings, avoided_topics)
        self._at: tuple[int, Seat] | None = None  # replaced as a whole, by the event loop
        self._put_out: tuple[int, float] = -1, 0.0

    async def leave(self) -> None:
        """Route nothing more; return once nothing is under way: then it is known which offsets were committed."""
        self._at = None
        for answer in self.deliver([_NO_RUN]):
            await answer

    def take(self, seek: int, seat: Seat) -> None:
        """Route what is fetched after the seek of the number ``seek``, as the member that sits at ``seat``."""
        self._at = seek, seat

    # -- on the lane's thread --------------------------------------------------------------------------------

    @override
    def _deliver(self, group: Sequence[Job]) -> Sequence[Job]:
        if self._avoided_topics.avoided:
            self._avoided_topics.forget()
            self._probes.look()
        waiting = list(group)
        while waiting:
            at = self._at
            if at is None or not waiting[0].run.batches or waiting[0].run.seek != at[0]:
                waiting.pop(0).settled = _UNDONE
                continue
            part = [*takewhile(lambda job, seek=at[0]: job.run.batches and job.run.seek == seek, waiting)]  # type: ignore[misc]
            try:
                done = self._attempt(part, *at)
            except SpoiltError:
                self._copies.learn()
                self._transactions.leave()
                self._turned()
            else:
                self._copies.committed()
                del waiting[:done]
        return group

    def _attempt(self, jobs: Sequence[Job], seek: int, seat: Seat) -> int:
        """Route the first of ``jobs``, in one transaction; how many."""
        self._copies.begin()
        self._special = self._copies.special
        until = time.monotonic() + _LONGEST_S
        ends: dict[tuple[str, int], int] = {}
        done = 0
        while done < len(jobs) and (not done or time.monotonic() < until):
            run = jobs[done].run
            jobs[done].settled = self._produce_run(jobs[done])
            ends[run.topic, run.partition] = run.batches[-1].next_offset
            done += 1
        self._copies.settle()
        if not self._transactions.commit([TopicPartition(*at, end) for at, end in ends.items()], seat):
            self._refused(seek)
            for job in jobs[:done]:
                job.settled = _UNDONE
        for job in jobs[:done]:
            if self._copies.dropped and job.settled is not None:
                job.settled, self._copies.dropped = job.settled.without(self._copies.dropped)
        return done

    def _refused(self, seek: int) -> None:
        """The member that fetched after ``seek`` is put out of its group: it is to join again, and to seek."""
        known, since = self._put_out
        if known != seek:
            self._put_out = seek, time.monotonic()
        elif time.monotonic() - since > _PUT_OUT_S:
            raise FatalProducerError(
                "Kafka refuses the offsets of this router, and it does not leave its group for that"
            )

    def _produce_run(self, job: Job) -> Settled:
        events = copies = 0
        tally = Tally(self._dead_topic)
        # Every lookup counts in this loop: a copy costs five microseconds in all.
        run, ways_of, produces, report = job.run, self._planner.ways, self._transactions, self._copies.report
        special = self._special
        for batch in run.batches:
            for record in batch.records():
                events += 1
                ways = ways_of(record)
                if not ways:
                    planned = self._planner.plan_closely(run, record)
                    tally.add(planned)
                    for copy in planned:
                        self._make(copy, record, run)
                    continue
                copies += len(ways)
                found, key, value = record.headers, record.key, record.value
                told = partial(report, run, record.offset)
                for way in ways:
                    (topic, _), partitions, *_ = way
                    headers = [*found, *self._planner.marks(way)]
                    partition = 0 if partitions == 1 else partition_of(key, partitions, otherwise=record.offset)
                    if special and topic in special:
                        self._make(Copy(topic, headers, partition), record, run)
                        continue
                    try:
                        # By their places, 0.4 µs less than by name: callback, its other name, timestamp, headers.
                        produces[topic](topic, value, key, partition, told, None, 0, headers)
                    except (BufferError, KafkaException):
                        self._make(Copy(topic, headers, partition), record, run)
        return tally.settled(events=events, copies=copies)

    def _make(self, copy: Copy, record: SourceRecord, run: Run) -> None:
        topic = copy.topic
        if topic in self._avoided_topics.avoided and self._probes.is_idle and self._avoided_topics.is_due(topic):
            self._avoided_topics.sent(topic)
            self._probes.send(copy, record, partition=self._avoided_topics.partition_of(topic))
        self._copies.make(copy, record, (run.partition, record.offset, topic))
