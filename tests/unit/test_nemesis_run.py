"""Carrying out a plan: each fault in its time, each healed, whatever happens in between."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from eventstreams.verify.faults import Inflicted
from eventstreams.verify.nemesis.fault import Offer
from eventstreams.verify.nemesis.plan import Kind, Step
from eventstreams.verify.nemesis.run import PlannedNemesis

ONE = Kind("one", "a", frozenset({"a"}), (1.0, 2.0))
OTHER = Kind("other", "b", frozenset({"b"}), (1.0, 2.0))
SAME = Kind("same", "a", frozenset({"a"}), (1.0, 2.0))


@dataclass
class Witness:
    """A fault that tells what is done with it."""

    name: str
    told: list[str]
    fails: bool = False
    detail: str = "tells"

    async def inflict(self) -> None:
        self.told.append(f"{self.name} on")
        if self.fails:
            raise ConnectionError(self.name)

    async def heal(self) -> None:
        await asyncio.sleep(0)  # where a cancellation would show
        self.told.append(f"{self.name} off")


class Scene:
    def __init__(self, steps: Sequence[Step], *, failing: str = "") -> None:
        self.told: list[str] = []
        self.offers = [
            Offer(kind, lambda _, kind=kind: Witness(kind.name, self.told, fails=kind.name == failing))  # type: ignore[misc]
            for kind in (ONE, OTHER, SAME)
        ]
        self.nemesis = PlannedNemesis(steps, self.offers)
        self.stop = asyncio.Event()

    async def ran_until_told(self, count: int) -> Sequence[Inflicted]:
        """Run the nemesis, and stop it once ``count`` is told, however long a busy machine takes for it."""
        running = asyncio.create_task(self.nemesis.run(self.stop))
        async with asyncio.timeout(60):
            while len(self.told) < count:
                await asyncio.sleep(0.01)
        self.stop.set()
        return await running


async def test_faults_come_in_their_time_and_are_told_in_the_order_in_which_they_began() -> None:
    scene = Scene([Step(ONE, 0.1, 0.8, 0.5), Step(OTHER, 0.0, 0.4, 0.5)])
    began = time.monotonic()

    done = await scene.ran_until_told(4)

    assert scene.told == ["other on", "one on", "other off", "one off"]
    assert [(each.name, each.target, each.detail) for each in done] == [("other", "b", "tells"), ("one", "a", "tells")]
    assert all(began <= each.began_s and each.ended_s - each.began_s >= 0.39 for each in done)


async def test_what_is_on_is_healed_when_it_is_told_to_stop_and_nothing_more_begins() -> None:
    scene = Scene([Step(ONE, 0.0, 60.0, 0.5), Step(OTHER, 30.0, 60.0, 0.5)])
    asyncio.get_running_loop().call_later(0.1, scene.stop.set)

    done = await scene.nemesis.run(scene.stop)

    assert scene.told == ["one on", "one off"]
    assert [each.name for each in done] == ["one"]


async def test_a_heal_that_takes_longer_than_planned_holds_back_what_claims_the_same() -> None:
    scene = Scene([Step(ONE, 0.0, 0.2, 0.5), Step(SAME, 0.1, 0.3, 0.5)])

    await scene.ran_until_told(4)

    assert scene.told == ["one on", "one off", "same on", "same off"]


async def test_a_nemesis_that_is_cancelled_heals() -> None:
    scene = Scene([Step(ONE, 0.0, 60.0, 0.5), Step(OTHER, 0.0, 60.0, 0.5)])
    running = asyncio.create_task(scene.nemesis.run(scene.stop))
    async with asyncio.timeout(30):
        while len(scene.told) < 2:
            await asyncio.sleep(0.01)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert set(scene.told) == {"one on", "other on", "one off", "other off"}


async def test_a_fault_that_cannot_be_inflicted_is_told_and_all_is_healed() -> None:
    scene = Scene([Step(ONE, 0.0, 60.0, 0.5), Step(OTHER, 0.1, 60.0, 0.5)], failing="other")

    with pytest.raises(ExceptionGroup) as raised:
        await scene.nemesis.run(scene.stop)

    assert raised.group_contains(ConnectionError, match="other")
    assert scene.told[-2:] == ["other off", "one off"] or scene.told[-2:] == ["one off", "other off"]


async def test_it_returns_once_all_is_restored() -> None:
    scene = Scene([])
    scene.stop.set()

    async def restored() -> None:
        scene.told.append("restored")

    scene.nemesis.restored = restored
    assert await scene.nemesis.run(scene.stop) == []
    assert scene.told == ["restored"]
