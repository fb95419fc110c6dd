"""Processes that are killed exactly where it might cost an event, or count one twice; and what their successors do."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from eventstreams.control.records import Subscription
from eventstreams.kafka.committed import committed_offsets
from eventstreams.kafka.config import client_config
from eventstreams.kafka.members import name_in
from eventstreams.kafka.records import Partition, Record
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Received, Receiver
from router.role import route
from sink_workers.role import worker_for
from tests.kafka.test_commits_in_order import LateRefusal
from tests.kafka.test_router import NOWHERE
from tests.support.doomed import NAME, Doomed, Point, doomed
from tests.support.installation import Installation, header
from tests.support.kafka_gate import gated
from tests.support.topic import eventually, read_topic_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

PARTITIONS = 3  # of the events topic
WAVE = 5  # events on each of them
SETTLE_S = 180.0  # of which most is for a process to start on a busy machine


@pytest.fixture
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(settings.model_copy(update={"events_partitions": PARTITIONS})) as installation:
        yield installation


def of_wave(wave: int, partition: int) -> list[str]:
    """The ids of a wave's events on one partition of the events topic."""
    first = (wave * PARTITIONS + partition) * WAVE
    return [f"EZ{number}" for number in range(first, first + WAVE)]


class Routed:
    """An installation with one subscription, whose copies are counted."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self._subscription: Subscription

    @property
    def topic(self) -> str:
        return self.installation.topic_of(self._subscription)

    async def subscribe(self) -> None:
        self._subscription = await self.installation.subscribe(await self.installation.add_sink(NOWHERE))

    async def publish(self, wave: int) -> None:
        for partition in range(PARTITIONS):
            for event_id in of_wave(wave, partition):
                value, headers = self.installation.encoded(self.installation.event(int(event_id[2:])))
                await self.installation.put_raw(self.installation.topics.events, value, headers, partition=partition)

    async def copied(self, wave: int) -> Counter[str]:
        """How often each event was copied, once ``wave`` is, which is the last of each partition."""
        wanted = {event_id for partition in range(PARTITIONS) for event_id in of_wave(wave, partition)}

        def are_there(found: Sequence[Record]) -> bool:
            return wanted <= {header(each, "ce_id") for each in found}

        found = await read_topic_until(self.installation.settings, self.topic, are_there, timeout_s=SETTLE_S)
        return Counter(header(each, "ce_id") for each in found)

    async def committed(self) -> Mapping[int, int]:
        return await self.installation.admin.committed(
            self.installation.topics.group("router"), self.installation.topics.events
        )

    async def counted_by_the_successor(self, waves: int) -> Counter[str]:
        """How often each event of ``waves``, and of one more, was copied in the end."""
        await self.installation.start(route, self.installation.settings.model_copy(update={"instance": NAME}))
        await self.publish(waves)
        found = await self.copied(waves)
        missing = {each for wave in range(waves + 1) for at in range(PARTITIONS) for each in of_wave(wave, at)} - {
            *found
        }
        assert not missing
        return found


@pytest.fixture
async def routed(installation: Installation) -> Routed:
    routed = Routed(installation)
    await routed.subscribe()
    return routed


@pytest.fixture
async def once(settings: Settings) -> AsyncIterator[Routed]:
    async with Installation(
        settings.model_copy(update={"events_partitions": PARTITIONS, "exactly_once": True})
    ) as installation:
        routed = Routed(installation)
        await routed.subscribe()
        yield routed


async def until_dead(process: Doomed) -> None:
    await eventually(process.died, timeout_s=SETTLE_S, what=lambda: "it does not come to where it is to be killed")


@pytest.mark.parametrize("point", [Point.OFFSETS_SENT, Point.TRANSACTION_COMMITTED])
async def test_a_router_that_is_killed_around_its_commit_copies_each_event_once(once: Routed, point: Point) -> None:
    with doomed(once.installation.settings, point, "router") as router:
        await once.publish(0)
        await once.copied(0)
        await once.publish(1)
        await until_dead(router)

    copies = await once.counted_by_the_successor(2)

    assert {*copies.values()} == {1}


async def test_a_router_that_is_killed_between_two_runs_of_a_transaction_copies_each_event_once(once: Routed) -> None:
    await once.publish(0)
    with doomed(once.installation.settings, Point.ONE_RUN_COPIED, "router") as router:
        await until_dead(router)

    copies = await once.counted_by_the_successor(1)

    assert {*copies.values()} == {1}


async def test_a_router_that_is_killed_while_it_waits_for_its_membership_loses_and_repeats_nothing(
    routed: Routed,
) -> None:
    await routed.publish(0)
    with doomed(routed.installation.settings, Point.HELD, "router") as router:
        await until_dead(router)
    assert await routed.committed() == {}

    copies = await routed.counted_by_the_successor(1)

    assert {*copies.values()} == {1}


async def test_a_router_that_is_killed_between_two_runs_of_a_message_repeats_the_first_alone(routed: Routed) -> None:
    await routed.publish(0)
    with doomed(routed.installation.settings, Point.ONE_RUN_COPIED, "router") as router:
        await until_dead(router)
    assert await routed.committed() == {}

    copies = await routed.counted_by_the_successor(1)

    twice = {event_id for event_id, count in copies.items() if count > 1}
    assert twice in [{*of_wave(0, partition)} for partition in range(PARTITIONS)]
    assert max(copies.values()) == 2


async def test_of_a_message_that_is_partly_committed_the_rest_is_copied_again(routed: Routed) -> None:
    await routed.publish(0)
    with doomed(routed.installation.settings, Point.ONE_RUN_COMMITTED, "router") as router:
        await until_dead(router)
    committed = await routed.committed()
    assert [*committed.values()] == [WAVE]

    copies = await routed.counted_by_the_successor(1)

    [first] = committed
    assert {copies[event_id] for event_id in of_wave(0, first)} == {1}
    others = {event_id for partition in {*range(PARTITIONS)} - {first} for event_id in of_wave(0, partition)}
    assert {copies[event_id] for event_id in others} == {2}


async def test_a_router_that_is_killed_while_a_second_group_is_under_way_has_committed_the_first_alone(
    routed: Routed,
) -> None:
    with doomed(routed.installation.settings, Point.ONE_GROUP_COMMITTED, "router") as router:
        await routed.publish(0)
        for wave in (1, 2):  # each is fetched while the lane has not begun with what came before
            await eventually(lambda wave=wave: router.said("holding") == wave, timeout_s=SETTLE_S)  # type: ignore[misc]
            await routed.publish(wave)
        await until_dead(router)
    committed = await routed.committed()
    assert 0 < sum(committed.values()) < 2 * PARTITIONS * WAVE

    copies = await routed.counted_by_the_successor(3)

    first = {
        event_id
        for partition, offset in committed.items()
        for event_id in [*of_wave(0, partition), *of_wave(1, partition)][:offset]
    }
    assert {copies[event_id] for event_id in first} == {1}
    assert max(copies.values()) <= 2, "what of the first group was not committed yet"


async def test_a_router_that_is_killed_with_two_batches_of_a_partition_in_flight_repeats_what_was_stored(
    routed: Routed,
) -> None:
    await routed.publish(0)
    with doomed(routed.installation.settings, Point.TWO_IN_FLIGHT, "router") as router:
        await until_dead(router)
    assert await routed.committed() == {}

    copies = await routed.counted_by_the_successor(1)

    twice = [event_id for event_id, count in copies.items() if count > 1]
    assert (len(twice), max(copies.values())) == (3, 2), "both, and the one that was accepted before them"


async def test_a_router_that_is_killed_before_the_commit_of_its_drain_repeats_what_came_last(routed: Routed) -> None:
    with doomed(routed.installation.settings, Point.DRAIN, "router") as router:
        await routed.publish(0)
        await routed.copied(0)
        await eventually(lambda: router.said("committing") == 1, timeout_s=SETTLE_S)
        acknowledged = router.said("acknowledged")
        await routed.publish(1)
        await routed.copied(1)
        await eventually(lambda: router.said("acknowledged") >= acknowledged + PARTITIONS, timeout_s=SETTLE_S)
        router.terminate()
        await until_dead(router)
    assert await routed.committed() == dict.fromkeys(range(PARTITIONS), WAVE)

    copies = await routed.counted_by_the_successor(2)

    for partition in range(PARTITIONS):
        assert {copies[event_id] for event_id in of_wave(0, partition)} == {1}
        assert {copies[event_id] for event_id in of_wave(1, partition)} == {2}


async def test_a_router_that_is_killed_in_its_drain_copies_each_event_once(once: Routed) -> None:
    with doomed(once.installation.settings, Point.DRAIN, "router") as router:
        await once.publish(0)
        await once.copied(0)
        await eventually(lambda: router.said("acknowledged") >= PARTITIONS, timeout_s=SETTLE_S)
        router.terminate()
        await until_dead(router)

    copies = await once.counted_by_the_successor(1)

    assert {*copies.values()} == {1}


async def test_a_worker_that_is_killed_after_an_earlier_commit_took_a_laters_place_loses_nothing(
    tmp_path: Path,
) -> None:
    async with (
        gated(tmp_path, LateRefusal) as (gate, through, beside),
        Installation(beside) as installation,
        Receiver() as receiver,
    ):
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        at = Partition(installation.topic_of(subscription), 0)
        with doomed(through, Point.TAKEN_BACK, "worker", "webhook") as worker:
            for number in range(10):
                await installation.hand_to(subscription, installation.event(number))
            await eventually(lambda: len(gate.answers) > 0, timeout_s=SETTLE_S)
            await receiver.wait_for(lambda: len(receiver.accepted) == 10)
            for number in range(10, 15):
                await installation.hand_to(subscription, installation.event(number))
            await until_dead(worker)
        back = await committed_offsets(beside, installation.topics.group("worker.webhook"), [at])
        assert back[at] < 15  # it was taken back, and nobody put it right

        await installation.start(worker_for(load_plugin("webhook")), beside.model_copy(update={"instance": NAME}))
        await installation.hand_to(subscription, installation.event(15))

        everything = {f"EZ{number}" for number in range(16)}
        await receiver.wait_for(lambda: receiver.accepted.keys() == everything, timeout_s=SETTLE_S)
        assert [receiver.accepted[f"EZ{number}"] for number in range(back[at])] == [1] * back[at]
        await until_committed(installation, at, 16)


async def until_committed(installation: Installation, at: Partition, offset: int) -> None:
    group = installation.topics.group("worker.webhook")
    async with asyncio.timeout(SETTLE_S):
        while await committed_offsets(installation.settings, group, [at]) != {at: offset}:
            await asyncio.sleep(0.1)


async def test_a_worker_that_is_killed_after_it_was_fenced_loses_nothing(installation: Installation) -> None:
    hanging = asyncio.Event()

    async def answer(received: Received) -> int:
        if received.ids[0] == "EZ10":
            hanging.set()
            await asyncio.sleep(30)  # as long as nobody closes the connection
        return 200

    async with Receiver(answer) as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        at = Partition(installation.topic_of(subscription), 0)
        with doomed(installation.settings, Point.FENCED, "worker", "webhook") as worker:
            for number in range(10):
                await installation.hand_to(subscription, installation.event(number))
            await receiver.wait_for(lambda: len(receiver.accepted) == 10, timeout_s=SETTLE_S)
            await until_committed(installation, at, 10)
            await installation.hand_to(subscription, installation.event(10))  # hangs
            await hanging.wait()
            for number in range(11, 20):  # settled ahead of it
                await installation.hand_to(subscription, installation.event(number))
            await receiver.wait_for(lambda: len(receiver.accepted) == 19, timeout_s=SETTLE_S)
            await asyncio.to_thread(take_its_name, installation, at.topic)
            await until_dead(worker)
        receiver.answer = lambda _: 200

        await installation.start(
            worker_for(load_plugin("webhook")), installation.settings.model_copy(update={"instance": NAME})
        )
        await installation.hand_to(subscription, installation.event(20))

        everything = {f"EZ{number}" for number in range(21)}
        await receiver.wait_for(lambda: receiver.accepted.keys() == everything, timeout_s=SETTLE_S)
        assert [receiver.accepted[f"EZ{number}"] for number in range(10)] == [1] * 10
        await until_committed(installation, at, 21)


async def test_a_worker_that_is_killed_after_a_commit_in_a_drain_loses_nothing(installation: Installation) -> None:
    """Whichever of the two partitions moves to the other worker, something of it hangs, and is waited for."""

    async def answer(received: Received) -> int:
        if int(received.ids[0].removeprefix("EZ")) % 8 < 2:
            await asyncio.sleep(60)  # as long as nobody closes the connection
        return 200

    async with Receiver(answer) as receiver:
        sink = await installation.add_sink(receiver.url)
        both = await installation.subscribe(sink), await installation.subscribe(sink)
        count, started = 0, False
        with doomed(installation.settings, Point.MEANWHILE, "worker", "webhook") as worker:
            async with asyncio.timeout(SETTLE_S):
                while not worker.died():
                    await installation.hand_to(both[count % 2], installation.event(count))
                    count += 1
                    await asyncio.sleep(0.05)
                    if not started and len(receiver.accepted) > 10:
                        started = True
                        await installation.start(worker_for(load_plugin("webhook")))
        receiver.answer = lambda _: 200

        everything = {f"EZ{number}" for number in range(count)}
        await receiver.wait_for(lambda: receiver.accepted.keys() == everything, timeout_s=SETTLE_S)
        for number, subscription in enumerate(both):
            at = Partition(installation.topic_of(subscription), 0)
            await until_committed(installation, at, (count + 1 - number) // 2)


@pytest.mark.parametrize(("point", "letters"), [(Point.TOO_LARGE, 1), (Point.DEAD_LETTER, 2)])
async def test_a_worker_that_is_killed_around_a_dead_letter_of_what_its_retry_topic_refuses_loses_nothing(
    installation: Installation, point: Point, letters: int
) -> None:
    specs = [spec for spec in installation.topics.worker_specs("webhook") if ".retry." in spec.name]
    await installation.admin.ensure(
        [replace(spec, config={**spec.config, "max.message.bytes": "100"}) for spec in specs]
    )
    async with Receiver(lambda received: 500 if received.ids == ["EZ0"] else 200) as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        at = Partition(installation.topic_of(subscription), 0)
        with doomed(installation.settings, point, "worker", "webhook") as worker:
            await installation.hand_to(subscription, installation.event(0))
            await until_dead(worker)
        group = installation.topics.group("worker.webhook")
        assert (await committed_offsets(installation.settings, group, [at])).get(at, 0) < 1

        await installation.start(
            worker_for(load_plugin("webhook")), installation.settings.model_copy(update={"instance": NAME})
        )
        await installation.hand_to(subscription, installation.event(1))

        await receiver.wait_for(lambda: receiver.accepted.keys() == {"EZ1"}, timeout_s=SETTLE_S)
        dead = await installation.dead(letters)
        assert [header(each, "ce_id") for each in dead] == ["EZ0"] * letters
        await until_committed(installation, at, 2)


def take_its_name(installation: Installation, topic: str) -> None:
    """As another member of the workers' group; and go, of which Kafka is not told."""
    group, shares = installation.topics.group("worker.webhook"), list[object]()
    named = installation.settings.model_copy(update={"instance": NAME})
    config = {
        "group.id": group,
        "group.instance.id": name_in(group, named),
        "partition.assignment.strategy": "cooperative-sticky",
        "enable.auto.commit": False,
    }
    other = Consumer(client_config(named, config))
    other.subscribe([topic], on_assign=lambda _, share: shares.append(share))
    for _ in range(600):
        if shares:
            break
        other.poll(0.1)
    other.close()
    assert shares
