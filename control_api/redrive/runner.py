"""Runs unfinished jobs while this process is the primary: first the existing ones, then each new one."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, Self

from control_api.redrive.copies import Copier
from control_api.redrive.feed import JobFeed
from control_api.redrive.jobs import Job, Progress
from control_api.redrive.run import Ended, JobRun, Tell, Waiting
from eventstreams.codec import Codec
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import SubscriptionState
from eventstreams.errors import EventStreamsError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.transaction import TransactionalProducer
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import Clock
from eventstreams.topics import Topics

_SIDE_BY_SIDE: Final = 8  # concurrent jobs: each has two connections and up to 8 MiB
_OF_ONE: Final = 4  # of them, for one customer: many slow jobs of one leave room for others
_TURN_S: Final = 30.0  # a job keeps its slot this long although others wait: taking one up takes a second or so
_LOOK_S: Final = 1.0  # between checks whether others wait, which go through all jobs
_OTHERS_TURN: Final = "it is another job's turn"
_AGAIN_S: Final = (0.5, 2.0, 5.0, 10.0)  # delays before a job that could not write tries again; the last one repeats

_RETAKE_S: Final = 60.0  # a job writes its progress every second or so; see ``_leave``

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerParts:
    """The dependencies of a runner.

    Attributes:
        settings: The settings.
        feed: The jobs.
        control: The subscriptions and accounts.
        admin: Administers Kafka.
        codec: Reads events for filters.
        metrics: Where copies are counted.
        clock: The current time, in ms since the epoch.
        tell: Called with the copies that were written; must not wait.
        retake_s: How long a job that another process took may make no progress before this one takes it back.
        sleep: Waits for some seconds.
        monotonic: A monotonic clock, in seconds.
    """

    settings: Settings
    feed: JobFeed
    control: ControlFeed
    admin: KafkaAdmin
    codec: Codec
    metrics: Metrics
    clock: Clock
    tell: Tell = lambda _copies, _at_ms: None
    retake_s: float = _RETAKE_S
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    monotonic: Callable[[], float] = time.monotonic


class JobRunner:
    """Runs jobs inside its ``async with`` block, which can be entered repeatedly.

    On exit, jobs stop between two writes, and the next runner continues them. If two processes run the same job, the
    one that took it up last continues and the other stops: see ``JobRun``.
    """

    def __init__(self, parts: RunnerParts) -> None:
        self._parts = parts
        self._topics = Topics(parts.settings)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._left: dict[str, asyncio.TimerHandle] = {}  # left to other processes
        self._broken: set[str] = set()  # stopped by a bug, which would stop them again
        self._problems: dict[str, str] = {}
        self._look_at_s: dict[str, float] = {}  # of running jobs: when they next check whether others wait
        self._giving_way: str | None = None  # one at a time, so that no two give way to the same job
        self._gave_way_s: dict[str, float] = {}  # of jobs that wait for their next turn: since when
        self._working = False
        parts.feed.listen(self._start_more)

    async def __aenter__(self) -> Self:
        self._working = True
        self._start_more()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._working = False
        for timer in self._left.values():
            timer.cancel()
        self._left.clear()  # when it is entered again, they may be ours to take up
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._gave_way_s.clear()
        self._problems.clear()

    def problem(self, sid: str) -> str | None:
        """Why the job ``sid`` waits; None if it does not."""
        return self._problems.get(sid)

    def _start_more(self) -> None:
        while self._working and len(self._running) < _SIDE_BY_SIDE and (job := self._next()) is not None:
            sid = job.order.sid
            self._problems.pop(sid, None)
            self._look_at_s[sid] = self._parts.monotonic() + _TURN_S
            task = asyncio.create_task(self._run(sid), name=f"job-{sid}")
            self._running[sid] = task
            task.add_done_callback(partial(self._ended, sid))

    def _next(self) -> Job | None:
        """The job that gets the next slot: of the customer with the fewest running jobs, the longest waiting one.

        A cancelled job comes first: it needs a slot only for a moment, to write that it has ended.
        """
        places = self._places()
        taken = self._running.keys() | self._left.keys() | self._broken
        waiting = (
            job
            for job in self._parts.feed.unfinished()
            if job.order.sid not in taken and (job.cancelled or places[self._customer_of(job)] < _OF_ONE)
        )
        return min(
            waiting,
            key=lambda job: (
                not job.cancelled,
                places[self._customer_of(job)],
                self._gave_way_s.get(job.order.sid, 0.0),
            ),
            default=None,
        )

    def _gives_way(self, sid: str) -> bool:
        """Whether the running job ``sid`` is to give its slot, at its present checkpoint, to a waiting job.

        A job may run for days, so a customer with fewer slots than its own must not have to wait for its end.
        """
        if self._giving_way == sid:
            return True
        now_s = self._parts.monotonic()
        if self._giving_way is not None or now_s < self._look_at_s[sid]:
            return False
        self._look_at_s[sid] = now_s + _LOOK_S
        self._start_more()  # for cancelled ones, as cancelling is not announced
        first, mine = self._next(), self._parts.feed.jobs.get(sid)
        if first is None or mine is None:
            return False
        places = self._places()
        if not first.cancelled and places[self._customer_of(first)] >= places[self._customer_of(mine)]:
            return False
        self._giving_way = sid
        return True

    def _places(self) -> Counter[str]:
        """How many jobs of each customer are running."""
        jobs = self._parts.feed.jobs
        return Counter(self._customer_of(jobs[sid]) for sid in self._running if sid in jobs)

    def _customer_of(self, job: Job) -> str:
        return self._parts.control.snapshot.customer_of(job.order.selection.account_sid)

    def _ended(self, sid: str, task: "asyncio.Task[None]") -> None:
        self._running.pop(sid, None)
        self._look_at_s.pop(sid, None)
        self._gave_way_s.pop(sid, None)
        problem = self._problems.pop(sid, None)
        if self._giving_way == sid:
            self._giving_way = None
            self._gave_way_s[sid] = self._parts.monotonic()
            self._problems[sid] = problem or _OTHERS_TURN
        if not task.cancelled() and (error := task.exception()):
            self._broken.add(sid)
            _log.error("job.stopped", sid=sid, exc_info=error, follows="it continues when a process starts next")
        self._start_more()

    async def _run(self, sid: str) -> None:
        async with TransactionalProducer(self._parts.settings, self._topics.group(f"job.{sid}")) as producer:
            run = self._job_run(sid, producer)
            tries = 0
            while True:
                match await self._once(run, sid):
                    case Ended.FINISHED:
                        _log.info("job.finished", sid=sid)
                        return
                    case Ended.NOT_OURS:
                        self._leave(sid)
                        _log.info("job.left", sid=sid, follows="another process continues it")
                        return
                    case Ended.GAVE_WAY:
                        _log.info("job.gave_way", sid=sid, follows="it continues when it is its turn again")
                        return
                    case Waiting(because=because, topics=topics):
                        self._problems[sid] = because
                        _log.warning("job.waiting", sid=sid, because=because, follows="it resumes from its checkpoint")
                        if self._gives_way(sid):
                            return
                        await self._restore(topics)
                        await self._parts.sleep(_AGAIN_S[min(tries, len(_AGAIN_S) - 1)])
                        tries += 1

    def _leave(self, sid: str) -> None:
        """Leave the job to the process that has taken it up, as long as that makes progress.

        If that process died, nobody else may notice: processes take jobs up only at their start and when a job is new.
        """
        job = self._parts.feed.jobs.get(sid)
        seen = None if job is None else job.progress
        loop = asyncio.get_running_loop()
        self._left[sid] = loop.call_later(self._parts.retake_s, self._look_after, sid, seen)

    def _look_after(self, sid: str, seen: Progress | None) -> None:
        del self._left[sid]
        job = self._parts.feed.jobs.get(sid)
        if job is None or job.finished:
            return
        if job.progress != seen:
            self._leave(sid)
        else:
            _log.info("job.retaken", sid=sid, follows="no process continued it")
            self._start_more()

    async def _once(self, run: JobRun, sid: str) -> Ended | Waiting:
        try:
            return await run.run()
        except EventStreamsError as error:
            return Waiting(str(error), frozenset())
        except Exception as error:  # noqa: BLE001 - a seam: a bug in one job must not end the API
            _log.exception("job.failed", sid=sid, follows="it ends as failed; what it has copied remains")
            return await run.fail(f"internal error: {type(error).__name__}")

    async def _restore(self, wanted: frozenset[str]) -> None:
        """Create the topics of active subscriptions, and of jobs, again, in case somebody has deleted them by hand."""
        await self._parts.control.catch_up()
        found = (self._parts.control.snapshot.subscriptions.get(Topics.subscription_of(topic)) for topic in wanted)
        specs = [
            self._topics.subscription_spec(each.sink_type, each.sid, partitions=each.partitions)
            for each in found
            if each is not None and each.state is SubscriptionState.ACTIVE
        ]
        specs += [spec for spec in self._topics.base_specs() if spec.name == self._topics.jobs]
        try:
            await self._parts.admin.ensure(specs)
        except EventStreamsError as error:
            _log.error("topics.not_restored", error=str(error))

    def _job_run(self, sid: str, producer: TransactionalProducer) -> JobRun:
        parts, order = self._parts, self._parts.feed.jobs[sid].order
        copier = Copier(
            order.kind,
            order.selection,
            job_sid=sid,
            topics=self._topics,
            subscriptions=lambda: parts.control.snapshot.subscriptions,
            default_ttl_ms=int(parts.settings.ttl.total_seconds() * 1000),
            codec=parts.codec,
            accounts_for=parts.control.snapshot.accounts_for,
        )
        return JobRun(
            sid,
            settings=parts.settings,
            feed=parts.feed,
            producer=producer,
            kind=order.kind,
            copier=copier,
            tell=parts.tell,
            give_way=partial(self._gives_way, sid),
            metrics=parts.metrics,
            clock=parts.clock,
            sleep=parts.sleep,
            monotonic=parts.monotonic,
        )
