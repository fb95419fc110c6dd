"""The gate: how many attempts are under way, who waits in line, and who is told to look again."""

import asyncio

import pytest

from eventstreams.control.records import SinkRecord, SinkStatus, Throttle
from eventstreams.sinks import Delivered, RetryLater, RetryReason
from sink_workers.gates.gate import Gate, GateState, Spare
from sink_workers.gates.gradient import USUAL

TOOK = [Delivered()]
FAILED = [RetryLater(RetryReason.SERVER_ERROR)]


def record(
    *,
    paused: bool = False,
    rate_limit: float | None = None,
    throttle: Throttle = Throttle.ADAPTIVE,
    configuration: str = "",
) -> SinkRecord:
    return SinkRecord(
        sid="DG1",
        account_sid="AC1",
        description="",
        sink_type="webhook",
        configuration=configuration,
        status=SinkStatus.ACTIVE,
        created_ms=0,
        updated_ms=0,
        paused=paused,
        rate_limit=rate_limit,
        throttle=throttle,
    )


class Harness:
    def __init__(self, *, ceiling: int = 64) -> None:
        self.now = 1_000
        self.gate = Gate(lambda: self.now, jitter=lambda: 0.0)
        self.gate.set_ceiling(ceiling)
        self.stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.woken = 0
        self.gate.listen(self._wake)

    def _wake(self) -> None:
        self.woken += 1

    def state(self) -> GateState:
        return self.gate.state

    def enter(self, *, within_ms: int = 60_000, events: int = 1) -> "asyncio.Task[bool]":
        return asyncio.create_task(self.gate.enter(events, within_ms=within_ms, stopped=self.stopped))

    async def fail(self, times: int) -> None:
        for _ in range(times):
            assert await self.enter()
            self.gate.leave(FAILED, began_ms=self.now)


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_than_the_ceiling_pass_and_the_next_waits_in_line() -> None:
    harness = Harness(ceiling=2)
    first, second, third = harness.enter(), harness.enter(), harness.enter()
    await turn()
    assert (first.done(), second.done(), third.done()) == (True, True, False)

    harness.gate.leave(TOOK, began_ms=harness.now)

    assert await asyncio.wait_for(third, 30)


async def test_the_line_is_served_in_order() -> None:
    harness = Harness(ceiling=1)
    tasks = [harness.enter() for _ in range(4)]

    for index in range(4):
        await turn()
        assert [task.done() for task in tasks] == [number <= index for number in range(4)]
        harness.gate.leave(TOOK, began_ms=harness.now)


async def test_whoever_waits_is_told_when_its_time_is_over_or_its_lane_stops() -> None:
    harness = Harness(ceiling=1)
    assert await harness.enter()

    assert not await harness.enter(within_ms=1)
    waiting = harness.enter()
    await turn()
    harness.stopped.set_result(None)
    assert not await asyncio.wait_for(waiting, 30)


async def test_who_gave_up_waiting_does_not_take_a_place() -> None:
    harness = Harness(ceiling=1)
    assert await harness.enter()
    gone, cancelled, next_ = harness.enter(within_ms=1), harness.enter(), harness.enter()
    assert not await gone
    cancelled.cancel()
    await turn()

    harness.gate.leave(TOOK, began_ms=harness.now)

    assert await asyncio.wait_for(next_, 30)


async def test_one_cancelled_at_the_moment_it_may_pass_gives_its_place_back() -> None:
    harness = Harness(ceiling=1)
    assert await harness.enter()
    cancelled, next_ = harness.enter(), harness.enter()
    await turn()

    harness.gate.leave(TOOK, began_ms=harness.now)
    cancelled.cancel()

    assert await asyncio.wait_for(next_, 30)


async def test_a_broken_sink_lets_a_single_attempt_pass_when_it_is_due_and_wakes_the_lanes() -> None:
    harness = Harness()
    await harness.fail(10)
    assert harness.state() is GateState.BROKEN
    assert harness.gate.limit() == 0
    assert not harness.gate.try_enter_for_retry(1)
    first, second = harness.enter(), harness.enter()
    await turn()
    assert not first.done()

    harness.now += 1_000
    assert await asyncio.wait_for(first, 30)  # the gate's own timer
    await turn()
    assert not second.done()
    assert not harness.gate.try_enter_for_retry(1)

    woken = harness.woken
    harness.gate.leave(TOOK, began_ms=harness.now)
    assert await asyncio.wait_for(second, 30)
    assert harness.woken > woken
    assert harness.state() is GateState.OPEN


async def test_a_pause_closes_it_and_its_end_wakes_everybody() -> None:
    harness = Harness()
    harness.gate.configure(record(paused=True))
    waiting = harness.enter()
    await turn()
    assert harness.gate.limit() == 0
    assert harness.state() is GateState.PAUSED
    assert not waiting.done()
    assert not harness.gate.try_enter_for_retry(1)

    woken = harness.woken
    harness.gate.configure(record())

    assert not await asyncio.wait_for(waiting, 30)  # look again
    assert harness.woken == woken + 1
    assert await harness.enter()


async def test_a_change_ends_a_wait_for_one() -> None:
    harness = Harness()
    waiting = asyncio.create_task(harness.gate.wait(within_ms=60_000, stopped=harness.stopped))
    await turn()

    harness.gate.changed()

    await asyncio.wait_for(waiting, 30)


@pytest.mark.parametrize(
    ("events", "after_ms", "shown"),
    [
        (100, 0, GateState.WAITING),
        (100, 39_000, GateState.WAITING),
        (100, 41_000, GateState.OPEN),
        (50, 0, GateState.OPEN),
    ],
)
async def test_a_sink_whose_rate_limit_allows_nothing_for_more_than_a_minute_is_shown_as_waiting(
    events: int, after_ms: int, shown: GateState
) -> None:
    harness = Harness()
    harness.gate.configure(record(rate_limit=1.0))

    assert harness.gate.try_enter(events)  # as much as a whole batch, and a debt that takes as many seconds
    harness.gate.leave([Delivered()] * events, began_ms=harness.now)
    harness.now += after_ms

    assert harness.state() is shown


async def test_the_rate_limit_holds_the_line_and_time_moves_it() -> None:
    harness = Harness()
    harness.gate.configure(record(rate_limit=20.0))
    for _ in range(20):
        assert await harness.enter()
        harness.gate.leave(TOOK, began_ms=harness.now)
    tasks = [harness.enter() for _ in range(5)]
    await turn()
    assert not any(task.done() for task in tasks)

    for _ in range(5):
        harness.now += 50
        expected = sum(task.done() for task in tasks) + 1
        async with asyncio.timeout(30):
            while sum(task.done() for task in tasks) < expected:
                await asyncio.sleep(0.01)
    assert all(await asyncio.gather(*tasks))


async def test_a_retry_may_pass_a_gate_that_is_full_of_new_events() -> None:
    harness = Harness(ceiling=4)
    for _ in range(4):
        assert await harness.enter()

    assert harness.gate.try_enter_for_retry(1)
    assert not harness.gate.try_enter_for_retry(1)


async def test_a_retry_under_way_takes_no_place_of_a_new_event() -> None:
    harness = Harness(ceiling=4)
    assert harness.gate.try_enter_for_retry(1)

    assert sum(harness.gate.try_enter(1) for _ in range(9)) == 4
    harness.gate.leave(TOOK, began_ms=harness.now, is_retry=True)
    assert not harness.gate.try_enter(1)
    harness.gate.leave(TOOK, began_ms=harness.now)
    assert harness.gate.try_enter(1)


async def test_retries_and_new_events_together_are_never_more_than_the_limit_and_a_quarter() -> None:
    harness = Harness(ceiling=8)
    assert sum(harness.gate.try_enter_for_retry(1) for _ in range(20)) == 10

    assert not harness.gate.try_enter(1)
    for _ in range(3):
        harness.gate.leave_untried(is_retry=True)
    assert sum(harness.gate.try_enter(1) for _ in range(20)) == 3


async def test_a_retry_that_ends_lets_pass_who_waits_in_line() -> None:
    harness = Harness(ceiling=1)
    assert sum(harness.gate.try_enter_for_retry(1) for _ in range(3)) == 2
    waiting = harness.enter()
    await turn()
    assert not waiting.done()

    harness.gate.leave(TOOK, began_ms=harness.now, is_retry=True)

    assert await asyncio.wait_for(waiting, 30)


async def test_a_retry_after_of_the_sink_holds_everybody() -> None:
    harness = Harness()
    assert await harness.enter()
    harness.gate.leave([RetryLater(RetryReason.THROTTLED)], began_ms=harness.now, wait_ms=5_000)

    assert harness.state() is GateState.WAITING
    assert harness.gate.is_holding()
    assert harness.gate.look_again_ms(paused=False) == 5_000


@pytest.mark.parametrize("throttle", Throttle)
async def test_a_sink_that_took_an_event_and_asks_for_a_pause_is_left_alone_until_it_is_over(
    throttle: Throttle,
) -> None:
    harness = Harness(ceiling=1)
    harness.gate.configure(record(throttle=throttle))
    assert await harness.enter()
    harness.gate.leave(TOOK, began_ms=harness.now, wait_ms=200)
    waiting, woken = harness.enter(), harness.woken

    harness.now += 199
    await turn()
    assert (harness.gate.limit(), harness.state()) == (0, GateState.WAITING)
    assert harness.gate.is_holding()  # what fails meanwhile waits in order, too
    assert not harness.gate.try_enter(1)
    assert not harness.gate.try_enter_for_retry(1)
    assert not waiting.done()
    harness.now += 1

    assert await asyncio.wait_for(waiting, 30)  # the gate's own timer
    assert harness.woken > woken
    harness.gate.leave(TOOK, began_ms=harness.now)
    assert await harness.enter()  # nothing is left of the pause


async def test_an_attempt_that_did_not_take_place_begins_no_pause() -> None:
    harness = Harness(ceiling=1)
    assert await harness.enter()

    harness.gate.leave_untried()

    assert harness.state() is GateState.OPEN
    assert await harness.enter()


async def test_the_reference_s_throttle_can_be_chosen_and_left() -> None:
    harness = Harness()
    harness.gate.configure(record(throttle=Throttle.REFERENCE))
    await harness.fail(50)
    assert harness.state() is GateState.OPEN  # it knows no breaker

    harness.gate.configure(record())
    await harness.fail(10)
    assert harness.state() is GateState.BROKEN


async def test_beyond_the_usual_all_gates_together_have_what_is_to_spare() -> None:
    spare, stopped = Spare(10), asyncio.get_running_loop().create_future()
    gates = [Gate(lambda: 1_000, most=512, spare=spare, jitter=lambda: 0.0) for _ in range(2)]
    for gate in gates:
        gate.configure(record(throttle=Throttle.ADAPTIVE))
        gate.set_ceiling(1_000)
        gate._pace._limit = 500.0  # type: ignore[attr-defined]  # as a long time without trouble would have it

    passed = [sum(gate.try_enter(1) for _ in range(600)) for gate in gates]

    assert passed == [USUAL + 10, USUAL]
    waiting = asyncio.create_task(gates[1].enter(1, within_ms=60_000, stopped=stopped))
    await turn()
    gates[0].leave(TOOK, began_ms=1_000)
    assert not waiting.done()  # it is told when one of its own ends: there are some, else it would have passed
    gates[1].leave(TOOK, began_ms=1_000)
    assert await asyncio.wait_for(waiting, 30)
    assert [sum(gate.try_enter(1) for _ in range(600)) for gate in gates] == [1, 0]
    for gate, count in zip(gates, (USUAL + 10, USUAL), strict=True):
        for _ in range(count):
            gate.leave_untried()
    assert spare.left == 10


async def test_retries_pass_beside_the_usual_though_there_is_nothing_to_spare() -> None:
    gate = Gate(lambda: 1_000, most=512, spare=Spare(0), jitter=lambda: 0.0)
    gate.set_ceiling(512)
    gate._pace._limit = 400.0  # type: ignore[attr-defined]  # likewise

    assert sum(gate.try_enter(1) for _ in range(600)) == USUAL
    assert sum(gate.try_enter_for_retry(1) for _ in range(600)) == USUAL // 4


async def test_no_more_pass_than_the_setting_says_whatever_the_sink_takes() -> None:
    gate = Gate(lambda: 1_000, most=3, spare=Spare(100), jitter=lambda: 0.0)
    gate.set_ceiling(1_000)

    assert sum(gate.try_enter(1) for _ in range(600)) == 3


@pytest.mark.parametrize("under_way", [1, 7])
async def test_attempts_that_did_not_take_place_leave_room(under_way: int) -> None:
    harness = Harness(ceiling=under_way)
    for _ in range(under_way):
        assert await harness.enter()
    waiting = harness.enter()

    harness.gate.leave_untried()

    assert await asyncio.wait_for(waiting, 30)


async def test_a_sink_that_is_held_back_is_tried_at_once_when_its_configuration_changes() -> None:
    harness = Harness()
    harness.gate.configure(record(configuration="one"))
    await harness.fail(10)
    assert harness.state() is GateState.BROKEN

    harness.gate.configure(record(configuration="one", rate_limit=5.0))
    assert harness.state() is GateState.BROKEN
    harness.gate.configure(record(configuration="another"))

    assert harness.state() is GateState.OPEN
    assert await harness.enter()


@pytest.mark.parametrize("trouble", ["a failure", "a pause", "its rate limit", "its ceiling"])
async def test_a_sink_is_no_straight_way_until_five_minutes_after_its_trouble(trouble: str) -> None:
    harness = Harness(ceiling=2)
    assert harness.gate.is_straight()

    match trouble:
        case "a failure":
            await harness.fail(1)
        case "a pause":
            harness.gate.configure(record(paused=True))
            harness.gate.configure(record())
        case "its rate limit":
            harness.gate.configure(record(rate_limit=1.0))
            assert await harness.enter()
            second = harness.enter()
            await turn()
            second.cancel()
        case _:
            assert await harness.enter()
            assert await harness.enter()
            harness.gate.leave(TOOK, began_ms=harness.now)

    assert not harness.gate.is_straight()
    harness.now += 300_001
    assert harness.gate.is_straight()
