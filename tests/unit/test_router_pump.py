"""Between Faust and the lane: the runs of a fetch go together, what is acknowledged is finished, nothing gets stuck."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any, cast

import pytest

from eventstreams.errors import FatalProducerError
from eventstreams.telemetry.metrics import Metrics
from router.copying.lane import Lane, Settled
from router.faust_app import app, window
from router.faust_app.app import RunPump
from router.planning.plan import Run

FOR_EVER_S = 3600.0


class Event:
    """Faust's, as far as it is used."""

    def __init__(self, partition: int, *, is_last: bool) -> None:
        self.value = Run("es.events", partition, [], is_last)
        self.acked = False

    def ack(self) -> None:
        self.acked = True


class HeldLane:
    """Takes runs, and finishes them when it is told to."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.answers: list[asyncio.Future[Settled]] = []
        self.topics = 1
        self.rate = math.inf

    def deliver(self, runs: Sequence[Run]) -> Sequence["asyncio.Future[Settled]"]:
        self.groups.append([run.partition for run in runs])
        answers: list[asyncio.Future[Settled]] = [asyncio.get_running_loop().create_future() for _ in runs]
        self.answers += answers
        return answers


class Harness:
    def __init__(self) -> None:
        self.lane = HeldLane()
        self.crashes: list[BaseException] = []
        self.pump = RunPump(lane=cast(Lane, self.lane), metrics=Metrics(), on_crash=self.crashes.append)

    async def put(self, event: Event) -> None:
        await self.pump.put(cast(Any, event))


async def turn() -> None:
    """Let every callback that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_runs_of_one_fetch_go_to_the_lane_together() -> None:
    harness = Harness()

    for partition in range(3):
        await harness.put(Event(partition, is_last=partition == 2))
    await harness.put(Event(7, is_last=True))

    assert harness.lane.groups == [[0, 1, 2], [7]]


async def test_a_run_whose_fetch_never_ends_does_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a rebalance made Faust drop the others."""
    monkeypatch.setattr(app, "_GATHER_S", 0.0)
    harness = Harness()

    await harness.put(Event(1, is_last=False))
    await asyncio.sleep(0)
    await turn()

    assert harness.lane.groups == [[1]]


async def test_a_window_that_is_full_waits_for_no_other_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other could come only after one of these was finished."""
    monkeypatch.setattr(app, "_GATHER_S", FOR_EVER_S)
    monkeypatch.setattr(window, "_RUNS", 2)
    harness = Harness()
    late = Event(3, is_last=True)

    await harness.put(Event(1, is_last=False))
    await harness.put(Event(2, is_last=False))
    waiting = asyncio.create_task(harness.put(late))
    await turn()
    assert (harness.lane.groups, waiting.done()) == ([[1, 2]], False)

    harness.lane.answers[0].set_result(Settled(1, 1, 0, 0))
    await waiting
    assert harness.lane.groups == [[1, 2], [3]]


async def test_more_runs_are_under_way_once_copies_went_to_many_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each topic gets more copies in one request then."""
    monkeypatch.setattr(window, "_RUNS", 1)
    monkeypatch.setattr(window, "_WIDE_RUNS", 3)
    harness = Harness()
    await harness.put(Event(0, is_last=True))
    harness.lane.topics = window._MANY_TOPICS + 1
    harness.lane.answers[0].set_result(Settled(1, 1, 0, 0))
    await turn()

    for partition in (1, 2, 3):
        await harness.put(Event(partition, is_last=True))
    one_more = asyncio.create_task(harness.put(Event(4, is_last=True)))
    await turn()

    assert (harness.lane.groups, one_more.done()) == ([[0], [1], [2], [3]], False)
    harness.lane.answers[1].set_result(Settled(1, 1, 0, 0))
    await one_more


async def test_a_run_is_acknowledged_once_its_copies_are_and_not_before() -> None:
    harness = Harness()
    first, second = Event(1, is_last=False), Event(2, is_last=True)
    await harness.put(first)
    await harness.put(second)

    harness.lane.answers[1].set_result(Settled(1, 1, 0, 0))
    await turn()

    assert (first.acked, second.acked, harness.pump.settled) == (False, True, 1)


def test_copies_that_were_dropped_are_no_runs_copies() -> None:
    settled = Settled(copies=3, matched=2, dead=1, unmatched=4)

    assert settled.without(2) == (Settled(1, 2, 1, 4), 0)
    assert settled.without(5) == (Settled(0, 2, 1, 4), 2)


async def test_a_run_that_can_never_be_delivered_is_not_acknowledged_and_ends_the_process() -> None:
    harness = Harness()
    event = Event(1, is_last=True)
    await harness.put(event)
    error = FatalProducerError("it gave up")

    harness.lane.answers[0].set_exception(error)
    await turn()

    assert (event.acked, harness.crashes) == (False, [error])
