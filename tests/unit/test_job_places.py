"""Which jobs run side by side: as many as there are places, and not all of one customer."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

from typing_extensions import override

from control_api.redrive.jobs import Job, JobKind, Order
from control_api.redrive.runner import JobRunner, RunnerParts
from control_api.redrive.selection import Selection
from eventstreams.settings import Settings


class Holding(JobRunner):
    """Its jobs run until they are let go, or give way."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.began: list[str] = []
        self.ends = asyncio.Event()
        self.now_s = 100.0
        known = {job.order.sid: job for job in jobs}
        feed = SimpleNamespace(jobs=known, unfinished=lambda: list(known.values()), listen=lambda _: None)
        snapshot = SimpleNamespace(customer_of=lambda sid: sid[0])
        parts = SimpleNamespace(
            settings=Settings.load(),
            feed=feed,
            control=SimpleNamespace(snapshot=snapshot),
            monotonic=lambda: self.now_s,
        )
        super().__init__(cast(RunnerParts, parts))
        self._known = known

    @override
    async def _run(self, sid: str) -> None:
        self.began.append(sid)
        while not self.ends.is_set():
            await asyncio.sleep(0)
            if self._gives_way(sid):
                return
        self._known.pop(sid)

    def add(self, job: Job) -> None:
        self._known[job.order.sid] = job

    @property
    def running(self) -> list[str]:
        return sorted(self._running)


def job(sid: str, account_sid: str) -> Job:
    return Job(
        Order(
            sid=sid,
            kind=JobKind.REDRIVE,
            selection=Selection(account_sid=account_sid),
            ranges=(),
            rate=1,
            created_ms=1,
        )
    )


async def test_a_customer_with_many_jobs_leaves_places_for_others() -> None:
    runner = Holding([*(job(f"mine{number}", f"a{number}") for number in range(10)), job("yours", "b")])
    async with runner:
        await asyncio.sleep(0)
        at_first = list(runner.began)
        runner.ends.set()
        async with asyncio.timeout(30):
            while len(runner.began) < 11:
                await asyncio.sleep(0)

    assert sorted(at_first) == ["mine0", "mine1", "mine2", "mine3", "yours"]


async def test_jobs_that_take_days_give_way_to_those_of_a_customer_with_fewer_places() -> None:
    runner = Holding([job(f"{who}{number}", who) for who in "ab" for number in range(4)])
    async with runner:
        await rounds()
        for number in range(4):
            runner.add(job(f"c{number}", "c"))
        await rounds()
        at_first = runner.running
        seen: set[str] = set()
        for _ in range(20):
            runner.now_s += 31.0
            await rounds()
            seen.update(runner.running)
            assert len(runner.running) == 8
        at_last = Counter(sid[0] for sid in runner.running)

    assert at_first == [f"{who}{number}" for who in "ab" for number in range(4)]
    assert sorted(at_last.values()) == [2, 3, 3]
    assert len(seen) == 12  # each has its turn


async def test_a_cancelled_job_gets_a_place_though_all_are_taken_for_days() -> None:
    runner = Holding([job(f"{who}{number}", who) for who in "ab" for number in range(4)])
    async with runner:
        await rounds()
        runner.add(replace(job("a4", "a"), cancelled=True))
        runner.now_s += 31.0
        await rounds()

        assert "a4" in runner.began
        assert runner.problem(next(iter(set(runner.began) - set(runner.running)))) == "it is another job's turn"


async def rounds() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
