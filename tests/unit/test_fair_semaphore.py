"""Places for what is dear: nobody takes them all, and nobody waits for ever."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_api.http.fair_semaphore import FairSemaphore, Slices
from eventstreams.http import RefusedError


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


class Crowd:
    """Requests that hold their places until they are let go."""

    def __init__(self, semaphore: FairSemaphore) -> None:
        self.semaphore = semaphore
        self.began: list[str] = []
        self._go: list[asyncio.Event] = []

    async def ask(self, sid: str) -> None:
        async with self.semaphore.slot(sid):
            self.began.append(sid)
            go = asyncio.Event()
            self._go.append(go)
            await go.wait()

    async def end_first(self) -> None:
        self._go.pop(0).set()
        await settle()


async def test_one_account_cannot_have_all_places() -> None:
    crowd = Crowd(FairSemaphore(most=4, of_one=2))
    tasks = [asyncio.create_task(crowd.ask(sid)) for sid in ["slow"] * 10 + ["other"]]
    await settle()

    assert crowd.began == ["slow", "slow", "other"]

    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with crowd.semaphore.slot("slow"), crowd.semaphore.slot("slow"):
        pass  # what was cancelled left nothing behind


async def test_where_all_places_are_taken_accounts_get_theirs_in_rotation() -> None:
    crowd = Crowd(FairSemaphore(most=1, of_one=1))
    tasks = [asyncio.create_task(crowd.ask(sid)) for sid in ["a", "a", "a", "a", "b", "c", "b"]]
    await settle()

    for _ in range(len(tasks)):
        await crowd.end_first()
    await asyncio.gather(*tasks)

    assert crowd.began == ["a", "a", "b", "c", "a", "b", "a"]


async def test_who_goes_away_in_the_moment_in_which_a_place_gets_free_is_passed_over() -> None:
    crowd = Crowd(FairSemaphore(most=1, of_one=1))
    first, second, third = (asyncio.create_task(crowd.ask(sid)) for sid in ["a", "b", "c"])
    await settle()

    second.cancel()
    first.cancel()
    await settle()

    assert crowd.began == ["a", "c"]
    assert second.cancelled()
    third.cancel()
    await asyncio.gather(first, third, return_exceptions=True)


async def test_subaccounts_share_the_places_of_their_owner() -> None:
    crowd = Crowd(FairSemaphore(most=3, of_one=1, customer_of=lambda sid: sid[0]))
    tasks = [asyncio.create_task(crowd.ask(sid)) for sid in ["a", "a1", "a2", "b1"]]
    await settle()

    assert crowd.began == ["a", "b1"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_waits_too_long_or_in_too_large_a_crowd_is_told_when_to_come_back() -> None:
    semaphore = FairSemaphore(most=1, of_one=1, wait_s=0.01)
    crowd = Crowd(semaphore)
    first = asyncio.create_task(crowd.ask("a"))
    await settle()

    answers = await asyncio.gather(*(crowd.ask("b") for _ in range(17)), return_exceptions=True)

    refusals = [each for each in answers if isinstance(each, RefusedError)]
    assert sorted(each.status for each in refusals) == [429] + [503] * 16
    assert all(int(each.headers["Retry-After"]) > 0 for each in refusals)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    async with semaphore.slot("b"):
        pass


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["ask", "end", "cancel"])), max_size=40))
def test_places_are_never_lost_nor_given_twice(steps: list[tuple[str, str]]) -> None:
    async def play() -> None:
        semaphore, holding = FairSemaphore(most=2, of_one=1), 0
        async with AsyncExitStack() as stack:
            tasks: list[asyncio.Task[None]] = []
            stack.callback(lambda: [task.cancel() for task in tasks])

            async def hold(sid: str, go: asyncio.Event) -> None:
                nonlocal holding
                async with semaphore.slot(sid):
                    holding += 1
                    assert holding <= 2
                    try:
                        await go.wait()
                    finally:
                        holding -= 1

            gates: list[asyncio.Event] = []
            for sid, what in steps:
                if what == "ask":
                    gates.append(asyncio.Event())
                    tasks.append(asyncio.create_task(hold(sid, gates[-1])))
                elif what == "end" and gates:
                    gates.pop(0).set()
                elif tasks:
                    tasks.pop().cancel()
                if sid == "a":
                    await asyncio.sleep(0)
            for gate in gates:
                gate.set()
            for task in tasks:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert not [each for each in found if isinstance(each, AssertionError)]
            async with asyncio.timeout(30), semaphore.slot("a"), semaphore.slot("b"):
                assert holding <= 0

    asyncio.run(play())


async def test_work_that_never_waits_lets_others_have_their_turn_in_between() -> None:
    semaphore, now_s = 0, 0.0

    async def other() -> None:
        nonlocal semaphore
        while True:
            semaphore += 1
            await asyncio.sleep(0)

    slices, task = Slices(clock=lambda: now_s), asyncio.create_task(other())
    for _ in range(100):
        now_s += 0.004  # of work
        await slices.pause()

    task.cancel()
    assert 30 <= semaphore <= 35  # not for each, which would cost, and not for none
