import asyncio

import pytest

from sink_workers.plugins.webhook.semaphore import Semaphore


async def begun(semaphore: Semaphore) -> "asyncio.Task[None]":
    """Somebody who has come to the end of the line."""
    task = asyncio.create_task(semaphore.acquire())
    await asyncio.sleep(0)
    return task


async def test_no_more_at_a_time_than_there_are_turns_and_the_first_in_line_is_next() -> None:
    semaphore = Semaphore(2)
    assert semaphore.try_acquire()
    await semaphore.acquire()
    assert not semaphore.try_acquire()
    first, second = await begun(semaphore), await begun(semaphore)
    semaphore.release()
    await asyncio.sleep(0)
    assert (first.done(), second.done()) == (True, False)
    semaphore.release()
    await second
    assert not semaphore.try_acquire()
    semaphore.release()
    assert semaphore.try_acquire()


async def test_a_turn_goes_to_the_line_and_not_to_whoever_comes_meanwhile() -> None:
    semaphore = Semaphore(1)
    await semaphore.acquire()
    waiting = await begun(semaphore)
    semaphore.release()
    assert not semaphore.try_acquire()
    await waiting


async def test_who_is_cancelled_in_line_is_passed_over() -> None:
    semaphore = Semaphore(1)
    await semaphore.acquire()
    gone, stays = await begun(semaphore), await begun(semaphore)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    semaphore.release()
    await stays


async def test_who_is_cancelled_with_a_turn_in_hand_gives_it_back() -> None:
    semaphore = Semaphore(1)
    await semaphore.acquire()
    gone = await begun(semaphore)
    semaphore.release()  # it has the turn now, and has not run since
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert semaphore.try_acquire()
