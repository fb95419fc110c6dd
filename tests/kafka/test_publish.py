"""Publishing from Python and from the command line: answered once Kafka has the event, or told what is wrong."""

import asyncio
import json
import os
import secrets
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from eventstreams.catalog import Catalog
from eventstreams.errors import InvalidEventError, PublishError
from eventstreams.events import Event
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings
from eventstreams.topics import Topics
from producers.outcomes import Accepted, Invalid
from producers.publisher import EventPublisher
from tests.support.events import SENT, message_event
from tests.support.installation import header
from tests.support.topic import read_topic

pytestmark = pytest.mark.kafka

ACCOUNT = "AC" + "1" * 32


@pytest.fixture
def program(programs: Path) -> Path:
    return programs / "eventstreams"


@pytest.fixture
async def ready(settings: Settings) -> Settings:
    """Settings whose topics are there; events have one partition, so that they can be read in order."""
    found = settings.model_copy(update={"events_partitions": 1})
    await KafkaAdmin(found).ensure(Topics(found).base_specs())
    return found


async def test_an_event_is_accepted_when_publish_returns(ready: Settings) -> None:
    async with EventPublisher(ready, Catalog.load()) as publisher:
        accepted = await publisher.publish(message_event(ACCOUNT, 1))

    [record] = await read_topic(ready, Topics(ready).events, 1)
    assert accepted == Accepted(header(record, "ce_id"), 0, 0, record.timestamp_ms)
    assert header(record, "ce_type") == SENT
    assert record.key == header(record, "ce_source").encode()


async def test_the_events_of_one_key_keep_their_order(ready: Settings) -> None:
    events = [replace(message_event(ACCOUNT, number), partition_key="one") for number in range(200)]

    async with EventPublisher(ready, Catalog.load()) as publisher:
        outcomes = await publisher.publish_many(events)

    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    records = await read_topic(ready, Topics(ready).events, 200)
    assert [header(record, "ce_id") for record in records] == [event.id for event in events]


async def test_an_event_that_does_not_fit_is_told_with_its_path_and_the_others_go_through(ready: Settings) -> None:
    good, bad = message_event(ACCOUNT, 1), replace(message_event(ACCOUNT, 2), data={"messageSid": 3})
    async with EventPublisher(ready, Catalog.load()) as publisher:
        with pytest.raises(InvalidEventError) as caught:
            await publisher.publish(bad)
        outcomes = await publisher.publish_many([bad, good, replace(good, type="com.acme.unheard.of")])

    assert caught.value.path == "$.data.messageSid"
    assert [type(outcome) for outcome in outcomes] == [Invalid, Accepted, Invalid]
    [record] = await read_topic(ready, Topics(ready).events, 1)
    assert header(record, "ce_id") == good.id


async def test_a_broker_that_does_not_answer_is_told_and_a_retry_is_safe(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"kafka": "127.0.0.1:9"})

    async with EventPublisher(nowhere, Catalog.load(), ack_timeout_s=1) as publisher:
        with pytest.raises(PublishError, match="Kafka did not acknowledge") as caught:
            await publisher.publish(message_event(ACCOUNT, 1))

    assert caught.value.retry_is_safe


# -- the command line ------------------------------------------------------------------------------------------


async def command(program: Path, settings: Settings, *arguments: str, lines: bytes = b"") -> tuple[int, str, str]:
    """Exit code, output and complaints of ``eventstreams …``."""
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        env=os.environ | {"EVENTSTREAMS_KAFKA": settings.kafka, "EVENTSTREAMS_TOPIC_PREFIX": settings.topic_prefix},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, complaints = await process.communicate(lines)
    assert process.returncode is not None
    return process.returncode, out.decode(), complaints.decode()


def end_of(settings: Settings, topic: str) -> int:
    """How many records the only partition of ``topic`` has taken."""
    consumer = Consumer({"bootstrap.servers": settings.kafka, "group.id": "counts"})
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=60)
    finally:
        consumer.close()
    return end


def line(event: Event, **changes: object) -> bytes:
    made = {"specversion": "1.0", "id": event.id, "type": event.type, "source": event.source, "data": event.data}
    return json.dumps({**made, **changes}).encode() + b"\n"


async def test_lines_are_published_and_a_wrong_one_is_told_with_its_number(program: Path, ready: Settings) -> None:
    first, last = message_event(ACCOUNT, 1), message_event(ACCOUNT, 2)
    lines = line(first) + b"nonsense\n" + line(first, type="com.twilio.messaging.message.snet") + line(last)

    code, out, complaints = await command(program, ready, "publish", "-", "--account", ACCOUNT, lines=lines)

    assert code == 1
    assert out == ""
    assert "line 2: $ is not JSON" in complaints
    assert "line 3: $.type is not an event type of the catalogue: did you mean com.twilio.messaging.message.sent?" in (
        complaints
    )
    assert "2 events accepted, 2 failed" in complaints
    records = await read_topic(ready, Topics(ready).events, 2)
    assert [header(record, "ce_id") for record in records] == [first.id, last.id]


async def test_an_event_that_kafka_will_never_accept_does_not_stop_those_after_it(
    program: Path, settings: Settings
) -> None:
    """The second line is so long that the third is read, and published, only after the first was refused."""
    admin, specs = KafkaAdmin(settings), Topics(settings).base_specs()
    await admin.ensure([replace(spec, config={**spec.config, "max.message.bytes": "2000"}) for spec in specs])
    event = message_event(ACCOUNT, 1)
    large = line(event, data={**event.data, "body": secrets.token_hex(4000)})
    lines = large + b"x" * 500_000 + b"\n" + line(event)

    code, _, complaints = await command(program, settings, "publish", "-", "--account", ACCOUNT, lines=lines)

    assert code == 1
    assert "publishing it again will not help" in complaints
    assert "1 event accepted, 2 failed" in complaints


async def test_json_output_has_a_line_for_each_event(program: Path, ready: Settings) -> None:
    event = message_event(ACCOUNT, 1)

    code, out, _ = await command(
        program, ready, "publish", "-", "-o", "json", "--account", ACCOUNT, lines=line(event) + line(event, data={})
    )

    assert code == 1
    accepted, refused = (json.loads(each) for each in out.splitlines())
    assert (accepted["line"], accepted["id"], accepted["offset"]) == (1, event.id, 0)
    assert refused == {
        "line": 2,
        "error": {"path": "$.data.messageSid", "reason": "is missing (Messaging.MessageStatus version 8)"},
    }


async def test_simulated_events_are_accepted(program: Path, ready: Settings) -> None:
    code, _, complaints = await command(
        program, ready, "simulate", "--account", ACCOUNT, "--rate", "1000", "--count", "300", "--seed", "1"
    )

    assert code == 0
    assert "300 events accepted, 0 failed" in complaints
    assert len(await read_topic(ready, Topics(ready).events, 300)) == 300


async def test_the_summary_of_a_simulation_is_one_object_for_programs(program: Path, ready: Settings) -> None:
    wanted = ("--rate", "max", "--count", "2000", "--seed", "1", "--products", "verify,studio", "-o", "json")

    code, out, _ = await command(
        program, ready, "simulate", "--account", ACCOUNT, "--start", "2026-01-01T00:00:00Z", *wanted
    )

    assert code == 0
    summary = json.loads(out)
    assert summary["seconds"] > 0
    assert summary["rate"] > 0
    assert {name: summary[name] for name in ("seed", "start", "products", "accounts", "accepted", "failed")} == {
        "seed": 1,
        "start": "2026-01-01T00:00:00.000Z",
        "products": ["verify", "studio"],
        "accounts": [ACCOUNT],
        "accepted": 2000,
        "failed": 0,
    }
    assert len(await read_topic(ready, Topics(ready).events, 2000)) == 2000


@pytest.mark.parametrize("rate", ["200", "max"])
async def test_ctrl_c_ends_a_simulation_and_what_it_counts_is_what_kafka_has(ready: Settings, rate: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "eventstreams", "simulate", "--account", ACCOUNT, "--rate", rate, "-o", "json"),
        env=os.environ | {"EVENTSTREAMS_KAFKA": ready.kafka, "EVENTSTREAMS_TOPIC_PREFIX": ready.topic_prefix},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await read_topic(ready, Topics(ready).events, 50)  # it is at work

    process.send_signal(signal.SIGINT)
    out, complaints = await process.communicate()

    assert process.returncode == 0, complaints
    summary = json.loads(out)
    assert summary["failed"] == 0
    assert summary["accepted"] == end_of(ready, Topics(ready).events)
    assert f"{summary['accepted']} events accepted, 0 failed" in complaints.decode()


async def test_the_same_seed_makes_the_same_events(program: Path, ready: Settings) -> None:
    wanted = ("simulate", "--account", ACCOUNT, "--count", "50", "--seed", "7", "--start", "2026-01-01T00:00:00Z")

    first, second = [await command(program, ready, *wanted, "--rate", rate, "--print") for rate in ("1000", "max")]

    assert first[0] == 0
    assert first == second
    assert len(first[1].splitlines()) == 50
