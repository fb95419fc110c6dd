"""Jobs that are interrupted, doubled, slowed and hindered, on the real broker: each event exactly once."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from confluent_kafka import Producer

from control_api.redrive import runner
from control_api.redrive.feed import JobFeed, JobWriter
from control_api.redrive.jobs import Job, JobKind, JobPart, Order, Progress, encode, key_of
from control_api.redrive.runner import JobRunner, RunnerParts
from control_api.redrive.selection import Selection
from control_api.replicas.writing import Writing
from eventstreams.client.values import JobStatus
from eventstreams.control.records import Subscription
from eventstreams.kafka.producer import Acked
from eventstreams.kafka.transaction import Outgoing
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.telemetry.metrics import Metrics
from eventstreams.testing.broker import running_broker
from eventstreams.times import now_ms
from tests.conftest import installation_settings
from tests.support.dead_letters import add_dead_letters, copies, ids
from tests.support.installation import Installation
from tests.support.topic import eventually

pytestmark = pytest.mark.kafka


def _raise(error: BaseException) -> None:
    raise error


@dataclass
class Works:
    """An installation with dead letters, a subscription, and the jobs."""

    installation: Installation
    subscription: Subscription
    feed: JobFeed
    writer: JobWriter

    def job(self, sid: str) -> Job:
        return self.feed.jobs[sid]

    def copied(self, sid: str) -> int:
        progress = self.job(sid).progress
        return 0 if progress is None else progress.copied

    async def order(self, rate: int = 5000) -> Order:
        return Order(
            sid=new_sid(SidKind.JOB),
            kind=JobKind.REDRIVE,
            selection=Selection(account_sid=self.installation.account_sid, subscription_sid=self.subscription.sid),
            ranges=tuple(await self.installation.admin.ranges([self.installation.topics.dead("webhook")])),
            rate=rate,
            created_ms=now_ms(),
        )

    async def submit(self, rate: int = 5000) -> str:
        order = await self.order(rate)
        await self.writer.submit(order)
        return order.sid

    async def until(self, sid: str, condition: Callable[[Job], bool]) -> Job:
        await eventually(lambda: condition(self.job(sid)), timeout_s=60, what=lambda: str(self.job(sid)))
        return self.job(sid)

    def runner(
        self,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] | None = None,
        retake_s: float = 60.0,
    ) -> JobRunner:
        parts = RunnerParts(
            settings=self.installation.settings,
            feed=self.feed,
            control=self.installation.feed,
            admin=self.installation.admin,
            codec=self.installation.codec,
            metrics=Metrics(),
            clock=now_ms,
            sleep=sleep,
            retake_s=retake_s,
        )
        return JobRunner(parts if monotonic is None else replace(parts, monotonic=monotonic))


@dataclass
class AtOnce:
    """Writes at once, and reads it back."""

    installation: Installation
    feed: JobFeed
    term: int | None = 1

    async def write(self, term: int | None, records: Sequence[Outgoing]) -> Mapping[str, int]:
        for record in records:
            answer = await self.installation.producer.send(record.topic, record.value, key=record.key)
            assert isinstance(answer, Acked), answer
            await self.feed.know(answer.offset + 1)
        return {}


def job_writer(installation: Installation, feed: JobFeed) -> JobWriter:
    return JobWriter(Writing(AtOnce(installation, feed)), installation.topics)


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[Works]:
    async with AsyncExitStack() as stack:
        installation = await stack.enter_async_context(Installation(settings))
        await installation.admin.ensure(installation.topics.worker_specs("webhook"))
        feed = await stack.enter_async_context(JobFeed(settings, on_crash=_raise))
        subscription = await installation.subscribe(await installation.add_sink("https://hooks.example.com/"))
        yield Works(installation, subscription, feed, job_writer(installation, feed))


@pytest.fixture
async def works(settings: Settings) -> AsyncIterator[Works]:
    async with working(settings) as works:
        yield works


def numbered(count: int) -> list[str]:
    return [f"EZ{number}" for number in range(count)]


async def test_a_job_stopped_between_two_writes_goes_on_from_its_checkpoint(works: Works) -> None:
    await add_dead_letters(
        works.installation, works.subscription, range(1000)
    )  # more than it has time for before the last
    sid, hurried = await works.submit(rate=80), HeldClock()

    for stop in (1, 2, 3):
        async with works.runner():
            await works.until(sid, lambda job, stop=stop: works.copied(sid) >= 20 * stop)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    assert works.job(sid).status is JobStatus.RUNNING
    async with works.runner(sleep=hurried.sleep, monotonic=hurried.monotonic):
        job = await works.until(sid, lambda job: job.finished)

    assert ids(await copies(works.installation, works.subscription)) == numbered(1000)
    assert job.progress is not None
    assert (job.status, job.progress.copied, job.progress.left) == (JobStatus.COMPLETED, 1000, ())


async def test_jobs_that_take_turns_copy_each_event_once(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_SIDE_BY_SIDE": 1, "_TURN_S": 0.0, "_LOOK_S": 0.0}.items():
        monkeypatch.setattr(runner, name, value)
    await add_dead_letters(works.installation, works.subscription, range(100))
    mine, theirs, clock = await works.order(rate=10), await works.order(), Hurrying()
    theirs = replace(theirs, selection=Selection(account_sid=new_sid(SidKind.ACCOUNT)))
    for order in (mine, theirs):
        await works.writer.submit(order)
    async with works.runner(sleep=clock.sleep, monotonic=clock.monotonic):
        await works.until(theirs.sid, lambda job: job.finished)
        left = works.job(mine.sid)
        clock.hurries = True
        job = await works.until(mine.sid, lambda job: job.finished)

    assert not left.finished  # it did not keep the other one waiting
    assert ids(await copies(works.installation, works.subscription)) == numbered(100)
    assert job.progress is not None
    assert (job.status, job.progress.copied, job.progress.left) == (JobStatus.COMPLETED, 100, ())


async def test_what_was_produced_and_not_committed_before_a_death_counts_as_never_written(works: Works) -> None:
    await add_dead_letters(works.installation, works.subscription, range(30))
    order = await works.order()
    await works.writer.submit(order)
    topics = works.installation.topics
    dying = Producer(
        {"bootstrap.servers": works.installation.settings.kafka, "transactional.id": topics.group(f"job.{order.sid}")}
    )
    dying.init_transactions(60)
    dying.begin_transaction()
    lies = Progress(status=JobStatus.COMPLETED, left=(), updated_ms=1, started_ms=1, copied=30)
    for number in range(30):
        dying.produce(
            works.installation.topic_of(works.subscription), b"%d" % number, headers=[("ce_id", b"EZ%d" % number)]
        )
    dying.produce(topics.jobs, encode(lies), key_of(JobPart.PROGRESS, order.sid))
    dying.flush(60)  # all is on the broker, but for the end of the transaction
    async with asyncio.timeout(30), JobFeed(works.installation.settings, on_crash=_raise) as later:
        assert later.jobs == works.feed.jobs  # a process starts although nobody has ended it yet

    async with works.runner():
        job = await works.until(order.sid, lambda job: job.finished)

    found = await copies(works.installation, works.subscription)
    assert ids(found) == numbered(30)
    assert all(len(each.value) > 2 for each in found)
    assert job.progress is not None
    assert job.progress.copied == 30
    dying.purge()


async def test_of_two_runners_one_does_the_job_and_the_other_stops_quietly(works: Works) -> None:
    await add_dead_letters(works.installation, works.subscription, range(300))
    sid = await works.submit(rate=200)

    async with works.runner():
        await works.until(sid, lambda job: works.copied(sid) > 0)
        async with works.runner():
            await works.until(sid, lambda job: job.finished)

    assert ids(await copies(works.installation, works.subscription)) == numbered(300)
    assert works.copied(sid) == 300


async def test_a_job_that_another_process_took_and_left_is_taken_back(works: Works) -> None:
    await add_dead_letters(works.installation, works.subscription, range(1000))  # 25 s of it
    sid, clock = await works.submit(rate=40), Hurrying()

    async with works.runner(retake_s=0.5, sleep=clock.sleep, monotonic=clock.monotonic):
        await works.until(sid, lambda job: works.copied(sid) > 0)
        async with works.runner():  # takes it up, and ends in its middle
            begun = works.copied(sid)
            await works.until(sid, lambda job: works.copied(sid) > begun + 20)
        assert not works.job(sid).finished
        clock.hurries = True
        await works.until(sid, lambda job: job.finished)

    assert ids(await copies(works.installation, works.subscription)) == numbered(1000)
    assert works.copied(sid) == 1000


async def test_runners_that_begin_at_once_do_each_event_once(works: Works) -> None:
    await add_dead_letters(works.installation, works.subscription, range(200))

    async with works.runner(), works.runner():
        jobs = [await works.submit(), await works.submit(rate=500)]
        for sid in jobs:
            await works.until(sid, lambda job: job.finished)

    found = ids(await copies(works.installation, works.subscription))
    assert sorted(found) == sorted(numbered(200) * 2)
    assert [works.copied(sid) for sid in jobs] == [200, 200]


class Hurrying:
    """The clock of this machine, until it ``hurries``: then nobody sleeps, and the time is as if they had."""

    def __init__(self) -> None:
        self.hurries = False
        self._ahead_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead_s

    async def sleep(self, wait_s: float) -> None:
        if self.hurries:
            self._ahead_s += wait_s
        await asyncio.sleep(0 if self.hurries else wait_s)


class HeldClock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    async def sleep(self, wait_s: float) -> None:
        self.now_s += wait_s
        self.slept.append(wait_s)


async def test_a_job_keeps_its_rate(works: Works) -> None:
    await add_dead_letters(works.installation, works.subscription, range(100))
    clock = HeldClock()

    async with works.runner(sleep=clock.sleep, monotonic=clock.monotonic):
        sid = await works.submit(rate=20)
        await works.until(sid, lambda job: job.finished)

    assert works.copied(sid) == 100
    # 5 at once, then 5 every quarter of a second; the last 5 are not waited for.
    assert clock.now_s - 1000.0 == pytest.approx(95 / 20, abs=0.3)
    assert max(clock.slept) <= 0.25 + 1e-6


async def test_a_job_waits_and_says_so_while_a_topic_cannot_be_written_and_then_goes_on(works: Works) -> None:
    await add_dead_letters(works.installation, works.subscription, range(10))
    await works.installation.admin.delete([works.installation.topic_of(works.subscription)])
    sid = await works.submit()
    woken = asyncio.Event()

    async def sleep(_: float) -> None:
        await woken.wait()

    async with works.runner(sleep=sleep) as runner:
        await eventually(lambda: runner.problem(sid) is not None, timeout_s=60)
        assert works.copied(sid) == 0
        woken.set()  # the topic is made again: its subscription is alive
        await works.until(sid, lambda job: job.finished)

    assert works.job(sid).status is JobStatus.COMPLETED
    assert ids(await copies(works.installation, works.subscription)) == numbered(10)


async def test_a_cancelled_job_ends_although_nobody_had_taken_it_up(works: Works) -> None:
    await add_dead_letters(works.installation, works.subscription, range(10))
    sid = await works.submit()

    await works.writer.cancel(sid)
    assert works.job(sid).status is JobStatus.CANCELLING
    async with works.runner():
        job = await works.until(sid, lambda job: job.finished)

    assert job.status is JobStatus.CANCELLED
    assert await copies(works.installation, works.subscription) == []


async def test_a_forgotten_job_is_gone_for_those_who_come_later(works: Works) -> None:
    sid = await works.submit()
    async with works.runner():
        await works.until(sid, lambda job: job.finished)

    await works.writer.forget(sid)

    async with JobFeed(works.installation.settings, on_crash=_raise) as later:
        assert works.feed.jobs == later.jobs == {}


RUNNER = """
import asyncio
from eventstreams.kafka.producer import Acked
from eventstreams.kafka.transaction import Outgoing
from eventstreams.settings import Settings
from tests.kafka.test_job_runner import run_for_ever
asyncio.run(run_for_ever(Settings.load()))
"""


async def run_for_ever(settings: Settings) -> None:
    """A process that does nothing but run jobs, for a test to kill."""
    async with AsyncExitStack() as stack:
        installation = await stack.enter_async_context(Installation(settings))
        feed = await stack.enter_async_context(JobFeed(settings, on_crash=_raise))
        works = Works(
            installation,
            next(iter(installation.feed.snapshot.subscriptions.values())),
            feed,
            job_writer(installation, feed),
        )
        await stack.enter_async_context(works.runner())
        await asyncio.Event().wait()


async def test_a_job_survives_processes_that_are_killed(works: Works) -> None:
    await add_dead_letters(works.installation, works.subscription, range(2500))
    settings = works.installation.settings
    assert settings.secret_key is not None
    env = {
        **os.environ,
        "EVENTSTREAMS_KAFKA": settings.kafka,
        "EVENTSTREAMS_TOPIC_PREFIX": settings.topic_prefix,
        "EVENTSTREAMS_REPLICATION_FACTOR": "1",
        "EVENTSTREAMS_SECRET_KEY": settings.secret_key.get_secret_value(),
    }
    sid, hurried = await works.submit(rate=200), HeldClock()

    for round_ in range(3):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", RUNNER, env=env)
        try:
            await works.until(sid, lambda job, least=100 * (round_ + 1): works.copied(sid) >= least)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        finally:
            process.kill()
            await process.wait()
    assert not works.job(sid).finished
    async with works.runner(sleep=hurried.sleep, monotonic=hurried.monotonic):
        await works.until(sid, lambda job: job.finished)

    assert ids(await copies(works.installation, works.subscription)) == numbered(2500)
    assert works.copied(sid) == 2500


async def test_a_job_outlives_a_broker_that_dies_in_the_middle(tmp_path: Path) -> None:
    with running_broker(tmp_path) as broker, installation_settings(broker.bootstrap) as settings:
        async with working(settings) as works, works.runner():
            await add_dead_letters(works.installation, works.subscription, range(400))
            sid = await works.submit(rate=150)
            await works.until(sid, lambda job: works.copied(sid) >= 50)

            await asyncio.to_thread(broker.kill)
            await asyncio.to_thread(broker.start)

            await works.until(sid, lambda job: job.finished)
            assert works.job(sid).status is JobStatus.COMPLETED
            assert works.copied(sid) == 400
            assert ids(await copies(works.installation, works.subscription)) == numbered(400)
