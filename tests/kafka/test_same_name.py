"""Two processes of a role with one name: the earlier one ends and says which setting to change; the other goes on."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from confluent_kafka import Consumer, Producer

from eventstreams.errors import NameTakenError
from eventstreams.kafka.commits import Commit
from eventstreams.kafka.config import client_config
from eventstreams.kafka.consumer import GroupConsumer
from eventstreams.process import Process
from eventstreams.process.run import RoleMain
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.telemetry.logging import get_logger
from eventstreams.testing.receiver import Receiver
from router.role import route
from sink_workers.role import worker_for
from tests.kafka.test_router import settled
from tests.kafka.test_settled_ahead import Topic, filled
from tests.support.installation import Installation
from tests.support.lanes import running_lanes
from tests.support.topic import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

END_S = 120.0
HEARTBEAT_S = 5.0  # and more
BATCHES = 6  # more than may be on their way to the loop


@asynccontextmanager
async def put_out(installation: Installation, main: RoleMain) -> AsyncIterator[Process]:
    """A process of the same name as another, once that has ended as it should."""
    named = installation.settings.model_copy(update={"instance": "pod-0"})
    first = Process(named, get_logger("test"))
    running = asyncio.ensure_future(main(first))
    try:
        await asyncio.sleep(0)  # to where it says what it waits for
        await eventually(lambda: first.health.not_ready() is None)
        second = await installation.start(main, named)
        await eventually(running.done, timeout_s=END_S, what=lambda: "the first goes on")
    finally:
        first.stopping.set()
        await running

    assert isinstance(first.crashed, NameTakenError)
    assert first.crashed.exit_code == 1  # whoever gives out the names starts it again
    assert "EVENTSTREAMS_INSTANCE is pod-0 in both" in str(first.crashed)
    assert second.crashed is None
    yield second


async def test_of_two_routers_with_one_name_the_first_ends_and_says_why(settings: Settings) -> None:
    async with Installation(settings) as installation, put_out(installation, route) as second:
        await installation.publish([installation.event(number) for number in range(20)])

        await eventually(lambda: settled(second) == 20)


async def test_of_two_workers_with_one_name_the_first_ends_and_says_why(settings: Settings) -> None:
    async with Receiver() as receiver, Installation(settings) as installation:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        async with put_out(installation, worker_for(load_plugin("webhook"))):
            await installation.hand_to(subscription, installation.event(1))

            await receiver.wait_for(lambda: receiver.accepted.keys() >= {"EZ1"}, timeout_s=END_S)


async def test_a_member_that_is_put_out_once_takes_its_name_back(settings: Settings) -> None:
    """As after a silence of Kafka: the other that joined was a request of its own, whose answer it never got."""
    async with Installation(settings) as installation:
        topic, handled = await filled(installation), list[int]()
        plan = topic.plan(name="pod-0")
        async with running_lanes(plan, on_handled=lambda record: handled.append(record.offset)):
            await eventually(lambda: len(handled) == 100)
            await asyncio.to_thread(join_and_be_silent, settings, topic)
            await topic.fill(5)

            # Who is put out commits nothing.
            await eventually(lambda: topic.commit() == Commit(105), timeout_s=END_S, every_s=0.3)

        assert sorted(set(handled)) == list(range(105))


async def test_a_pause_that_was_asked_of_a_share_which_is_gone_is_none_of_the_next(settings: Settings) -> None:
    """A lane is full with what was fetched before its partition went and came back: the next lane knows of no pause."""
    async with Installation(settings) as installation:
        topic, handled = await filled(installation), list[int]()
        async with running_lanes(
            topic.plan(name="pod-0"), on_handled=lambda record: handled.append(record.offset)
        ) as lanes:
            member = lanes.flow
            assert isinstance(member, GroupConsumer)
            await eventually(lambda: len(handled) == 100)
            joins = member.joins
            join_and_be_silent(settings, topic)  # on the loop, which therefore hears of all that follows only later
            stand_until(lambda: member.joins > joins)
            member.pause(topic.at)
            asked = time.monotonic()
            stand_until(lambda: member.last_turn > asked + 0.2)  # it has looked at its wishes since
            await topic.fill(5)

            await eventually(lambda: topic.commit() == Commit(105), timeout_s=END_S, every_s=0.3)


async def test_a_member_that_is_put_out_as_it_is_told_of_other_topics_reads_them(settings: Settings) -> None:
    async with Installation(settings) as installation:
        topic, handled = await filled(installation), list[int]()
        async with running_lanes(
            topic.plan(name="pod-0"), on_handled=lambda record: handled.append(record.offset)
        ) as lanes:
            member = lanes.flow
            assert isinstance(member, GroupConsumer)
            await eventually(lambda: len(handled) == 100)
            # To the loop, which takes none: the thread looks neither at Kafka nor at wishes.
            hand_over_all_it_may(settings, topic)
            join_and_be_silent(settings, topic)
            time.sleep(HEARTBEAT_S)  # noqa: ASYNC251 - the loop is to stand
            member.subscribe([topic.at.topic, f"{topic.at.topic}.other"])

            await eventually(lambda: topic.commit() == Commit(100 + BATCHES), timeout_s=END_S, every_s=0.3)


async def test_who_is_put_out_for_good_begins_nothing_any_more(settings: Settings) -> None:
    """It could commit nothing of it: whoever has its name would do it again."""
    async with Installation(settings) as installation:
        topic, handled, crashes = await filled(installation), list[int](), list[BaseException]()
        plan = topic.plan(left=[99], name="pod-0")
        async with running_lanes(
            plan, on_handled=lambda record: handled.append(record.offset), on_crash=crashes.append
        ) as lanes:
            for times in (1, 2):
                await eventually(lambda times=times: handled.count(99) == times)  # type: ignore[misc]  # bound at once
                assert crashes == []
                await asyncio.to_thread(join_and_be_silent, settings, topic)
            await eventually(lambda: bool(crashes), timeout_s=END_S)

            assert [type(each) for each in crashes] == [NameTakenError]
            assert lanes.unsettled == 0  # it has let go of the one that hangs


def hand_over_all_it_may(settings: Settings, topic: Topic) -> None:
    producer = Producer(client_config(settings))
    for number in range(BATCHES):
        producer.produce(topic.at.topic, b"%d" % number)
        producer.flush()
        time.sleep(0.3)  # else one batch is more than one of these


def stand_until(condition: Callable[[], bool]) -> None:
    """As ``eventually``, and meanwhile the loop stands still."""
    until = time.monotonic() + END_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def join_and_be_silent(settings: Settings, topic: Topic) -> None:
    shares: list[object] = []
    name = {"group.instance.id": f"{topic.group}-pod-0", "partition.assignment.strategy": "cooperative-sticky"}
    other = Consumer(client_config(settings, {"group.id": topic.group, "enable.auto.commit": False, **name}))
    other.subscribe([topic.at.topic], on_assign=lambda _, share: shares.append(share))
    until = time.monotonic() + END_S
    while not shares:
        assert time.monotonic() < until
        other.poll(0.1)
    other.close()  # with a name, Kafka is not told
