"""What is subscribed changes while 10,000 events a second flow, or as many as the machine takes: each change counts
from the moment that it is answered. All times are the broker's.

Between the record of a change (``since``) and its answer lie the milliseconds in which it is written for good; an
event accepted meanwhile may be for either side of it.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from typing import Any

import pytest

from eventstreams.control.feed import ControlFeed
from eventstreams.kafka.follower import PartitionFollower
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings
from eventstreams.testing.receiver import Received, Receiver
from eventstreams.topics import Topics
from tests.support.api import call
from tests.support.events import DELIVERED, SENT
from tests.support.flow import FEW, flowing
from tests.support.installation import header
from tests.support.topic import eventually
from tests.support.up import Up, running_up

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

BATCHES = {"batch_events": True, "batch_max_events": 1000, "batch_max_bytes": 1 << 20, "batch_linger_ms": 200}
SETTLE_S = 300.0  # of tens of thousands of events, on a machine that is busy with other things


def crash(error: BaseException) -> None:
    raise error


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running_up(tmp_path_factory.mktemp("up") / "data") as up:
        yield up


@pytest.fixture
def settings(up: Up) -> Settings:
    return Settings.load(kafka=up.about["kafka"])


@pytest.fixture
async def feed(settings: Settings) -> AsyncIterator[ControlFeed]:
    async with ControlFeed(settings, on_crash=crash) as feed:
        yield feed


@asynccontextmanager
async def forgetful_receiver() -> AsyncIterator[Receiver]:
    """One that keeps the ids of what it gets, and not 100,000 events."""
    async with Receiver() as receiver:

        def forget(_: Received) -> int:
            receiver.received.clear()
            return 200

        receiver.answer = forget
        yield receiver


async def make_sink(up: Up, receiver: Receiver) -> str:
    configuration = {"destination": receiver.url, **BATCHES}
    sink = await call(lambda: up.client().events.v1.sinks.create("load", configuration, "webhook"))
    return str(sink.sid)


async def subscribe(up: Up, sink_sid: str, type_: str) -> Any:
    return await call(lambda: up.client().events.v1.subscriptions.create("load", sink_sid, [{"type": type_}]))


async def since(feed: ControlFeed, subscription_sid: str, type_: str) -> int:
    """When the type counts from, as routers are told."""
    await feed.catch_up()
    found = feed.snapshot.subscriptions[subscription_sid].type_named(type_)
    assert found is not None
    assert found.since_ms is not None
    return found.since_ms


async def copied(settings: Settings, subscription_sid: str, wanted: AbstractSet[str]) -> Counter[str]:
    """How often each event was copied to the subscription's topic, where all ``wanted`` are."""
    ids: Counter[str] = Counter()
    topic = Topics(settings).subscription("webhook", subscription_sid)

    def take(records: Sequence[Record]) -> None:
        ids.update(header(each, "ce_id") for each in records)

    async with PartitionFollower(settings, topic, on_records=take, on_crash=crash):
        await eventually(lambda: ids.keys() >= wanted, timeout_s=SETTLE_S)
    return ids


async def test_of_a_subscription_made_in_the_flow_every_later_event_arrives_and_none_from_before(
    up: Up, settings: Settings, feed: ControlFeed
) -> None:
    async with forgetful_receiver() as receiver:
        sink_sid = await make_sink(up, receiver)
        async with flowing(settings, up.about["account_sid"], SENT, most=FEW) as flow:
            await flow.until(3_000)
            before = await flow.mark()
            subscription = await subscribe(up, sink_sid, SENT)
            answered = await flow.mark()
            await flow.until(len(flow.accepted) + 8_000)

        since_ms = await since(feed, subscription.sid, SENT)
        later = {id_ for id_, at_ms in flow.accepted.items() if at_ms >= answered}
        earlier = {id_ for id_, at_ms in flow.accepted.items() if at_ms < since_ms}
        await receiver.wait_for(lambda: receiver.accepted.keys() >= later, timeout_s=SETTLE_S)
        copies = await copied(settings, subscription.sid, later)
        await call(subscription.delete)
    assert before <= since_ms <= answered
    assert set(copies.values()) == {1}
    assert not copies.keys() & earlier
    assert receiver.accepted.keys() <= copies.keys()


@pytest.mark.proof
async def test_a_type_comes_and_goes_in_the_flow_and_the_other_loses_and_doubles_nothing(
    up: Up, settings: Settings, feed: ControlFeed
) -> None:
    async with forgetful_receiver() as receiver:
        subscription = await subscribe(up, await make_sink(up, receiver), SENT)
        spans = []
        async with flowing(settings, up.about["account_sid"], SENT, DELIVERED) as flow:
            for _ in range(5):
                await flow.until(len(flow.accepted) + 5_000)
                before = await flow.mark()
                await call(lambda: subscription.subscribed_events.create(type=DELIVERED))
                added = await since(feed, subscription.sid, DELIVERED)
                assert before <= added <= await flow.mark()
                await flow.until(len(flow.accepted) + 5_000)
                await call(subscription.subscribed_events(DELIVERED).delete)
                spans.append((added, await flow.mark()))
            await call(lambda: subscription.subscribed_events.create(type=DELIVERED))
            last, answered = await since(feed, subscription.sid, DELIVERED), await flow.mark()
            await flow.until(len(flow.accepted) + 10_000)

        sent, delivered = flow.of(0), flow.of(1)
        spans.append((last, answered))
        for_a_while = {
            id_ for id_, at_ms in delivered.items() if any(began <= at_ms <= ended for began, ended in spans)
        }
        wanted = sent.keys() | {id_ for id_, at_ms in delivered.items() if at_ms >= answered}
        await receiver.wait_for(lambda: receiver.accepted.keys() >= wanted, timeout_s=SETTLE_S)
        copies = await copied(settings, subscription.sid, wanted)
        await call(subscription.delete)
    assert set(copies.values()) == {1}
    assert copies.keys() - wanted <= for_a_while
    assert receiver.accepted.keys() <= copies.keys()  # what waited when the type was removed is a dead letter
