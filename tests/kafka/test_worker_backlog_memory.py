"""A worker whose sinks are all far behind holds a bounded part of what waits for them; the rest stays in Kafka."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from eventstreams.control.records import Subscription
from eventstreams.headers import Headers, routed_headers
from eventstreams.kafka.producer import Acked
from eventstreams.settings import Settings
from eventstreams.times import now_ms
from tests.support.installation import Installation
from tests.support.role_process import RoleProcess, running_role

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

SUBSCRIPTIONS: Final = 10
EVENTS: Final = 12_000
MOST_MIB: Final = 270
"""Measured: 203, of which 91 without a backlog; 390 where only values were counted and a fetch was 50 MB."""


@pytest.fixture
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(settings) as installation:
        yield installation


@asynccontextmanager
async def silent_receiver() -> AsyncIterator[str]:
    """The address of one that takes requests and never answers."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 16):
            pass
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def fill(installation: Installation, subscription: Subscription, events: Sequence[tuple[bytes, Headers]]) -> None:
    now = now_ms()
    topic = installation.topic_of(subscription)
    for first in range(0, EVENTS, len(events)):
        copies = [
            await installation.producer.enqueue(
                topic,
                value,
                headers=routed_headers(
                    headers, accepted_at_ms=now, deadline_ms=now + 14_400_000, subscription_sid=subscription.sid
                ),
            )
            for value, headers in events[: EVENTS - first]
        ]
        assert all(isinstance(answer, Acked) for answer in await asyncio.gather(*copies))


async def level(worker: RoleProcess) -> float:
    """Its memory once it has not grown by more than 1 MiB for five seconds."""
    before, steady = worker.mib(), 0
    while steady < 5:
        await asyncio.sleep(1)
        now = worker.mib()
        before, steady = (now, 0) if now > before + 1 else (before, steady + 1)
    return before


async def test_what_a_worker_holds_of_a_backlog_of_all_its_sinks_is_bounded(
    installation: Installation, tmp_path: Path
) -> None:
    async with silent_receiver() as address:
        sinks = [await installation.add_sink(f"{address}{number}") for number in range(SUBSCRIPTIONS)]
        subscriptions = [await installation.subscribe(sink) for sink in sinks]
        encoded = [installation.encoded(installation.event(number)) for number in range(3000)]
        noise = [
            (value, [*headers, ("traceparent", random.randbytes(27).hex().encode())]) for value, headers in encoded
        ]

        for subscription in subscriptions:
            await fill(installation, subscription, noise)

        async with running_role(installation.settings, "worker", "webhook", folder=tmp_path) as worker:
            await level(worker)

            assert worker.peak_mib() < MOST_MIB
