"""Router processes come, go and are killed under load: every event has its copy on every subscription's topic."""

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from eventstreams.settings import Settings
from tests.support.installation import Installation
from tests.support.routers import Flood, Routers, Tally, running_routers
from tests.support.topic import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

SETTLE_S = 240.0  # a machine that is busy with other things takes its time
# What a router may have handed out and not committed: 16 runs of at most 1 MiB, of fewer than 4,000 events each,
# and what it copied since its last commit, a quarter of a second ago; on each of two topics.
IN_FLIGHT = 2 * 16 * 4_000


@dataclass
class Scene:
    """An installation with two subscriptions that take every event."""

    installation: Installation
    routers: Routers
    flood: Flood
    tally: Tally

    async def all_copied(self) -> None:
        """Return once every event that was published has a copy on both topics."""
        await eventually(
            lambda: self.tally.events >= self.flood.published,
            timeout_s=SETTLE_S,
            what=lambda: f"{self.tally.events} of {self.flood.published}",
        )
        assert self.tally.missing(self.flood.published) == 0

    async def more_copied(self, count: int) -> None:
        """Return once ``count`` more events have a copy on both topics."""
        wanted = self.tally.events + count
        await eventually(
            lambda: self.tally.events >= wanted,
            timeout_s=SETTLE_S,
            what=lambda: f"{self.tally.events} of {wanted}",
        )


@asynccontextmanager
async def running_scene(settings: Settings) -> AsyncIterator[Scene]:
    """A scene without routers yet."""
    async with Installation(settings) as installation:
        sink = await installation.add_sink("http://127.0.0.1:9/")
        topics = [installation.topic_of(await installation.subscribe(sink)) for _ in range(2)]
        value, headers = installation.encoded(installation.event())
        flood = Flood(settings, installation.topics.events, value, headers)
        with running_routers(settings) as routers, Tally(settings, topics) as tally:
            try:
                yield Scene(installation, routers, flood, tally)
            finally:
                flood.give_up()


@pytest.fixture
async def scene(settings: Settings) -> AsyncIterator[Scene]:
    async with running_scene(settings) as scene:
        yield scene


async def run_killed(scene: Scene, *, kills: int, events: int, rate: float) -> None:
    moments = sorted(random.randrange(events) for _ in range(kills))
    scene.routers.start("one", static=True)
    scene.flood.start(events, rate=rate)

    for moment in moments:
        await eventually(lambda moment=moment: scene.tally.events >= moment, timeout_s=SETTLE_S)  # type: ignore[misc]
        scene.routers.kill("one")
        scene.routers.start("one", static=True)
    scene.flood.join()
    await scene.all_copied()

    duplicates = scene.tally.duplicates
    print(f"{events:,} events, {kills} kills -9: none missing, {duplicates:,} duplicates on two topics")  # noqa: T201 - the figure
    assert duplicates <= kills * (IN_FLIGHT + rate)


async def test_routers_that_are_killed_at_random_moments_lose_no_event(scene: Scene) -> None:
    await run_killed(scene, kills=2, events=15_000, rate=3_000)


@pytest.mark.proof
@pytest.mark.timeout(3600)
async def test_twenty_kills_in_a_million_events_lose_none(scene: Scene) -> None:
    await run_killed(scene, kills=20, events=1_000_000, rate=10_000)


async def test_one_router_grows_to_four_and_shrinks_to_one_under_load(scene: Scene) -> None:
    scene.routers.start("0")
    scene.flood.start(None, rate=800)

    for name in "123":
        await scene.more_copied(1_500)
        scene.routers.start(name)
    await eventually(lambda: scene.routers.in_group() == 4, timeout_s=SETTLE_S, every_s=0.3)
    for name in "012":
        await scene.more_copied(1_500)
        assert scene.routers.stop(name) == 0
    await scene.more_copied(500)
    scene.flood.stop()
    await scene.all_copied()

    print(f"1 -> 4 -> 1 routers: none missing, {scene.tally.duplicates:,} duplicates")  # noqa: T201 - the figure
    assert scene.tally.duplicates <= IN_FLIGHT


@pytest.mark.parametrize("static", [False, True], ids=["another member", "the same static member"])
async def test_the_share_of_a_killed_router_is_taken_over(scene: Scene, *, static: bool) -> None:
    partitions = range(scene.installation.settings.events_partitions)
    scene.routers.start("first", static=static)
    scene.flood.publish(*partitions)
    await scene.all_copied()
    if not static:
        scene.routers.start("second")
        scene.flood.start(None, rate=500)
        await eventually(lambda: scene.routers.in_group() == 2, timeout_s=SETTLE_S, every_s=0.3)
        await scene.more_copied(2_000)  # both have a share
        scene.flood.stop()
        await scene.all_copied()

    scene.routers.kill("first")
    began = time.monotonic()
    if static:
        scene.routers.start("first", static=True)
    scene.flood.publish(*partitions)
    await scene.all_copied()

    print(f"taken over after {time.monotonic() - began:.1f} s")  # noqa: T201 - the figure
