"""Fills the tally from outside: reads dead letters from their topics, and figures from the roles' metrics."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from eventstreams.headers import ID, REASON
from eventstreams.kafka.follower import PartitionFollower
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings
from eventstreams.topics import Topics
from examples.demo.system import DemoError, System
from examples.demo.tally import Tally

_EACH_S: Final = 0.2


@asynccontextmanager
async def watching(settings: Settings, system: System, tally: Tally) -> AsyncIterator[None]:
    """Keep ``tally`` current while the context is open."""

    def bury(records: Sequence[Record]) -> None:
        for record in records:
            headers = dict(record.headers)
            tally.dead[headers[ID].decode()] = headers[REASON].decode()

    topics = Topics(settings)
    async with AsyncExitStack() as stack:
        for topic in (topics.dead("webhook"), topics.router_dead):
            follower = PartitionFollower(settings, topic, on_records=bury, on_crash=_crash)
            await stack.enter_async_context(follower)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        task = asyncio.create_task(_follow_metrics(session, system, tally))
        stack.callback(task.cancel)
        yield
        await _read_metrics(session, system, tally)


async def _follow_metrics(session: aiohttp.ClientSession, system: System, tally: Tally) -> None:
    while True:
        await _read_metrics(session, system, tally)
        await asyncio.sleep(_EACH_S)


async def _read_metrics(session: aiohttp.ClientSession, system: System, tally: Tally) -> None:
    tally.counted = await _total(session, system.router_metrics, "eventstreams_routed_copies")
    tally.retries = await _total(session, system.worker_metrics, "eventstreams_retries_scheduled")


async def _total(session: aiohttp.ClientSession, url: str, counter: str) -> int:
    async with session.get(url) as answer:
        text = await answer.text()
    families = [family for family in text_string_to_metric_families(text) if family.name == counter]
    samples = [sample for family in families for sample in family.samples if sample.name.endswith("_total")]
    return round(sum(sample.value for sample in samples))


def _crash(error: BaseException) -> None:
    raise DemoError(f"a topic can no longer be read: {error}")
