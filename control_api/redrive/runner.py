"""Runs the jobs that are not finished, while it is this process that does: first all, then each new one."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, Self

from control_api.redrive.copies import Copier
from control_api.redrive.feed import JobFeed
from control_api.redrive.jobs import Progress
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

_SIDE_BY_SIDE: Final = 8  # jobs: each holds two connections and up to 8 MiB
_AGAIN_S: Final = (0.5, 2.0, 5.0, 10.0)  # before a job that could not write tries again; the last one repeats

_RETAKE_S: Final = 60.0  # a job writes how far it is every second or so; see ``_leave``

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerParts:
    """What a runner is made of.

    Attributes:
        tell: Gets what has been put on a subscription's topic again; must not wait.
        retake_s: How long a job that another process took may stand still before this one takes it back.
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
    """Runs jobs while it is entered, as often as it is. Leaving stops them between two writes; the next runner goes on.

    Where two processes run one job, the one that took it up last goes on and the other stops: see ``JobRun``.
    """

    def __init__(self, parts: RunnerParts) -> None:
        self._parts = parts
        self._topics = Topics(parts.settings)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._left: dict[str, asyncio.TimerHandle] = {}  # to other processes
        self._broken: set[str] = set()  # by a bug of ours, which would meet them again
        self._problems: dict[str, str] = {}
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
        self._left.clear()  # the next time it is entered it may be ours to take up
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def problem(self, sid: str) -> str | None:
        """Why the job ``sid`` waits; None where it does not."""
        return self._problems.get(sid)

    def _start_more(self) -> None:
        if not self._working:
            return
        for job in self._parts.feed.unfinished():
            sid = job.order.sid
            if len(self._running) >= _SIDE_BY_SIDE:
                return
            if sid not in self._running and sid not in self._left and sid not in self._broken:
                task = asyncio.create_task(self._run(sid), name=f"job-{sid}")
                self._running[sid] = task
                task.add_done_callback(partial(self._ended, sid))

    def _ended(self, sid: str, task: "asyncio.Task[None]") -> None:
        self._running.pop(sid, None)
        self._problems.pop(sid, None)
        if not task.cancelled() and (error := task.exception()):
            self._broken.add(sid)
            _log.error("job.stopped", sid=sid, exc_info=error, follows="the next start of a process takes it up again")
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
                        _log.info("job.left", sid=sid, follows="another process goes on with it")
                        return
                    case Waiting(because=because, topics=topics):
                        self._problems[sid] = because
                        _log.warning(
                            "job.waiting", sid=sid, because=because, follows="it tries again from its checkpoint"
                        )
                        await self._restore(topics)
                        await self._parts.sleep(_AGAIN_S[min(tries, len(_AGAIN_S) - 1)])
                        tries += 1

    def _leave(self, sid: str) -> None:
        """Leave the job to the process that has taken it up, as long as it gets on with it.

        Where that one died, nobody else may be told of it: a process takes jobs up at its start and when one is new.
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
            _log.info("job.retaken", sid=sid, follows="nobody went on with it")
            self._start_more()

    async def _once(self, run: JobRun, sid: str) -> Ended | Waiting:
        try:
            return await run.run()
        except EventStreamsError as error:
            return Waiting(str(error), frozenset())
        except Exception as error:  # noqa: BLE001 - a seam: a bug that one job meets must not end the API
            _log.exception("job.failed", sid=sid, follows="it ends as failed; what it copied stays")
            return await run.fail(f"internal error: {type(error).__name__}")

    async def _restore(self, wanted: frozenset[str]) -> None:
        """Make the topics of live subscriptions, and of jobs, again if somebody removed them by hand."""
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
            metrics=parts.metrics,
            clock=parts.clock,
            sleep=parts.sleep,
            monotonic=parts.monotonic,
        )
