"""A worker process with a plugin that hangs, swallows its cancellation, raises, ends the process and leaks.

Sinks of the same type in the same process, on a real broker: nobody else's events wait, its own are tried again and
delivered, nothing is lost, and the worker keeps none of what hung.
"""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from eventstreams.control.records import Subscription
from eventstreams.headers import SUBSCRIPTION
from eventstreams.settings import Settings
from eventstreams.times import now_ms
from tests.support.distribution import install
from tests.support.installation import Installation, header
from tests.support.role_process import RoleProcess, running_role
from tests.support.topic import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

BALLAST_MIB: Final = 16
EVENTS: Final = 8
MOODY: Final = f"""
import asyncio, sys
from pydantic import BaseModel
from eventstreams.sinks import Capabilities, Delivered, RetryLater, RetryReason, SinkPlugin

class Config(BaseModel):
    destination: str  # a file
    mood: str

class Moody:
    def __init__(self, config):
        self.config = config
        self.leaked = []

    async def deliver(self, batch):
        [event] = batch
        if event.attempt == 1 or self.config.mood == "always":
            ballast = b"x" * ({BALLAST_MIB} << 20)
            await getattr(self, self.config.mood)()
            del ballast
            if self.config.mood == "later":
                return [RetryLater(RetryReason.SERVER_ERROR)]
        with open(self.config.destination, "a") as file:
            file.write(event.id + "\\n")
        return [Delivered()]

    async def well(self):
        pass

    later = well

    async def hangs(self):
        await asyncio.Event().wait()

    async def swallows(self):
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass

    always = swallows

    async def raises(self):
        raise ZeroDivisionError("of the plugin")

    async def ends(self):
        sys.exit("of the plugin")

    async def leaks(self):
        self.leaked.append(asyncio.create_task(self.swallows()))

    async def probe(self):
        return Delivered()

    async def aclose(self):
        await self.swallows()

async def open_sink(config, context):
    return Moody(config)

PLUGIN = SinkPlugin(
    sink_type="moody", config=Config, capabilities=lambda _: Capabilities(timeout_s=0.5, max_in_flight=4),
    public=lambda config: config.model_dump(), open=open_sink,
)
"""
MOODS: Final = ("swallows", "hangs", "raises", "ends", "leaks", "later", "well")


@pytest.fixture
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(settings) as installation:
        yield installation


@pytest.fixture
async def worker(installation: Installation, tmp_path: Path) -> AsyncIterator[RoleProcess]:
    site = tmp_path / "site"
    site.mkdir()
    install(site, "acme-moody", modules={"moody.py": MOODY}, entries={"moody": "moody:PLUGIN"})
    async with running_role(
        installation.settings, "worker", "moody", folder=tmp_path, site=site, DRAIN_TIMEOUT="5s"
    ) as found:
        yield found


async def subscribed(installation: Installation, folder: Path, *moods: str) -> Mapping[str, Subscription]:
    return {
        mood: await installation.subscribe(
            await installation.add_sink(str(folder / mood), config={"mood": mood}, sink_type="moody"),
        )
        for mood in moods
    }


def delivered(folder: Path, mood: str) -> list[str]:
    file = folder / mood
    return file.read_text().split() if file.exists() else []


@pytest.mark.proof  # it waits for deadlines
async def test_nobody_waits_for_it_nothing_is_lost_and_nothing_is_kept(
    installation: Installation, worker: RoleProcess, tmp_path: Path
) -> None:
    found = await subscribed(installation, tmp_path, "always", *MOODS)
    await installation.hand_to(found["well"], installation.event(1000))
    await eventually(lambda: delivered(tmp_path, "well") == ["EZ1000"], timeout_s=60)
    before = worker.mib()

    deadline_ms = now_ms() + 15_000
    for number in range(EVENTS):
        await installation.hand_to(found["always"], installation.event(number), deadline_ms=deadline_ms)
    for mood in MOODS:
        for number in range(EVENTS):
            await installation.hand_to(found[mood], installation.event(number))
    await eventually(
        lambda: len(delivered(tmp_path, "well")) == EVENTS + 1 and len(delivered(tmp_path, "later")) == EVENTS,
        timeout_s=90,
    )
    while_it_hung = now_ms()
    wanted = {f"EZ{number}" for number in range(EVENTS)}
    await eventually(
        lambda: all(set(delivered(tmp_path, mood)) >= wanted for mood in MOODS),
        timeout_s=120,
        what=lambda: str({mood: delivered(tmp_path, mood) for mood in MOODS}) + worker.said()[-3000:],
    )
    dead = await installation.dead(EVENTS, sink_type="moody")
    after = worker.mib()

    assert while_it_hung < deadline_ms  # the one that always hangs was still being tried
    assert {header(each, SUBSCRIPTION) for each in dead} == {found["always"].sid}
    assert {header(each, "es_reason") for each in dead} == {"expired"}
    assert delivered(tmp_path, "always") == []
    for mood in MOODS:
        assert len(delivered(tmp_path, mood)) == EVENTS + (mood == "well")  # each once: whatever hung went no further
    assert after - before < EVENTS * BALLAST_MIB / 2
    for words in ("plugin.raised", "ZeroDivisionError", "SystemExit", "plugin.let_go"):
        assert words in worker.said()
    assert await worker.end() == 0
