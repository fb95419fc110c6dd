"""Router processes that copy in transactions are killed, and come and go: every copy is there once."""

import random
from collections.abc import AsyncIterator

import pytest

from eventstreams.settings import Settings
from tests.support.topic import eventually
from tests.system.test_routers import SETTLE_S, Scene, running_scene

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@pytest.fixture
async def scene(settings: Settings) -> AsyncIterator[Scene]:
    async with running_scene(settings.model_copy(update={"exactly_once": True})) as scene:
        yield scene


async def run_killed(scene: Scene, *, kills: int, events: int, rate: float) -> None:
    """A router is killed at random moments: at each its transaction is at another stage."""
    moments = sorted(random.randrange(events) for _ in range(kills))
    scene.routers.start("one", static=True)
    scene.flood.start(events, rate=rate)

    for moment in moments:
        await eventually(lambda moment=moment: scene.tally.events >= moment, timeout_s=SETTLE_S)  # type: ignore[misc]
        scene.routers.kill("one")
        scene.routers.start("one", static=True)
    scene.flood.join()
    await scene.all_copied()

    print(f"{events:,} events, {kills} kills -9: none missing, {scene.tally.duplicates} twice")  # noqa: T201 - the figure
    assert scene.tally.duplicates == 0


async def test_a_router_that_is_killed_copies_no_event_twice(scene: Scene) -> None:
    await run_killed(scene, kills=2, events=12_000, rate=3_000)


@pytest.mark.proof
@pytest.mark.timeout(3600)
async def test_twenty_kills_in_half_a_million_events_copy_none_twice(scene: Scene) -> None:
    await run_killed(scene, kills=20, events=500_000, rate=10_000)


@pytest.mark.proof
async def test_partitions_that_move_in_the_middle_of_a_transaction_are_copied_once(scene: Scene) -> None:
    """Routers without a name: what a killed one had open ends by its time-out, and it is missed by its session's."""
    scene.routers.start("0")
    scene.flood.start(20_000, rate=2_000)

    await eventually(lambda: scene.tally.events >= 2_000, timeout_s=SETTLE_S)
    scene.routers.start("1")
    await eventually(lambda: scene.routers.in_group() == 2, timeout_s=SETTLE_S, every_s=0.3)
    await eventually(lambda: scene.tally.events >= 8_000, timeout_s=SETTLE_S)
    scene.routers.kill("0")
    scene.routers.start("2")
    await eventually(lambda: scene.tally.events >= 12_000, timeout_s=SETTLE_S)
    assert scene.routers.stop("1") == 0
    scene.flood.join()
    await scene.all_copied()

    assert scene.tally.duplicates == 0
