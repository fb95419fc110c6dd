"""A process that has work and cannot do it says so; one that is only stuck on Kafka is not killed for it."""

import asyncio
from collections.abc import Iterator, Sequence

import aiohttp
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from eventstreams.kafka.records import Record
from eventstreams.settings import Settings
from eventstreams.topics import Topics
from tests.support.installation import header
from tests.support.stream import SETTLE_S, open_stream
from tests.support.topic import read_topic_until
from tests.support.up import Up, running_up

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running_up(tmp_path_factory.mktemp("up") / "data") as up:
        yield up


async def test_a_router_whose_copies_kafka_refuses_is_not_ready_until_it_takes_them(up: Up) -> None:
    router, before = up.about["admin"]["router"], up.about["pids"]
    settings = Settings.load(kafka=up.about["kafka"])
    async with open_stream(up) as stream, aiohttp.ClientSession() as http:
        topics = [Topics(settings).subscription("webhook", stream.subscription.sid), Topics(settings).router_dead]
        _set_largest(settings, topics, "1")  # as an operator's hand may do
        accepted = await stream.publish(100)

        await _answers(http, f"{router}/readyz", 503)
        async with http.get(f"{router}/readyz") as ready, http.get(f"{router}/livez") as live:
            assert (await ready.text()).startswith("routing: no progress for ")
            assert live.status == 200  # to start it again would help nobody
        await _answers(http, f"{up.about['api']}/readyz", 503)  # which answers for all

        _set_largest(settings, topics, "4194304")

        await _answers(http, f"{router}/readyz", 200)
        await _answers(http, f"{up.about['api']}/readyz", 200)

        # What was refused until then is a dead letter, what waited behind it is delivered; nothing is lost, or both.
        def dead(records: Sequence[Record]) -> set[str]:
            return {header(record, "ce_id") for record in records}

        delivered = stream.receiver.accepted
        found = await read_topic_until(settings, topics[1], lambda records: dead(records) | set(delivered) >= accepted)
        assert dead(found)
        assert dead(found) | set(delivered) == accepted
        assert not dead(found) & set(delivered)
        assert up.about["pids"] == before


def _set_largest(settings: Settings, topics: Sequence[str], size: str) -> None:
    """Have Kafka refuse every record of ``topics`` that is larger than ``size`` bytes: with 1, all of them."""
    entries = [ConfigEntry("max.message.bytes", size, incremental_operation=AlterConfigOpType.SET)]
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
