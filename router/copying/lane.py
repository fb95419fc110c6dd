"""The lane: one thread that plans and makes the copies of runs, and says when the brokers have them all.

Why a thread and not the event loop: librdkafka lets go of the interpreter while it waits, and the loop stays free for
heartbeats. One flush serves all runs that wait (group commit). One lane keeps the order of every source partition,
hence of every key.
"""

import asyncio
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Final, Self

from confluent_kafka import KafkaException

from eventstreams.settings import Settings
from router.batches import Batch, SourceRecord
from router.copying.avoided_topics import AvoidedTopics
from router.copying.copies import Copies, Lost, Restore
from router.copying.probe_copies import ProbeCopies
from router.copying.producers import Producers
from router.planning.plan import Copy, Planner, Run

_MAX_GROUP: Final = 64  # runs that share one flush, or a few more: bounds what a crash repeats
_RATES: Final = 4  # groups: one that had to wait for a broker says little of the next
_SHORTEST_S: Final = 1e-3
_LOOK_S: Final = 0.1
_JOIN_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a run, every copy acknowledged.

    Attributes:
        copies: On subscription topics, or on their way around them.
        matched: Events with at least one copy.
        dead: Events that are dead letters of the router now.
        unmatched: Events that nobody wants.
    """

    copies: int
    matched: int
    dead: int
    unmatched: int

    def without(self, dropped: int) -> tuple[Self, int]:
        """This with ``dropped`` copies less, and how many more were dropped than it has: they are another run's."""
        mine = min(dropped, self.copies)
        return replace(self, copies=self.copies - mine), dropped - mine


@dataclass(slots=True, eq=False)
class Job:
    """A run, who waits for it, and how many of its copies are out as probes."""

    run: Run
    answer: "asyncio.Future[Settled]"
    settled: Settled | None = field(default=None, init=False)
    probe_copies: int = field(default=0, init=False)


class Lane:
    """``deliver`` runs, and learn when the brokers have every copy. Use as ``async with``."""

    def __init__(
        self, settings: Settings, planner: Planner, *, dead_topic: str, restore: Restore, avoided_topics: AvoidedTopics
    ) -> None:
        """A lane.

        Args:
            settings: Which Kafka.
            planner: Says which copies to make. Asked on the lane's thread.
            dead_topic: Where copies go that the broker will never take.
            restore: Asked on the lane's thread, before copies that failed are repeated or given up.
            avoided_topics: The way around topics that take nothing. Used on the lane's thread alone.
        """
        self._planner = planner
        self._dead_topic = dead_topic
        self._avoided_topics = avoided_topics
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Sequence[Job] | None] = queue.SimpleQueue()
        self._copies = self._copies_of(settings, restore)
        self._probe_copies: ProbeCopies[Job] = ProbeCopies(settings)
        self.last_turn = math.inf
        """When the lane's thread was last seen to turn; it does twice a second while it has work."""
        self.rate = math.inf
        """Events a second, of the last few groups that which did most; not known before the first."""
        self._rates: deque[float] = deque(maxlen=_RATES)
        self._special: Collection[str] = avoided_topics.avoided
        """Topics of which each copy is looked at before it is made."""
        self._thread = threading.Thread(target=self._run, name="router-lane", daemon=True)

    def _copies_of(self, settings: Settings, restore: Restore) -> Copies:
        return Copies(
            self._planner,
            dead_topic=self._dead_topic,
            restore=restore,
            avoided_topics=self._avoided_topics,
            turned=self._turned,
            produces=Producers(settings),
        )

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, _JOIN_S)

    @property
    def topics(self) -> int:
        """To how many topics copies have gone; those that nobody wants any more do not count for long."""
        return len(self._copies.produces)

    @property
    def turns(self) -> int:
        """Grows while brokers acknowledge copies of a flush that takes its time."""
        return self._copies.turns

    def deliver(self, runs: Sequence[Run]) -> "Sequence[asyncio.Future[Settled]]":
        """What became of each of ``runs``, once all of it is acknowledged; there is no other end but success.

        Raises:
            FatalProducerError: (a future) the producer can never deliver again; nothing is known of its run.
        """
        jobs = [Job(run, self._loop.create_future()) for run in runs]
        self._jobs.put(jobs)
        return [job.answer for job in jobs]

    # -- on the lane's thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        while (group := self._next()) is not None:
            began = time.monotonic()
            self._turned()
            waiting = [*group, *(probe.job for probe in self._probe_copies.out)]
            done: Sequence[Job]
            try:
                done, error = self._deliver(group), None
            except Exception as raised:  # noqa: BLE001 - a thread's end must not pass unseen: the runs carry it
                done, error = waiting, raised
            self.last_turn = math.inf
            if group:
                self._rates.append(sum(len(job.run) for job in group) / max(time.monotonic() - began, _SHORTEST_S))
                self.rate = max(self._rates)
            if done:
                self._loop.call_soon_threadsafe(_answer, done, error)

    def _next(self) -> list[Job] | None:
        """The runs that wait; none where only probes are to be looked after; None at the end."""
        try:
            jobs = self._jobs.get(timeout=_LOOK_S if self._probe_copies.out else None)
        except queue.Empty:
            return []
        group: list[Job] = []
        while jobs is not None:
            group += jobs
            if len(group) >= _MAX_GROUP or self._jobs.empty():
                return group
            jobs = self._jobs.get()
        self._jobs.put(None)
        return group or None

    def _deliver(self, group: Sequence[Job]) -> Sequence[Job]:
        """Make the copies of ``group``; return the jobs of which the brokers have every copy."""
        done = []
        if self._avoided_topics.avoided:
            self._avoided_topics.forget()
        for probe in self._probe_copies.back():
            if probe.arrived:
                self._avoided_topics.take_back(probe.copy.topic, probe.partition)
            else:
                self._avoided_topics.avoid(probe.copy, probe.partition)
                self._copies.make(self._avoided_topics.around(probe.copy), probe.source)
            probe.job.probe_copies -= 1
            if not probe.job.probe_copies:
                done.append(probe.job)
        for job in group:
            job.settled = self._produce_run(job)
        self._copies.settle()
        for job in group:
            if self._copies.dropped and job.settled is not None:
                job.settled, self._copies.dropped = job.settled.without(self._copies.dropped)
        return [*done, *(job for job in group if not job.probe_copies)]

    def _produce_run(self, job: Job) -> Settled:
        events = copies = dead = unmatched = 0
        # Every lookup counts in this loop: a copy costs five microseconds in all.
        run, ways_of, produces, report = job.run, self._planner.ways, self._copies.produces, self._copies.report
        special = self._special
        for batch in run.batches:
            for record in batch.records():
                events += 1
                # Of a record nothing is kept but where it is: what is made of it is freed while the processor has it
                # at hand. If it has to be made again, it is read again.
                told = partial(report, run, batch, record.offset)
                ways = ways_of(record)
                if not ways:
                    planned = self._planner.plan_closely(run, record)
                    if not planned:
                        unmatched += 1
                    elif planned[0].topic == self._dead_topic:
                        dead += 1
                    else:
                        copies += len(planned)
                    for copy in planned:
                        self._produce(copy, record, job, batch)
                    continue
                copies += len(ways)
                found, key, value = record.headers, record.key, record.value
                for topic, partition, marks in ways:
                    headers = [*found, *marks]
                    if special and topic in special:
                        self._make_around(Copy(topic, headers, partition), record, job)
                        continue
                    try:
                        # By their places, 0.4 µs less than by name: callback, its other name, timestamp, headers.
                        produces[topic](topic, value, key, partition, told, None, 0, headers)
                    except (BufferError, KafkaException) as error:
                        self._not_taken(error, Copy(topic, headers, partition), record, job, batch)
        return Settled(copies, matched=events - dead - unmatched, dead=dead, unmatched=unmatched)

    def _produce(self, copy: Copy, record: SourceRecord, job: Job, batch: Batch) -> None:
        topic = copy.topic
        if self._special and topic in self._special:
            self._make_around(copy, record, job)
            return
        told = partial(self._copies.report, job.run, batch, record.offset)
        try:
            self._copies.produces[topic](
                topic, record.value, record.key, copy.partition, headers=copy.headers, on_delivery=told
            )
        except (BufferError, KafkaException) as error:
            self._not_taken(error, copy, record, job, batch)

    def _not_taken(
        self, error: BufferError | KafkaException, copy: Copy, record: SourceRecord, job: Job, batch: Batch
    ) -> None:
        """Deal with a copy that the client did not take."""
        if isinstance(error, KafkaException):  # it knows already that the topic is gone
            lost = Lost(error.args[0], copy.topic, copy.partition, job.run, batch, record.offset)
            self._copies.refuse(lost, copy, record)
        else:  # its buffer is full
            self._copies.settle()  # which may find that its topic is to be avoided
            self._make_around(copy, record, job)

    def _make_around(self, copy: Copy, record: SourceRecord, job: Job) -> None:
        """Make ``copy`` on its way around its topic if that is avoided; now and then it goes to see if it still is."""
        if not self._avoided_topics.avoids(copy):
            self._copies.make(copy, record)
        elif self._avoided_topics.is_due(copy.topic) and self._probe_copies.may_leave(job):
            self._avoided_topics.sent(copy.topic)
            self._probe_copies.send(copy, record, job, partition=self._avoided_topics.partition_of(copy.topic))
            job.probe_copies += 1
        else:
            self._copies.make(self._avoided_topics.around(copy), record)

    def _turned(self) -> None:
        self.last_turn = time.monotonic()


def _answer(jobs: Sequence[Job], error: Exception | None) -> None:
    for job in jobs:
        if job.answer.done():
            continue
        if error is None:
            assert job.settled is not None
            job.answer.set_result(job.settled)
        else:
            job.answer.set_exception(error)
