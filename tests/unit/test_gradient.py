"""How many requests a receiver gets at a time, by how it takes them: a simulated one, whose clock is ours."""

import heapq
import random
from collections.abc import Callable

import pytest

from sink_workers.gates.gradient import USUAL
from sink_workers.gates.pace import AdaptivePace, ReferencePace, Signal

CEILING = 512

Takes = Callable[["Simulation"], float]
"""How long a request takes that begins now, in ms."""


class Simulation:
    """A worker that always has something to deliver, and a receiver."""

    def __init__(self, takes: Takes, *, refuses: Callable[["Simulation"], bool] = lambda _: False) -> None:
        self.pace = AdaptivePace(lambda: 0.0)
        self.now = 1_000.0
        self.taken = 0
        self.in_flight = self.at_work = 0
        self.busy_until: list[float] = []
        self._takes = takes
        self._refuses = refuses
        self._ends: list[tuple[float, float, bool]] = []

    def run(self, seconds: float) -> float:
        """Go on for so long; how many were taken in a second."""
        until, before = self.now + seconds * 1000, self.taken
        while self.now < until:
            while self.in_flight < self.limit():
                self.in_flight += 1
                refused = self._refuses(self)  # at once, and then it is not at work on it
                takes_ms = 1.0 if refused else self._takes(self)
                self.at_work += not refused
                heapq.heappush(self._ends, (self.now + takes_ms, self.now, refused))
            if not self._ends:  # it is left alone
                self.now = self.pace.opens_ms()
                continue
            end, began, refused = heapq.heappop(self._ends)
            self.now = end
            full = self.in_flight >= self.limit()
            self.in_flight -= 1
            self.at_work -= not refused
            self.taken += not refused
            signal = Signal.SLOW_DOWN if refused else Signal.TOOK
            self.pace.report(signal, began_ms=int(began), now_ms=int(end), wait_ms=0, full=full)
        return (self.taken - before) / seconds

    def limit(self) -> int:
        return self.pace.limit(int(self.now), CEILING)

    def lowest_limit(self, seconds: int) -> int:
        """The lowest that it is as time goes on, looked at every tenth of a second."""
        lowest = self.limit()
        for _ in range(seconds * 10):
            self.run(0.1)
            lowest = min(lowest, self.limit())
        return lowest


def constant(ms: float) -> Takes:
    return lambda _: ms


def of_workers(count: int, ms: float) -> Takes:
    """A receiver of so many workers, each with one request at a time; the others wait for one."""

    def takes(simulation: Simulation) -> float:
        busy = simulation.busy_until
        begins = max(heapq.heappop(busy), simulation.now) if len(busy) >= count else simulation.now
        heapq.heappush(busy, begins + ms)
        return begins + ms - simulation.now

    return takes


def test_a_receiver_that_takes_its_time_but_does_not_become_slower_gets_all_that_may_be() -> None:
    simulation = Simulation(constant(100))

    simulation.run(8)

    assert simulation.limit() == CEILING
    assert simulation.run(10) > 0.97 * CEILING / 0.1


def test_one_whose_times_differ_widely_gets_them_as_well() -> None:
    chance = random.Random(1)
    simulation = Simulation(lambda _: chance.expovariate(1 / 100))

    simulation.run(60)

    assert simulation.run(30) > 0.8 * CEILING / 0.1


@pytest.mark.parametrize("workers", [4, 16, 64])
def test_one_that_can_do_no_more_at_a_time_is_not_buried_in_requests(workers: int) -> None:
    simulation = Simulation(of_workers(workers, 100))

    rate = simulation.run(150)

    assert rate == pytest.approx(workers / 0.1, rel=0.03)
    assert USUAL <= simulation.limit() < 2 * USUAL


def test_one_that_becomes_slower_with_each_request_under_way_gets_fewer_than_one_that_does_not() -> None:
    simulation = Simulation(lambda now: 100 * (1 + now.in_flight / 200))

    simulation.run(90)

    assert USUAL < simulation.limit() < CEILING / 2


def test_it_never_gets_fewer_than_usual_for_being_slow_alone() -> None:
    simulation = Simulation(lambda now: 20.0 * 2 ** (now.in_flight / 32))
    simulation.run(20)

    assert simulation.lowest_limit(100) >= USUAL


def test_one_that_takes_longer_than_before_gets_fewer_until_it_is_clear_that_it_always_does() -> None:
    simulation = Simulation(lambda now: 100.0 if now.now < 25_000 else 300.0)
    simulation.run(20)

    assert simulation.limit() == CEILING
    assert simulation.lowest_limit(10) == USUAL
    simulation.run(20)
    assert simulation.limit() == CEILING


def test_how_long_it_takes_with_the_usual_is_learnt_again_every_minute_at_little_cost() -> None:
    simulation = Simulation(constant(400))
    simulation.run(50)

    assert simulation.limit() == CEILING
    assert simulation.lowest_limit(61) == USUAL
    assert simulation.run(61) > 0.95 * CEILING / 0.4


def test_one_that_refuses_beyond_a_number_is_kept_close_to_it() -> None:
    simulation = Simulation(constant(100), refuses=lambda now: now.at_work >= 200)

    simulation.run(10)  # at first it may be so many too many that it is left alone for a second

    rate = simulation.run(30)

    assert 100 / 0.1 < rate <= 200 / 0.1
    assert simulation.limit() <= 201


def test_where_no_more_than_usual_may_be_there_are_no_more() -> None:
    pace = AdaptivePace(lambda: 0.0)
    for now_ms in range(1_000, 20_000):
        pace.report(Signal.TOOK, began_ms=now_ms - 5, now_ms=now_ms, wait_ms=0, full=True)

        assert pace.limit(now_ms, USUAL) <= USUAL


def test_the_reference_s_throttle_has_no_more_than_usual_under_way() -> None:
    assert ReferencePace().limit(1, CEILING) == USUAL
