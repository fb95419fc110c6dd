"""The router on a real broker: every match has its copy, nothing else does, and nothing stops it."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.producer import message_accumulator
from aiokafka.producer import producer as producer_module
from aiokafka.record import default_records
from typing_extensions import override

from eventstreams.control.records import SubscriptionState
from eventstreams.headers import ACCOUNT, TYPE
from eventstreams.kafka.producer import Acked
from eventstreams.process import Process
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from router.role import route
from sink_workers.role import worker_for
from tests.support.installation import DELIVERED, SENT, Installation, header
from tests.support.topic import eventually, read_topic, read_topic_until

pytestmark = pytest.mark.kafka

NOWHERE = "http://127.0.0.1:9/"


@pytest.fixture
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(settings) as installation:
        yield installation


async def test_an_event_reaches_each_subscription_that_matches_with_the_same_bytes(installation: Installation) -> None:
    sink = await installation.add_sink(NOWHERE)
    first, second = await installation.subscribe(sink, SENT), await installation.subscribe(sink, SENT, DELIVERED)
    await installation.start(route)
    event = installation.event(1)

    await installation.publish([event])

    for subscription in (first, second):
        [copy] = await read_topic(installation.settings, installation.topic_of(subscription), 1)
        value, headers = installation.encoded(event)
        assert copy.value == value
        assert [each for each in copy.headers if not each[0].startswith("es_")] == headers
        assert header(copy, "es_subscription") == subscription.sid


async def test_deadline_and_acceptance_come_from_the_brokers_clock(installation: Installation) -> None:
    sink = await installation.add_sink(NOWHERE)
    subscription = await installation.subscribe(sink, ttl_ms=60_000)
    await installation.start(route)

    value, headers = installation.encoded(installation.event(1))
    await installation.producer.send(installation.topics.events, value, headers=headers, partition=0)

    [source] = await read_topic(installation.settings, installation.topics.events, 1)
    [copy] = await read_topic(installation.settings, installation.topic_of(subscription), 1)
    assert header(copy, "es_accepted_at") == str(source.timestamp_ms)
    assert header(copy, "es_deadline") == str(source.timestamp_ms + 60_000)


class _NotUtf8(str):
    """A header's name that no client of ours would write."""

    __slots__ = ()

    @override
    def encode(self, *_: object, **__: object) -> bytes:
        return b"\xff\xfe"


@asynccontextmanager
async def odd_producer(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, **more: str
) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that writes header names as they are: aiokafka's own in plain Python."""
    for module in (message_accumulator, producer_module):
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", default_records._DefaultRecordBatchBuilderPy)
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, **more)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def test_a_record_with_a_header_whose_name_is_not_utf_8_is_a_dead_letter_and_the_next_one_goes_through(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription = await installation.subscribe(await installation.add_sink(NOWHERE))
    await installation.start(route)
    value, headers = installation.encoded(installation.event(2))
    topic = installation.topics.events

    async with odd_producer(installation.settings, monkeypatch) as producer:
        for number in range(3):
            await producer.send_and_wait(topic, value, headers=headers, partition=0)
            await producer.send_and_wait(topic, b"odd%d" % number, headers=[(_NotUtf8("?"), b"1")], partition=0)
    await installation.publish([installation.event(9)])

    dead = await read_topic(installation.settings, installation.topics.router_dead, 3)
    copies = await read_topic(installation.settings, installation.topic_of(subscription), 4)
    assert [record.value for record in dead] == [b"odd0", b"odd1", b"odd2"]
    assert {header(record, "es_reason") for record in dead} == {"bad_header"}
    assert "is not UTF-8" in header(dead[0], "es_detail")
    assert sorted(header(record, "ce_id") for record in copies) == ["EZ2", "EZ2", "EZ2", "EZ9"]


@pytest.mark.parametrize("odd", range(3))
async def test_a_header_whose_name_is_not_utf_8_costs_no_event_of_another_partition(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, odd: int
) -> None:
    """What one fetch brings of several partitions is lost by the client with the one that it cannot read."""
    subscription = await installation.subscribe(await installation.add_sink(NOWHERE))
    topic, sent = installation.topics.events, []
    async with odd_producer(installation.settings, monkeypatch) as producer:
        for number in range(30):
            value, headers = installation.encoded(installation.event(number))
            sent.append(dict(headers)["ce_id"].decode())
            await producer.send_and_wait(topic, value, headers=headers, partition=number % 3)
        await producer.send_and_wait(topic, b"odd", headers=[(_NotUtf8("?"), b"1")], partition=odd)
        for number in range(30, 33):
            value, headers = installation.encoded(installation.event(number))
            sent.append(dict(headers)["ce_id"].decode())
            await producer.send_and_wait(topic, value, headers=headers, partition=number % 3)

    await installation.start(route)

    copies = await read_topic(installation.settings, installation.topic_of(subscription), 33)
    assert sorted(header(record, "ce_id") for record in copies) == sorted(sent)
    [dead] = await read_topic(installation.settings, installation.topics.router_dead, 1)
    assert dead.value == b"odd"


async def test_the_order_of_a_key_is_kept(installation: Installation) -> None:
    sink = await installation.add_sink(NOWHERE)
    subscription = await installation.subscribe(sink)
    await installation.start(route)
    value, headers = installation.encoded(installation.event(0))

    acks = []
    for number in range(300):
        ordered = [*headers, ("ce_subject", b"%d" % number)]
        sent = await installation.producer.enqueue(installation.topics.events, value, key=b"one key", headers=ordered)
        acks.append(sent)
    await asyncio.gather(*acks)

    copies = await read_topic(installation.settings, installation.topic_of(subscription), 300)
    assert [int(header(copy, "ce_subject")) for copy in copies] == list(range(300))


async def test_other_types_and_other_accounts_are_not_copied(installation: Installation) -> None:
    sink = await installation.add_sink(NOWHERE)
    subscription = await installation.subscribe(sink, SENT)
    router = await installation.start(route)
    value, headers = installation.encoded(installation.event(2))
    foreign = [(name, b"AC" + b"0" * 32 if name == ACCOUNT else text) for name, text in headers]

    await installation.publish([installation.event(1, type_=DELIVERED)])
    await installation.put_raw(installation.topics.events, value, foreign)
    await installation.publish([installation.event(3)])
    await eventually(lambda: settled(router) == 3)

    [copy] = await read_topic(installation.settings, installation.topic_of(subscription), 1)
    assert header(copy, "ce_id") == "EZ3"
    assert router.metrics.registry.get_sample_value("eventstreams_routed_copies_total") == 1


async def test_a_new_subscription_gets_every_event_accepted_after_it_and_a_deleted_one_none(
    installation: Installation,
) -> None:
    sink = await installation.add_sink(NOWHERE)
    router = await installation.start(route)
    await installation.publish([installation.event(1)])

    subscription = await installation.subscribe(sink)
    await installation.publish([installation.event(number) for number in range(2, 12)])
    await eventually(lambda: settled(router) == 11)
    await installation.put(replace(subscription, state=SubscriptionState.DELETING))
    await installation.publish([installation.event(12)])
    await eventually(lambda: settled(router) == 12)

    copies = await read_topic(installation.settings, installation.topic_of(subscription), 10)
    assert {header(copy, "ce_id") for copy in copies} == {f"EZ{number}" for number in range(2, 12)}
    assert router.metrics.registry.get_sample_value("eventstreams_routed_copies_total") == 10


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        pytest.param({"ce_id": None}, "missing_header", "header ce_id is missing or empty", id="no id"),
        pytest.param({"ce_dataschema": None}, "missing_header", "header ce_dataschema is missing", id="no schema"),
        pytest.param({ACCOUNT: b"AC1"}, "bad_header", "not AC and 32 hexadecimal digits", id="bad account"),
        pytest.param({TYPE: b"\xff"}, "bad_header", "not UTF-8", id="type is no text"),
        pytest.param({TYPE: b"com.acme.unheard.of"}, "unknown_event_type", "'com.acme.unheard.of'", id="unknown type"),
    ],
)
async def test_an_event_that_cannot_be_routed_is_a_dead_letter_and_the_next_one_goes_through(
    installation: Installation, change: dict[str, bytes | None], reason: str, detail: str
) -> None:
    sink = await installation.add_sink(NOWHERE)
    subscription = await installation.subscribe(sink)
    await installation.start(route)
    value, good = installation.encoded(installation.event(1))
    changed = {**dict(good), **change}
    bad = [(name, text) for name, text in changed.items() if text is not None]

    await installation.put_raw(installation.topics.events, value, bad)
    await installation.publish([installation.event(2)])

    [dead] = await read_topic(installation.settings, installation.topics.router_dead, 1)
    assert header(dead, "es_reason") == reason
    assert detail in header(dead, "es_detail")
    assert header(dead, "es_origin").startswith(f"{installation.topics.events}/")
    assert dead.value == value
    [copy] = await read_topic(installation.settings, installation.topic_of(subscription), 1)
    assert header(copy, "ce_id") == "EZ2"


async def test_a_record_without_headers_or_value_is_a_dead_letter(installation: Installation) -> None:
    await installation.start(route)

    await installation.producer.send(installation.topics.events, None)

    [dead] = await read_topic(installation.settings, installation.topics.router_dead, 1)
    assert header(dead, "es_reason") == "missing_header"


async def test_a_topic_that_somebody_removed_is_made_again_and_nothing_is_lost(installation: Installation) -> None:
    async with Receiver() as receiver:
        sink = await installation.add_sink(receiver.url)
        subscription, other = await installation.subscribe(sink), await installation.subscribe(sink, DELIVERED)
        await installation.start(route)
        await installation.publish([installation.event(0)])
        await read_topic(installation.settings, installation.topic_of(subscription), 1)

        await installation.admin.delete([installation.topic_of(subscription)])
        # For a moment Kafka goes on taking records there, which are gone with the topic.
        while isinstance(await installation.producer.send(installation.topic_of(subscription), b"", headers=[]), Acked):
            pass
        await installation.publish(
            [installation.event(1), installation.event(2, type_=DELIVERED), installation.event(3)]
        )

        [copy] = await read_topic(installation.settings, installation.topic_of(other), 1)
        assert header(copy, "ce_id") == "EZ2"
        # Where the topic is not there in time, the second of them makes a detour.
        await installation.start(worker_for(load_plugin("webhook")))
        await receiver.wait_for(lambda: receiver.accepted.keys() >= {"EZ1", "EZ2", "EZ3"}, timeout_s=90)
        assert installation.topic_of(subscription) in await installation.admin.topics()


async def test_a_second_router_takes_a_share_and_takes_over(installation: Installation) -> None:
    sink = await installation.add_sink(NOWHERE)
    subscription = await installation.subscribe(sink)
    first = await installation.start(route)
    second = await installation.start(route)

    await installation.publish([installation.event(number) for number in range(100)])
    await eventually(lambda: settled(first) + settled(second) >= 100, timeout_s=90)
    second.stopping.set()
    await installation.publish([installation.event(number) for number in range(100, 200)])

    wanted = {f"EZ{number}" for number in range(200)}
    copies = await read_topic_until(
        installation.settings,
        installation.topic_of(subscription),
        lambda records: {header(record, "ce_id") for record in records} >= wanted,
    )
    assert {header(copy, "ce_id") for copy in copies} == wanted
    assert len(copies) <= 2 * len(wanted)


def settled(process: Process) -> int:
    """Events that the router has finished with."""
    found = 0.0
    for outcome in ("matched", "unmatched", "dead"):
        labels = {"outcome": outcome}
        found += process.metrics.registry.get_sample_value("eventstreams_router_events_total", labels) or 0.0
    return int(found)


async def test_an_event_that_was_small_only_while_it_was_compressed_stops_nobody(installation: Installation) -> None:
    subscription = await installation.subscribe(await installation.add_sink(NOWHERE))
    await installation.start(route)
    value, headers = installation.encoded(installation.event(1))
    await installation.put_raw(
        installation.topics.events, value + b"\0" * 3_000_000, [*headers, ("other", b"\0" * 10_000)]
    )

    [dead] = await read_topic(installation.settings, installation.topics.router_dead, 1)
    await installation.publish([installation.event(2)])

    assert (header(dead, "ce_id"), header(dead, "es_reason")) == ("EZ1", "too_large")
    assert dead.value == b""
    [copy] = await installation.copies_of(subscription.sid, 1)
    assert header(copy, "ce_id") == "EZ2"


async def test_what_a_producers_transaction_took_back_is_no_event_and_stops_none(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was accepted: not what could be read, nor what the router's client cannot read."""
    subscription = await installation.subscribe(await installation.add_sink(NOWHERE))
    await installation.start(route)
    value, headers = installation.encoded(installation.event(1))
    topic = installation.topics.events

    async with odd_producer(installation.settings, monkeypatch, transactional_id=f"{topic}.taken-back") as producer:
        async with producer.transaction():
            await producer.send_and_wait(topic, value, headers=headers, partition=0)
        await producer.begin_transaction()
        value, headers = installation.encoded(installation.event(2))
        await producer.send_and_wait(topic, value, headers=headers, partition=0)
        await producer.send_and_wait(topic, b"odd", headers=[(_NotUtf8("?"), b"1")], partition=0)
        await producer.abort_transaction()
    value, headers = installation.encoded(installation.event(3))
    await installation.producer.send(topic, value, headers=headers, partition=0)

    copies = await read_topic(installation.settings, installation.topic_of(subscription), 2)
    assert [header(record, "ce_id") for record in copies] == ["EZ1", "EZ3"]


async def test_of_a_router_that_has_ended_nothing_is_left(settings: Settings) -> None:
    """Neither routes nor connections, even where the process goes on."""
    before = count_processes()

    async with Installation(settings) as installation:
        await installation.start(route)
        assert count_processes() == before + 1
    del installation

    assert count_processes() == before


def count_processes() -> int:
    """Of roles in this process, those that somebody still refers to."""
    gc.collect()
    return sum(type(each) is Process for each in gc.get_objects())
