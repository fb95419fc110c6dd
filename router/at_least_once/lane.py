"""The lane for at-least-once copying: plans each event and writes its copies into record batches."""

from collections.abc import Collection, Sequence
from typing import Final

from typing_extensions import override

from eventstreams.settings import Settings
from router.at_least_once.copies import BatchedCopies
from router.at_least_once.probe_copies import ProbeCopies
from router.at_least_once.producer import BatchProducer
from router.at_least_once.record_batch import BATCH_BYTES
from router.copying.avoided_topics import AvoidedTopics
from router.copying.copies import Restore
from router.copying.lane import Job, Lane, Settled, Tally
from router.planning.plan import Copy, Planner, partition_of
from router.records import SourceRecord

_MANY: Final = 250  # topics; with more, larger batches pay off, and overlapping two groups does not
MARKS_BYTES: Final = 256  # upper bound for the headers that a copy has in addition to the event's own


class AtLeastOnceLane(Lane):
    """A ``Lane`` whose runs are settled once the brokers have every copy. A run routed again is copied again."""

    _copies: BatchedCopies

    def __init__(
        self, settings: Settings, planner: Planner, *, dead_topic: str, restore: Restore, avoided_topics: AvoidedTopics
    ) -> None:
        """Create a lane; its thread starts with ``async with``.

        Args:
            settings: How to reach Kafka.
            planner: Decides which copies to make. Called on the lane's thread.
            dead_topic: Topic for copies that no broker will ever accept.
            restore: Called on the lane's thread before failed copies are repeated or given up.
            avoided_topics: The detour for topics that accept nothing. Used only on the lane's thread.
        """
        super().__init__()
        self._planner = planner
        self._dead_topic = dead_topic
        self._avoided_topics = avoided_topics
        self._special: Collection[str] = avoided_topics.avoided  # each copy for one of these topics is checked first
        self._copies = BatchedCopies(
            planner,
            dead_topic=dead_topic,
            restore=restore,
            avoided_topics=avoided_topics,
            turned=self._turned,
            producer=BatchProducer(settings),
        )
        self._probe_copies: ProbeCopies[Job] = ProbeCopies(settings)
        self._handed_over: list[tuple[int, Sequence[Job]]] = []  # groups with copies in flight; at most two

    # -- on the lane's thread --------------------------------------------------------------------------------

    @override
    def _put_off(self) -> Sequence[Job]:
        return [
            *(job for _, group in self._handed_over for job in group),
            *(probe.job for probe in self._probe_copies.out),
        ]

    @override
    def _deliver(self, group: Sequence[Job]) -> Sequence[Job]:
        """Make the copies of ``group``; return the jobs, earlier ones too, whose copies the brokers all have."""
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
        # A run whose probes have returned is answered at once, so everything made for it must be settled before.
        probed = bool(done or self._probe_copies.out)
        wait = not group or probed or self._jobs.empty() or len(self._copies.open) > _MANY
        self._handed_over.append((self._copies.hand_over(), group))
        return [*done, *self._settled(but_last=not wait)]

    def _settled(self, *, but_last: bool) -> Sequence[Job]:
        """Wait for the groups that were handed over, all or ``but_last``; return their jobs without open probes."""
        handed_over = self._handed_over
        if but_last:
            handed_over = handed_over[:-1]
            if handed_over and self._copies.settle(handed_over[-1][0]):
                handed_over = self._handed_over  # a copy failed, so all groups were waited for
        else:
            self._copies.settle()
        self._handed_over = self._handed_over[len(handed_over) :]
        jobs = [job for _, group in handed_over for job in group]
        for job in jobs:
            if self._copies.dropped and job.settled is not None:
                job.settled, self._copies.dropped = job.settled.without(self._copies.dropped)
        return [job for job in jobs if not job.probe_copies]

    @override
    def _finish(self) -> Sequence[Job]:
        return self._settled(but_last=False) if self._handed_over else ()

    def _produce_run(self, job: Job) -> Settled:
        # Every lookup counts in this loop. No reference to a record is kept: it is freed while still in the CPU cache.
        events = copies = used = 0
        tally = Tally(self._dead_topic)
        ways_of, made, special = self._planner.ways_by_bytes, self._copies, self._special
        batches = made.open
        for batch in job.run.batches:
            opened = batch.open()
            for at, time_ms, count, fields, headers in opened:
                events += 1
                record: SourceRecord | None = None
                ways = ways_of(headers, count, time_ms)
                if not ways:
                    record = opened.record(at)
                    ways = self._planner.learn(record, len(headers))
                    if not ways:
                        planned = self._planner.plan_closely(job.run, record)
                        tally.add(planned)
                        for copy in planned:
                            self._make(copy, record, job)
                        continue
                copies += len(ways)
                size = len(fields) + len(headers) + MARKS_BYTES
                times = self._planner.times
                for way in ways:
                    place, partitions, ttl_ms, owner, encoded = way
                    used += size
                    if used > made.room:
                        made.settle()  # this may add to the avoided topics
                        used = 0
                    if partitions > 1:
                        record = record or opened.record(at)
                        place = place[0], partition_of(record.key, partitions, otherwise=record.offset)
                    if special and place[0] in special:
                        record = record or opened.record(at)
                        copy = Copy(place[0], [*record.headers, *self._planner.marks(way)], place[1])
                        self._make_around(copy, record, job)
                        continue
                    into = batches[place]
                    if into.size + size > BATCH_BYTES:
                        into = made.next_batch(into)
                    when, encoded_when = times[ttl_ms]
                    into.add(fields, count + len(when) + len(owner), headers, encoded_when, encoded)
        made.room -= used
        return tally.settled(events=events, copies=copies)

    def _make(self, copy: Copy, record: SourceRecord, job: Job) -> None:
        if self._special and copy.topic in self._special:
            self._make_around(copy, record, job)
        else:
            self._copies.make(copy, record)

    def _make_around(self, copy: Copy, record: SourceRecord, job: Job) -> None:
        """Send ``copy`` on a detour if its topic is avoided, or now and then as a probe of that topic."""
        if not self._avoided_topics.avoids(copy):
            self._copies.make(copy, record)
        elif self._avoided_topics.is_due(copy.topic) and self._probe_copies.may_leave(job):
            self._avoided_topics.sent(copy.topic)
            self._probe_copies.send(copy, record, job, partition=self._avoided_topics.partition_of(copy.topic))
            job.probe_copies += 1
        else:
            self._copies.make(self._avoided_topics.around(copy), record)
