"""A router that copies in transactions: what becomes of one that is put out, spoilt, interrupted or left open."""

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from confluent_kafka import Consumer, TopicPartition
from pydantic import SecretStr

from eventstreams.errors import FatalProducerError, TopicError
from eventstreams.kafka import committed as committed_module
from eventstreams.kafka.committed import committed_offsets
from eventstreams.kafka.records import Partition
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.telemetry.metrics import Metrics
from eventstreams.testing.broker import RunningBroker, running_broker
from eventstreams.testing.receiver import Receiver
from eventstreams.topics import Topics, TopicSpec
from eventstreams.verify.backlog import KafkaBacklog
from router.copying.avoided_topics import AvoidedTopics
from router.exactly_once.lane import TransactionalLane
from router.exactly_once.transactions import Seat, Transactions
from router.faust_app.app import RunPump, add_agent, make_app, running
from router.planning.plan import Planner, Way
from router.records import SourceRecord
from router.role import route
from sink_workers.role import worker_for
from tests.conftest import installation_settings
from tests.kafka.test_router import NOWHERE, settled
from tests.kafka.test_router_seek import NoRoutes
from tests.support.api import Api, serving, with_new_account
from tests.support.installation import DELIVERED, SENT, Installation, header
from tests.support.plain_api import PlainApi
from tests.support.topic import eventually, read_topic, read_topic_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]


def once(settings: Settings, **more: object) -> Settings:
    return settings.model_copy(update={"exactly_once": True, **more})


@pytest.fixture
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(once(settings)) as installation:
        yield installation


# -- the client ----------------------------------------------------------------------------------------------


@contextmanager
def member(settings: Settings, topic: str) -> Iterator[tuple[Consumer, Seat]]:
    """A member of the routers' group that has ``topic``, and its seat."""
    group = Topics(settings).group("router")
    consumer = Consumer(
        {"bootstrap.servers": settings.kafka, "group.id": group, "auto.offset.reset": "earliest", "client.id": "m"}
    )
    consumer.subscribe([topic])
    try:
        while not consumer.assignment():
            consumer.poll(0.1)
        told = consumer.consumer_group_metadata()
        begin = len(b"CGMDv2:")
        (generation,) = struct.unpack_from("=i", told, begin)
        names = told[begin + 4 :].split(b"\0")
        seat = Seat(group, generation, names[1].decode(), None)
        assert seat.as_bytes() == told
        yield consumer, seat
    finally:
        consumer.close()


async def two_topics(settings: Settings) -> tuple[str, str]:
    async with Installation(settings) as installation:
        topics = f"{settings.topic_prefix}from", f"{settings.topic_prefix}to"
        await installation.admin.ensure([TopicSpec(topic, 1, {}) for topic in topics])
    return topics


def write(transactions: Transactions, topic: str, *values: bytes) -> None:
    transactions.begin()
    for value in values:
        transactions[topic](topic, value, None, 0, headers=[])
    while transactions.flush(1.0):
        pass


def client_of(settings: Settings) -> Transactions:
    return Transactions(settings, turned=lambda: None)


async def values_on(settings: Settings, topic: str, last: bytes) -> Sequence[bytes | None]:
    found = await read_topic_until(settings, topic, lambda records: last in [each.value for each in records])
    return [each.value for each in found]


async def test_who_was_put_out_of_the_group_commits_neither_offsets_nor_copies(settings: Settings) -> None:
    source, topic = await two_topics(settings)
    here, group = Partition(source, 0), Topics(settings).group("router")
    with member(settings, source) as (_, old):
        pass
    with member(settings, source) as (_, seat):
        late, client = client_of(settings), client_of(settings)
        write(late, topic, b"late")
        write(client, topic, b"in time")

        assert client.commit([TopicPartition(*here, 7)], seat)
        assert not late.commit([TopicPartition(*here, 5)], old)

        write(late, topic, b"last")  # it is of use again, once it has another seat
        assert late.commit([TopicPartition(*here, 8)], seat)
        assert await values_on(settings, topic, b"last") == [b"in time", b"last"]
        assert await committed_offsets(settings, group, [here]) == {here: 8}


async def test_the_last_of_two_with_one_name_fences_the_first(settings: Settings) -> None:
    source, topic = await two_topics(settings)
    named = settings.model_copy(update={"instance": "one"})
    with member(settings, source) as (_, seat):
        first, second = client_of(named), client_of(named)
        write(first, topic, b"first")
        write(second, topic, b"second")

        with pytest.raises(FatalProducerError):
            first.commit([TopicPartition(source, 0, 1)], seat)

        assert second.commit([TopicPartition(source, 0, 1)], seat)
        assert await values_on(settings, topic, b"second") == [b"second"]


async def test_offsets_are_not_told_while_a_transaction_may_still_change_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A router that is killed between its offsets and its commit leaves that; who went by older ones would repeat."""
    source, topic = await two_topics(settings)
    here, group = Partition(source, 0), Topics(settings).group("router")
    with member(settings, source) as (_, seat):
        client = client_of(settings)
        write(client, topic, b"copy")
        assert client._client is not None
        client._client.send_offsets_to_transaction([TopicPartition(*here, 3)], seat.as_bytes(), 60)

        with monkeypatch.context() as hasty:
            hasty.setattr(committed_module, "_REQUEST_S", 2.0)
            with pytest.raises(TopicError):
                await committed_offsets(settings, group, [here])
        client._client.commit_transaction(60)

        assert await committed_offsets(settings, group, [here]) == {here: 3}


# -- the router ----------------------------------------------------------------------------------------------


async def ids_on(installation: Installation, topic: str, last: str) -> list[str]:
    """The events with a copy on ``topic``, in order, up to ``last``."""
    found = await read_topic_until(
        installation.settings, topic, lambda records: last in [header(each, "ce_id") for each in records], timeout_s=90
    )
    return [header(each, "ce_id") for each in found]


async def test_offsets_are_committed_with_the_copies_and_by_nobody_else(installation: Installation) -> None:
    subscription = await installation.subscribe(await installation.add_sink(NOWHERE))
    router = await installation.start(route)
    await installation.publish([installation.event(number) for number in range(50)])
    await installation.publish(
        [installation.event(number, type_=DELIVERED) for number in range(50, 60)]
    )  # which nobody wants
    await eventually(lambda: settled(router) == 60, timeout_s=90)

    committed = await installation.admin.committed(installation.topics.group("router"), installation.topics.events)

    assert sum(committed.values()) == 60
    assert router.metrics.registry.get_sample_value("eventstreams_routed_copies_total") == 50
    ids = await ids_on(installation, installation.topic_of(subscription), "EZ49")
    assert sorted(ids) == sorted(f"EZ{number}" for number in range(50))


async def test_a_share_that_moves_under_load_is_copied_once(installation: Installation) -> None:
    subscription = await installation.subscribe(await installation.add_sink(NOWHERE))
    first = await installation.start(route)

    moved = asyncio.Event()

    async def publish() -> int:
        for number in itertools.count():
            if moved.is_set():
                return number
            await installation.publish([installation.event(number)])
        raise AssertionError

    publishing = asyncio.create_task(publish())
    await eventually(lambda: settled(first) > 50, timeout_s=90)
    second = await installation.start(route)
    await eventually(lambda: settled(second) > 10, timeout_s=90)
    await installation.stop(first)
    moved.set()
    count = await publishing
    await eventually(lambda: settled(first) + settled(second) >= count, timeout_s=90)

    await installation.publish([installation.event(count)])  # whose copy is the last, as all others are there
    ids = await ids_on(installation, installation.topic_of(subscription), f"EZ{count}")
    assert sorted(ids) == sorted(f"EZ{number}" for number in range(count + 1))


class ToOne:
    """Plans one copy of each event, on one topic."""

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def ways(self, _: SourceRecord) -> Sequence[Way]:
        return [((self._topic, 0), 1, 0, [], b"")]

    def marks(self, _: Way) -> list[tuple[str, bytes]]:
        return []

    def topics(self) -> set[str]:
        return {self._topic}


async def test_a_seek_in_the_middle_copies_nothing_twice(settings: Settings) -> None:
    """Faust goes back to the committed offsets whenever its flow was stopped, whatever is under way."""
    source, topic = await two_topics(settings)
    crashes: list[BaseException] = []
    avoided_topics = AvoidedTopics(settings, tell=lambda _: None, wanted=set)
    planner = cast(Planner, ToOne(topic))
    lane = TransactionalLane(
        settings, planner, dead_topic="none", restore=lambda _: set(), avoided_topics=avoided_topics
    )
    async with Installation(settings) as installation, lane:
        app = make_app(settings, on_crash=crashes.append, routes=NoRoutes(), lane=lane)
        pump = RunPump(lane=lane, metrics=Metrics(), on_crash=crashes.append)
        add_agent(app, source, pump)
        async with running(app) as consumer:
            for number in range(40):
                values = [b"%d" % (number * 25 + each) for each in range(25)]
                sent = [await installation.producer.enqueue(source, value, partition=0) for value in values]
                await asyncio.gather(*sent)
                before = pump.settled
                if number % 2:
                    consumer.stop_flow()
                    await consumer.perform_seek()
                    consumer.resume_flow()
                else:
                    await eventually(lambda before=before: pump.settled > before, timeout_s=60)  # type: ignore[misc]

            found = await values_on(settings, topic, b"999")

    assert crashes == []
    assert found == [b"%d" % number for number in range(1000)]


async def test_a_topic_that_is_gone_spoils_its_transaction_and_costs_nobody_a_copy(installation: Installation) -> None:
    sink = await installation.add_sink(NOWHERE)
    subscription, other = await installation.subscribe(sink), await installation.subscribe(sink)
    router = await installation.start(route)
    await installation.publish([installation.event(0)])
    await ids_on(installation, installation.topic_of(other), "EZ0")

    await installation.remove(subscription.sid)
    await installation.publish([installation.event(1)])
    await eventually(lambda: settled(router) == 2, timeout_s=90)
    await installation.admin.delete([installation.topic_of(subscription)])
    while installation.topic_of(subscription) in await installation.admin.topics():  # a copy would go with it
        await asyncio.sleep(0.1)
    # For a moment there is a route to a topic that is not there, as after a mishap.
    await installation.put(subscription)
    await installation.publish([installation.event(number) for number in range(2, 20)])
    await eventually(lambda: settled(router) == 20, timeout_s=90)

    ids = await ids_on(installation, installation.topic_of(other), "EZ19")
    assert sorted(ids) == sorted(f"EZ{number}" for number in range(20))
    again = await ids_on(installation, installation.topic_of(subscription), "EZ19")
    assert sorted(again) == sorted(f"EZ{number}" for number in range(2, 20))


async def test_a_copy_that_no_broker_takes_is_a_dead_letter_and_the_others_are_there_once(
    installation: Installation,
) -> None:
    subscription = await installation.subscribe(await installation.add_sink(NOWHERE))
    await installation.start(route)
    value, headers = installation.encoded(installation.event(1))
    await installation.publish([installation.event(0)])
    await installation.put_raw(
        installation.topics.events, value + b"\0" * 3_000_000, [*headers, ("other", b"\0" * 10_000)]
    )
    await installation.publish([installation.event(2)])

    [dead] = await read_topic(installation.settings, installation.topics.router_dead, 1, timeout_s=90)

    assert (header(dead, "ce_id"), header(dead, "es_reason")) == ("EZ1", "too_large")
    await installation.publish([installation.event(3)])
    ids = await ids_on(installation, installation.topic_of(subscription), "EZ3")
    assert sorted(ids) == ["EZ0", "EZ2", "EZ3"]
    assert len(await read_topic(installation.settings, installation.topics.router_dead, 1)) == 1


async def test_what_was_delivered_waits_nowhere_although_a_marker_follows_it(
    settings: Settings, tmp_path: Path
) -> None:
    given = once(settings, delivery_log=SecretStr(str(tmp_path / "log.sqlite")))
    async with Installation(given) as installation, serving(given) as url, Receiver() as receiver:
        await installation.start(route)
        await installation.start(worker_for(load_plugin("webhook")))
        api = await with_new_account(Api(installation, url))
        sink = await api.sink(sink_configuration={"destination": receiver.url})
        subscription = await api.subscription(sink.sid, SENT)

        await installation.publish([installation.event(1)])

        await receiver.wait_for(lambda: "EZ1" in receiver.accepted, timeout_s=60)
        plain = PlainApi(api.url, installation.account_sid)
        await plain.until(f"/v1/Sinks/{sink.sid}/Health", lambda found: found["waiting"] == 0)
        backlog = KafkaBacklog(given, "webhook", [subscription.sid], is_alone=True)
        async with asyncio.timeout(60):
            while await backlog.look():
                await asyncio.sleep(0.1)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RunningBroker]:
    with running_broker(tmp_path) as broker:
        yield broker


@pytest.mark.proof
@pytest.mark.parametrize("hard", [False, True], ids=["in order", "killed"])
async def test_a_broker_that_starts_anew_costs_no_copy_and_makes_none_twice(
    broker: RunningBroker, *, hard: bool
) -> None:
    with installation_settings(broker.bootstrap) as settings:
        async with Installation(once(settings)) as installation:
            subscription = await installation.subscribe(await installation.add_sink(NOWHERE))
            router = await installation.start(route)
            publishing = asyncio.create_task(_publish_slowly(installation, 300))
            await eventually(lambda: settled(router) > 20, timeout_s=90)
            await asyncio.to_thread(broker.kill if hard else broker.stop)
            await asyncio.to_thread(broker.start)
            await publishing
            await eventually(lambda: settled(router) >= 300, timeout_s=120)
            await installation.publish([installation.event(1000)])

            ids = await ids_on(installation, installation.topic_of(subscription), "EZ1000")
    assert set(ids) >= {f"EZ{number}" for number in range(300)}
    assert len(ids) == len(set(ids))


async def _publish_slowly(installation: Installation, count: int) -> None:
    for number in range(count):
        await installation.publish([installation.event(number)])
        await asyncio.sleep(0.005)
