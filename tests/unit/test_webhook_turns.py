import asyncio

import pytest

from sink_workers.plugins.webhook.turns import Turns


async def begun(turns: Turns) -> "asyncio.Task[None]":
    """Somebody who has come to the end of the line."""
    task = asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    return task


async def test_no_more_at_a_time_than_there_are_turns_and_the_first_in_line_is_next() -> None:
    turns = Turns(2)
    assert turns.try_take()
    await turns.take()
    assert not turns.try_take()
    first, second = await begun(turns), await begun(turns)
    turns.give_back()
    await asyncio.sleep(0)
    assert (first.done(), second.done()) == (True, False)
    turns.give_back()
    await second
    assert not turns.try_take()
    turns.give_back()
    assert turns.try_take()


async def test_a_turn_goes_to_the_line_and_not_to_whoever_comes_meanwhile() -> None:
    turns = Turns(1)
    await turns.take()
    waiting = await begun(turns)
    turns.give_back()
    assert not turns.try_take()
    await waiting


async def test_who_is_cancelled_in_line_is_passed_over() -> None:
    turns = Turns(1)
    await turns.take()
    gone, stays = await begun(turns), await begun(turns)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    turns.give_back()
    await stays


async def test_who_is_cancelled_with_a_turn_in_hand_gives_it_back() -> None:
    turns = Turns(1)
    await turns.take()
    gone = await begun(turns)
    turns.give_back()  # it has the turn now, and has not run since
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert turns.try_take()
