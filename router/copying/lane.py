"""The lane: a thread that plans and makes the copies of runs, and reports when the brokers have them all.

It is a thread so that the event loop stays free for heartbeats. One flush serves all waiting runs (group commit). A
single lane keeps the order of every source partition, and so of every key.
"""

import asyncio
import math
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Final, Self

from eventstreams.errors import FatalProducerError
from router.copying.copies import Copies
from router.planning.plan import Copy, Run

_MAX_GROUP: Final = 64  # runs, or a few more, that share one flush: bounds what is repeated after a crash
_RATES: Final = 4  # groups to measure: one that had to wait for a broker says little about the next
_SHORTEST_S: Final = 1e-3
_LOOK_S: Final = 0.1
_JOIN_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Settled:
    """The result of a run, once every copy is acknowledged.

    Attributes:
        copies: Copies on subscription topics, or on a detour around them.
        matched: Events with at least one copy.
        dead: Events that became dead letters of the router.
        unmatched: Events that no subscription wants.
    """

    copies: int
    matched: int
    dead: int
    unmatched: int

    def without(self, dropped: int) -> tuple[Self, int]:
        """Return this with ``dropped`` copies fewer, and how many were dropped beyond its own: those of other runs."""
        mine = min(dropped, self.copies)
        return replace(self, copies=self.copies - mine), dropped - mine


@dataclass(slots=True)
class Tally:
    """Counts the results of a run's events that took the planner's slow path, ``plan_closely``."""

    dead_topic: str
    copies: int = field(default=0, init=False)
    dead: int = field(default=0, init=False)
    unmatched: int = field(default=0, init=False)

    def add(self, planned: Sequence[Copy]) -> None:
        """Count one event, for which ``planned`` was planned."""
        if not planned:
            self.unmatched += 1
        elif planned[0].topic == self.dead_topic:
            self.dead += 1
        else:
            self.copies += len(planned)

    def settled(self, *, events: int, copies: int) -> Settled:
        """Return the result of a run of ``events`` events, with ``copies`` made of those that were not counted here."""
        return Settled(
            self.copies + copies, matched=events - self.dead - self.unmatched, dead=self.dead, unmatched=self.unmatched
        )


@dataclass(slots=True, eq=False)
class Job:
    """A run, the future that its caller waits for, and how many of its copies are under way as probes."""

    run: Run
    answer: "asyncio.Future[Settled]"
    settled: Settled | None = field(default=None, init=False)
    probe_copies: int = field(default=0, init=False)


class Lane(ABC):
    """Takes runs with ``deliver``, whose futures tell when the brokers have every copy. Use as ``async with``."""

    _copies: Copies

    def __init__(self) -> None:
        """Start without runs. Subclasses also set ``_copies``, which is only for the lane's thread until that ends."""
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Sequence[Job] | None] = queue.SimpleQueue()
        self.last_turn = math.inf
        """Monotonic time at which the lane's thread last made a step, for the health check; infinite while idle."""
        self.rate = math.inf
        """Events per second in the fastest of the last few groups; infinite before the first."""
        self._rates: deque[float] = deque(maxlen=_RATES)
        self._thread = threading.Thread(target=self._run, name="router-lane", daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, _JOIN_S)
        if not self._thread.is_alive():
            await asyncio.to_thread(self._copies.close)

    @property
    def topics(self) -> int:
        """Number of topics that copies were sent to; those that no route leads to any more are forgotten in time."""
        return self._copies.topics

    @property
    def turns(self) -> int:
        """Grows while brokers acknowledge copies during a long flush: shows the health check progress."""
        return self._copies.turns

    def deliver(self, runs: Sequence[Run]) -> "Sequence[asyncio.Future[Settled]]":
        """Queue ``runs``; return a future for each, in order, done once every copy of the run is acknowledged.

        Failed copies are repeated until they succeed, so a future fails only if the lane does: with
        ``FatalProducerError`` if the producer can never deliver again. How much of the run was stored is unknown then.
        """
        jobs = [Job(run, self._loop.create_future()) for run in runs]
        self._jobs.put(jobs)
        return [job.answer for job in jobs]

    # -- on the lane's thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        while (group := self._next()) is not None:
            began = time.monotonic()
            self._turned()
            waiting = [*group, *self._put_off()]
            done: Sequence[Job]
            try:
                done, error = self._deliver(group), None
            except Exception as raised:  # noqa: BLE001 - must not end the thread unseen: the runs' futures raise it
                done, error = waiting, raised
            self.last_turn = math.inf
            if group:
                self._rates.append(sum(len(job.run) for job in group) / max(time.monotonic() - began, _SHORTEST_S))
                self.rate = max(self._rates)
            if done:
                self._loop.call_soon_threadsafe(_answer, done, error)
        with suppress(FatalProducerError):  # their fate is unknown: the partition's next owner routes them again
            self._loop.call_soon_threadsafe(_answer, self._finish(), None)

    def _next(self) -> list[Job] | None:
        """Wait for runs and return their jobs; none if it is time to look after those put off; None at the end."""
        try:
            jobs = self._jobs.get(timeout=_LOOK_S if self._put_off() else None)
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

    def _put_off(self) -> Sequence[Job]:
        """Return the jobs of earlier groups that ``_deliver`` has not returned yet."""
        return ()

    def _finish(self) -> Sequence[Job]:
        """Called at the end: return those of the jobs put off whose copies the brokers all have."""
        return ()

    @abstractmethod
    def _deliver(self, group: Sequence[Job]) -> Sequence[Job]:
        """Make the copies of ``group``; return the jobs, earlier ones too, whose copies the brokers all have."""

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
