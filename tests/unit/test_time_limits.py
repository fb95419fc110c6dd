"""Foreign code is held to its time, whatever it makes of being told that it is over."""

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine

import pytest
from structlog.testing import capture_logs

from eventstreams.time_limits import OverdueError, within

GRACE_S = 0.1


class Ballast:
    """What a delivery holds while it is under way."""


async def never(ballast: Ballast | None = None) -> None:
    await asyncio.Event().wait()


async def catches_it_once(ballast: Ballast | None = None) -> None:
    try:
        await never()
    except asyncio.CancelledError:
        await never()


async def catches_it_each_time(ballast: Ballast | None = None) -> None:
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


async def waits_in_a_shield(ballast: Ballast | None = None) -> None:
    while True:
        try:
            await asyncio.shield(asyncio.get_running_loop().create_future())
        except asyncio.CancelledError:
            continue


HANGING = [never, catches_it_once, catches_it_each_time, waits_in_a_shield]


@pytest.mark.parametrize("hangs", HANGING)
async def test_what_hangs_is_over_in_its_time_and_what_it_held_is_freed(
    hangs: Callable[[Ballast], Coroutine[object, object, None]],
) -> None:
    async def hang() -> "weakref.ref[Ballast]":
        ballast = Ballast()
        try:
            await within(hangs(ballast), timeout_s=0.05, grace_s=GRACE_S)
        except OverdueError:
            return weakref.ref(ballast)
        raise AssertionError("it ended by itself")

    async with asyncio.timeout(30):
        is_there = await hang()
    await asyncio.sleep(0)  # the loop keeps the last error of a task until its next step
    gc.collect()

    assert is_there() is None
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_what_cannot_even_be_closed_is_dropped() -> None:
    async def stays() -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except BaseException:  # noqa: BLE001 - that is the point
                continue

    with capture_logs() as logs:
        async with asyncio.timeout(30):
            with pytest.raises(OverdueError):
                await within(stays(), timeout_s=0.05, grace_s=GRACE_S)
        gc.collect()

    assert [each["event"] for each in logs] == ["plugin.let_go", "plugin.not_closed"]


async def test_who_clears_up_when_told_may_finish_that() -> None:
    done = []

    async def clears_up() -> None:
        try:
            await never()
        finally:
            await asyncio.sleep(0.01)
            done.append("closed")

    with capture_logs() as logs, pytest.raises(OverdueError):
        await within(clears_up(), timeout_s=0.01, grace_s=30)

    assert done == ["closed"]
    assert logs == []


async def test_what_comes_in_the_time_to_clear_up_counts() -> None:
    async def comes_late() -> str:
        try:
            await never()
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
        return "late"

    assert await within(comes_late(), timeout_s=0.01, grace_s=30) == "late"


async def test_its_own_limits_and_cancellations_are_its_own_matter() -> None:
    async def tries_in_turn() -> int:
        tries = 0
        for _ in range(3):
            try:
                async with asyncio.timeout(0.01):
                    await never()
            except TimeoutError:
                tries += 1
        child = asyncio.create_task(never())
        await asyncio.sleep(0)
        child.cancel()
        try:
            await child
        except asyncio.CancelledError:
            await asyncio.sleep(0.05)
        return tries

    assert await within(tries_in_turn(), timeout_s=30, grace_s=0.001) == 3


async def test_its_own_timeout_is_told_from_ours() -> None:
    async def times_out() -> None:
        raise TimeoutError("the server's")

    with pytest.raises(TimeoutError, match="the server's") as raised:
        await within(times_out(), timeout_s=30)

    assert not isinstance(raised.value, OverdueError)


async def test_a_task_that_is_to_end_ends_whatever_the_code_makes_of_it() -> None:
    started = asyncio.Event()

    async def goes_on() -> str:
        started.set()
        try:
            await never()
        except asyncio.CancelledError:
            return "done all the same"
        raise AssertionError

    task = asyncio.create_task(within(goes_on(), timeout_s=30))
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_is_to_end_does_so_in_the_time_that_it_had_where_the_code_hangs() -> None:
    task = asyncio.create_task(within(catches_it_each_time(), timeout_s=0.2, grace_s=GRACE_S))
    await asyncio.sleep(0.01)
    task.cancel()

    async with asyncio.timeout(30):
        with pytest.raises(asyncio.CancelledError):
            await task
