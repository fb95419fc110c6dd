"""A router that was frozen for longer than its session copies nothing that another has copied meanwhile."""

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence

import pytest
from confluent_kafka.admin import AdminClient

from eventstreams.kafka.members import find_group
from eventstreams.kafka.records import Record
from eventstreams.settings import PREFIX, Settings
from router.role import route
from tests.kafka.test_router import NOWHERE
from tests.support import forks
from tests.support.installation import Installation, header
from tests.support.topic import eventually, read_topic_until
from tests.support.up import clean_environ, variables

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

PARTITIONS = 3  # of the events topic
WAVE = 30  # events
SETTLE_S = 180.0  # of which most is for a process to start on a busy machine


def ids_of(waves: int) -> set[str]:
    return {f"EZ{number}" for number in range(waves * WAVE)}


async def test_a_router_that_was_frozen_copies_nothing_before_it_knows_that_it_is_still_in_its_group(
    settings: Settings,
) -> None:
    settings = settings.model_copy(update={"events_partitions": PARTITIONS})
    async with Installation(settings) as installation:
        group, events = installation.topics.group("router"), installation.topics.events
        topic = installation.topic_of(await installation.subscribe(await installation.add_sink(NOWHERE)))
        client = AdminClient({"bootstrap.servers": settings.kafka})

        async def publish(wave: int) -> None:
            await installation.publish([installation.event(wave * WAVE + number) for number in range(WAVE)])

        async def copied(waves: int) -> Counter[str]:
            def are_there(found: Sequence[Record]) -> bool:
                return ids_of(waves) <= {header(each, "ce_id") for each in found}

            found = await read_topic_until(settings, topic, are_there, timeout_s=SETTLE_S)
            return Counter(header(each, "ce_id") for each in found)

        async def committed(waves: int) -> None:
            async with asyncio.timeout(SETTLE_S):
                while sum((await installation.admin.committed(group, events)).values()) < waves * WAVE:
                    await asyncio.sleep(0.2)

        environment = {**clean_environ(), **variables(settings), f"{PREFIX}SESSION_TIMEOUT": "6s"}
        frozen: subprocess.Popen[bytes] = forks.popen(
            (sys.executable, "-m", "tests.support.slow_heartbeats", "router"), env=environment
        )
        try:
            await publish(0)
            await copied(1)
            await committed(1)
            frozen.send_signal(signal.SIGSTOP)
            await installation.start(route)
            await publish(1)
            await copied(2)
            await committed(2)
            frozen.send_signal(signal.SIGCONT)  # its fetch returns at once, its heartbeat's answer comes later
            await eventually(lambda: len(find_group(client, group).members) == 2, timeout_s=SETTLE_S)
            await publish(2)
            copies = await copied(3)
        finally:
            frozen.kill()
            frozen.wait()

    assert copies == Counter(ids_of(3))
