"""``eventstreams doctor`` against a real broker, and without one."""

import asyncio
import os
import subprocess

import orjson
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import PREFIX, Settings
from eventstreams.topics import Topics
from tests.support import forks
from tests.support.topic import PATIENCE_S

pytestmark = pytest.mark.kafka


def doctor(settings: Settings, *, wait: str = "60s", **more: str) -> tuple[int, dict[str, str], str]:
    """Exit code; what was said, by what it is about; all of it."""
    assert settings.secret_key is not None
    given = {
        "KAFKA": settings.kafka,
        "TOPIC_PREFIX": settings.topic_prefix,
        "REPLICATION_FACTOR": "1",
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        **more,
    }
    done = subprocess.run(
        [str(forks.program()), "doctor", "--wait", wait, "-o", "json"],
        env=os.environ | {f"{PREFIX}{name}": value for name, value in given.items()},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stderr == ""
    found = [orjson.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {each["about"]: f"{each['grade']} {each['fact']}" for each in found}, done.stdout


async def test_a_sound_installation_has_no_problem_and_a_topic_that_somebody_changed_is_one(settings: Settings) -> None:
    topics = Topics(settings)
    admin = KafkaAdmin(settings)
    await admin.ensure([*topics.base_specs(), topics.subscription_spec("webhook", "DF" + "1" * 32)])
    async with asyncio.timeout(60):  # a busy broker lists them a while after its controller has made them
        while len(await admin.topics()) < 8:
            await asyncio.sleep(0.1)

    code, said, everything = doctor(settings)

    assert code == 0, everything
    assert said["replication"] == "ok 1 broker, and 1 copy of each topic"
    assert said["clock"].startswith("ok ")
    assert said["brokers"] == "ok all run Kafka 4.0 or newer; they do not report more than that"
    assert said["topics"].startswith("ok all 8 existing topics")
    assert "problem" not in {each.split()[0] for each in said.values()}

    shortened = topics.subscription("webhook", "DF" + "1" * 32)
    entry = ConfigEntry("retention.ms", "3600000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, shortened, incremental_configs=[entry])
    client = AdminClient({"bootstrap.servers": settings.kafka})
    for future in client.incremental_alter_configs([resource]).values():
        future.result(60)

    async with asyncio.timeout(PATIENCE_S):  # a busy broker tells of it a while after its controller has noted it
        while (answered := doctor(settings))[0] == 0:
            await asyncio.sleep(0.5)

    code, said, _ = answered
    assert code == 1
    assert said[shortened] == "problem Kafka deletes its records after 1h, but events are retried for 4h"


def test_more_copies_than_brokers_are_a_problem(settings: Settings) -> None:
    code, said, _ = doctor(settings, REPLICATION_FACTOR="3")

    assert code == 1
    assert said["replication"] == (
        "problem EVENTSTREAMS_REPLICATION_FACTOR is 3, but there is 1 broker: no topic can be created"
    )


def test_no_broker_has_its_own_exit_code_and_the_rest_is_looked_at_nonetheless(settings: Settings) -> None:
    code, said, _ = doctor(settings, wait="2s", KAFKA="127.0.0.1:9")

    assert code == 4
    assert said["kafka"].startswith("problem no Kafka broker answered at 127.0.0.1:9 within 2 s")
    assert said["catalogue"].startswith("ok ")


def test_a_wrong_setting_is_told_alone(settings: Settings) -> None:
    code, said, _ = doctor(settings, TTL="soon")

    assert code == 2
    assert list(said) == ["settings"]
