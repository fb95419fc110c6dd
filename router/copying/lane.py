"""The lane: one thread that plans and makes the copies of runs, and says when the brokers have them all.

Why a thread and not the event loop: that stays free for heartbeats. One flush serves all runs that wait (group commit).
One lane keeps the order of every source partition, hence of every key.
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


@dataclass(slots=True)
class Tally:
    """Counts what became of the events of a run that took a closer look."""

    dead_topic: str
    copies: int = field(default=0, init=False)
    dead: int = field(default=0, init=False)
    unmatched: int = field(default=0, init=False)

    def add(self, planned: Sequence[Copy]) -> None:
        """What was planned for one event."""
        if not planned:
            self.unmatched += 1
        elif planned[0].topic == self.dead_topic:
            self.dead += 1
        else:
            self.copies += len(planned)

    def settled(self, *, events: int, copies: int) -> Settled:
        """Of a run of so many ``events``, with ``copies`` of those that took none."""
        return Settled(
            self.copies + copies, matched=events - self.dead - self.unmatched, dead=self.dead, unmatched=self.unmatched
        )


@dataclass(slots=True, eq=False)
class Job:
    """A run, who waits for it, and how many of its copies are out as probes."""

    run: Run
    answer: "asyncio.Future[Settled]"
    settled: Settled | None = field(default=None, init=False)
    probe_copies: int = field(default=0, init=False)


class Lane(ABC):
    """``deliver`` runs, and learn when the brokers have every copy. Use as ``async with``."""

    _copies: Copies

    def __init__(self) -> None:
        """Who inherits it has ``_copies`` as well, for the lane's thread alone."""
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Sequence[Job] | None] = queue.SimpleQueue()
        self.last_turn = math.inf
        """When the lane's thread was last seen to turn; it does twice a second while it has work."""
        self.rate = math.inf
        """Events a second, of the last few groups that which did most; not known before the first."""
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
        """To how many topics copies have gone; those that nobody wants any more do not count for long."""
        return self._copies.topics

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
            waiting = [*group, *self._put_off()]
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
        with suppress(FatalProducerError):  # nothing is known of these: who comes next routes them again
            self._loop.call_soon_threadsafe(_answer, self._finish(), None)

    def _next(self) -> list[Job] | None:
        """The runs that wait; none where only those that were put off are to be looked after; None at the end."""
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
        """Those of earlier groups that ``_deliver`` has not returned yet."""
        return ()

    def _finish(self) -> Sequence[Job]:
        """At the end: those that were put off, where the brokers have every copy by now."""
        return ()

    @abstractmethod
    def _deliver(self, group: Sequence[Job]) -> Sequence[Job]:
        """Make the copies of ``group``; return the jobs, earlier ones too, of which the brokers have every copy."""

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
