"""A process that has work and cannot do it says so; one that is only stuck on Kafka is not killed for it."""

import asyncio
from collections.abc import Iterator, Sequence

import aiohttp
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from eventstreams.settings import Settings
from eventstreams.topics import Topics
from tests.support.installation import header
from tests.support.stream import SETTLE_S, open_stream
from tests.support.topic import read_topic
from tests.support.up import Up, running_up

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running_up(tmp_path_factory.mktemp("up") / "data") as up:
        yield up


async def test_a_router_whose_copies_kafka_refuses_is_not_ready_until_it_takes_them(up: Up) -> None:
    router, before = up.about["admin"]["router"], up.about["pids"]
    settings = Settings.load(kafka=up.about["kafka"])
    async with open_stream(up) as stream, aiohttp.ClientSession() as http:
        topics = [Topics(settings).subscription("webhook", stream.subscription.sid), Topics(settings).router_dead]
        _set_time(settings, topics, by="CreateTime")  # as an operator's hand may do
        accepted = await stream.publish(100)

        await _answers(http, f"{router}/readyz", 503)
        async with http.get(f"{router}/readyz") as ready, http.get(f"{router}/livez") as live:
            assert (await ready.text()).startswith("routing: no progress for ")
            assert live.status == 200  # to start it again would help nobody
        await _answers(http, f"{up.about['api']}/readyz", 503)  # which answers for all

        _set_time(settings, topics, by="LogAppendTime")

        await _answers(http, f"{router}/readyz", 200)
        await _answers(http, f"{up.about['api']}/readyz", 200)
        dead = await read_topic(settings, topics[1], 100)
        assert {header(record, "ce_id") for record in dead} == accepted
        assert up.about["pids"] == before


def _set_time(settings: Settings, topics: Sequence[str], *, by: str) -> None:
    """``CreateTime``: by the producer's clock, and then Kafka refuses what is older than a moment, hence all."""
    changes = {"message.timestamp.type": by, "message.timestamp.before.max.ms": "0"}
    entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in changes.items()]
    client = AdminClient({"bootstrap.servers": settings.kafka})
    resources = [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries) for topic in topics]
    for changed in client.incremental_alter_configs(resources).values():
        changed.result()


async def _answers(http: aiohttp.ClientSession, url: str, status: int) -> None:
    """Wait until ``url`` answers ``status``."""
    async with asyncio.timeout(SETTLE_S):
        while True:
            async with http.get(url) as answer:
                if answer.status == status:
                    return
            await asyncio.sleep(0.2)
