"""Runs one job from its checkpoint to its end: reads, selects, limits the rate, writes copies with a checkpoint.

The copies and the progress that counts them are one transaction. So however often a job is interrupted, a reader of
the subscription's topic finds each selected event exactly once. A runner that takes up the job first opens its
transactional id, which aborts what an earlier runner left unfinished, and then reads how far the job is. ADR 0006 has
the reasons.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final

from control_api.http.fair_semaphore import Slices
from control_api.redrive.copies import Copier, Copy
from control_api.redrive.feed import JobFeed
from control_api.redrive.jobs import Job, JobKind, JobPart, Progress, encode, key_of
from control_api.redrive.pace import Pace, chunk_of
from eventstreams.client.values import JobStatus, SkipReason
from eventstreams.kafka.ranges import RangeReader
from eventstreams.kafka.records import Partition, Record
from eventstreams.kafka.transaction import Fenced, Outcome, Outgoing, TransactionalProducer, Unwritten, Written
from eventstreams.settings import Settings
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import Clock
from eventstreams.topics import Topics

_READ: Final = 500  # records searched at a time; in between, the event loop is free for others
_CHECKPOINT: Final = 20_000  # records without a match before progress is written: a restart searches them again
_MAX_CHUNK_BYTES: Final = 1 << 20  # of a transaction, unless one event is larger: readers wait until it is committed


class Ended(Enum):
    """Why a run of a job ended."""

    FINISHED = auto()
    NOT_OURS = auto()
    """Another process has taken it up."""
    GAVE_WAY = auto()
    """It gave its slot to another job. Run it again later: it continues from its checkpoint."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The job cannot continue now, because ``topics`` or the jobs topic could not be written. Run it again."""

    because: str
    topics: frozenset[str]


@dataclass(slots=True)
class _Batch:
    """What was searched since the last checkpoint."""

    positions: dict[Partition, int]
    chosen: list[Record] = field(default_factory=list)
    chosen_bytes: int = 0
    examined: int = 0
    skipped: dict[SkipReason, int] = field(default_factory=dict)

    def skip(self, reason: SkipReason) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


Tell = Callable[[Sequence[Copy], int], None]
"""Called with copies that were written, and a time, in ms since the epoch, at or before that of the write."""


class JobRun:
    """Runs one job on one transactional producer."""

    def __init__(
        self,
        sid: str,
        *,
        settings: Settings,
        feed: JobFeed,
        producer: TransactionalProducer,
        kind: JobKind,
        copier: Copier,
        tell: Tell,
        give_way: Callable[[], bool],
        metrics: Metrics,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]],
        monotonic: Callable[[], float],
    ) -> None:
        self._sid = sid
        self._settings = settings
        self._jobs_topic = Topics(settings).jobs
        self._feed = feed
        self._producer = producer
        self._kind = kind
        self._copier = copier
        self._tell = tell
        self._give_way = give_way
        self._metrics = metrics
        self._clock = clock
        self._sleep = sleep
        self._monotonic = monotonic
        self._progress: Progress

    async def run(self) -> Ended | Waiting:
        """Continue the job until it ends or has to wait. Raises the errors of reading, and bugs."""
        opened = await self._producer.open()
        if isinstance(opened, Unwritten):
            return Waiting(opened.text, frozenset())
        await self._feed.catch_up()
        job = self._feed.jobs.get(self._sid)
        if job is None or job.finished:
            return Ended.FINISHED
        self._progress = _taken_up(job, now_ms=self._clock())
        if job.cancelled:
            return await self._finish(JobStatus.CANCELLED)
        begun = await self._write([], self._progress)
        if begun is not None:
            return begun
        return await self._copy_all(job)

    async def fail(self, detail: str) -> Ended | Waiting:
        """End the job as failed, at its checkpoint."""
        if isinstance(opened := await self._producer.open(), Unwritten):
            return Waiting(opened.text, frozenset())
        await self._feed.catch_up()
        job = self._feed.jobs.get(self._sid)
        if job is None or job.finished:
            return Ended.FINISHED
        self._progress = _taken_up(job, now_ms=self._clock())
        return await self._finish(JobStatus.FAILED, detail)

    async def _copy_all(self, job: Job) -> Ended | Waiting:
        pace, chunk, slices = Pace(job.order.rate), chunk_of(job.order.rate), Slices()
        async with RangeReader(self._settings, self._progress.left) as reader:
            batch = self._batch()
            while True:
                records = await reader.read(_READ)
                for record in records:
                    self._examine(batch, record)
                    await slices.pause()
                    if len(batch.chosen) >= chunk or batch.chosen_bytes >= _MAX_CHUNK_BYTES:
                        if (over := await self._flush(batch, pace)) is not None:
                            return over
                        batch = self._batch()
                batch.positions.update(reader.positions)
                idle = bool(batch.chosen) and not records  # no more records at hand: write these now
                if idle or reader.ended or batch.examined >= _CHECKPOINT or self._cancelled:
                    if (over := await self._flush(batch, pace, last=reader.ended)) is not None:
                        return over
                    batch = self._batch()
                if reader.ended:
                    return await self._finish(JobStatus.COMPLETED)

    def _examine(self, batch: _Batch, record: Record) -> None:
        batch.examined += 1
        batch.positions[Partition(record.topic, record.partition)] = record.offset + 1
        match self._copier.copy(record, now_ms=self._clock()):
            case Copy():
                batch.chosen.append(record)
                batch.chosen_bytes += len(record.value)
            case SkipReason() as reason:
                batch.skip(reason)
            case None:
                pass

    async def _flush(self, batch: _Batch, pace: Pace, *, last: bool = False) -> Ended | Waiting | None:
        """Write the copies of ``batch`` with a checkpoint; None if the job continues."""
        wait_s = pace.wait_s(len(batch.chosen), now_s=self._monotonic())
        if wait_s > 0 and not self._cancelled:
            await self._sleep(wait_s)
        if self._cancelled:
            return await self._finish(JobStatus.CANCELLED)
        now_ms, slices = self._clock(), Slices()
        copies: list[Copy] = []
        for record in batch.chosen:  # decide again: a subscription may be gone, and the delivery window begins now
            match self._copier.copy(record, now_ms=now_ms):
                case Copy() as copy:
                    copies.append(copy)
                case SkipReason() as reason:
                    batch.skip(reason)
                case None:
                    raise AssertionError("a selection takes the same record twice")
            await slices.pause()
        progress = self._progress.moved(
            batch.positions, examined=batch.examined, copied=len(copies), skipped=batch.skipped, now_ms=now_ms
        )
        over = await self._write(copies, progress)
        if over is None and not last and self._give_way():  # after the last batch, only the end is left to write
            return Ended.GAVE_WAY
        return over

    async def _finish(self, status: JobStatus, detail: str = "") -> Ended | Waiting:
        final = replace(self._progress, status=status, detail=detail, updated_ms=self._clock())
        over = await self._write([], final)
        return Ended.FINISHED if over is None else over

    async def _write(self, copies: Sequence[Copy], progress: Progress) -> Ended | Waiting | None:
        checkpoint = Outgoing(self._jobs_topic, encode(progress), key_of(JobPart.PROGRESS, self._sid))
        outcome: Outcome = await self._producer.write([*(copy.record for copy in copies), checkpoint])
        match outcome:
            case Written():
                self._progress = progress
                self._count(copies)
                self._tell(copies, progress.updated_ms)
                return None
            case Fenced():
                return Ended.NOT_OURS
            case Unwritten(text=text, lasting=True):
                return await self.fail(f"Kafka will never accept one of its events: {text}")
            case Unwritten(text=text):
                return Waiting(text, frozenset(copy.record.topic for copy in copies))

    def _count(self, copies: Sequence[Copy]) -> None:
        for copy in copies:
            self._metrics.redriven.labels(copy.sink_type, self._kind.value).inc()

    @property
    def _cancelled(self) -> bool:
        job = self._feed.jobs.get(self._sid)
        return job is None or job.cancelled

    def _batch(self) -> _Batch:
        return _Batch({Partition(each.topic, each.partition): each.first for each in self._progress.left})


def _taken_up(job: Job, *, now_ms: int) -> Progress:
    if job.progress is None:
        return Progress(
            status=JobStatus.STARTING,
            left=tuple(each for each in job.order.ranges if each.records),
            updated_ms=now_ms,
            started_ms=now_ms,
        )
    return replace(job.progress, updated_ms=now_ms)
