"""A router looks for no garbage while it loads, and by the clock from then on; it leaves the process as it was."""

import asyncio
import gc

import pytest

from router.memory import collect_by_the_clock, collecting_nothing

pytestmark = pytest.mark.usefixtures("all_in_sight")


def is_looked_at(thing: object) -> bool:
    return any(each is thing for each in gc.get_objects())


async def test_nothing_is_looked_for_while_subscriptions_are_loaded_and_none_of_them_later() -> None:
    with collecting_nothing():
        assert not gc.isenabled()
        loaded = [object()]
        assert is_looked_at(loaded)
        task = asyncio.create_task(collect_by_the_clock())
        await asyncio.sleep(0)
        found = (gc.isenabled(), is_looked_at(loaded))
        task.cancel()
        await asyncio.wait([task])

    assert found == (False, False)
    assert (gc.isenabled(), is_looked_at(loaded)) == (True, True)


def test_a_start_that_fails_leaves_the_collector_on() -> None:
    with pytest.raises(ValueError, match="a reason"), collecting_nothing():
        raise ValueError("a reason")

    assert gc.isenabled()
