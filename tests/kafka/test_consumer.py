"""A member of a group on a real broker: what is left of a partition that goes, when it goes and when it comes back."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from eventstreams.control.vault import new_key
from eventstreams.kafka.commits import Commit, Commits
from eventstreams.kafka.committed import committed_offsets
from eventstreams.kafka.consumer import COMMIT_INTERVAL_S, GroupConsumer
from eventstreams.kafka.hold import CONFIRM_S
from eventstreams.kafka.records import Partition, Record
from eventstreams.settings import Settings
from eventstreams.testing.broker import running_broker
from eventstreams.topics import TopicSpec
from tests.support.installation import Installation
from tests.support.topic import eventually

pytestmark = pytest.mark.kafka

COUNT = 100


class Owner:
    """Has settled what the test says; a drain settles a record with each of its steps, and one at its very end."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self.of: list[Record] = []
        self.assigned: set[Partition] = set()
        self.settled: dict[Partition, Commit] = {}
        self.drain_steps = 0
        self.may_end_drain = asyncio.Event()
        self.may_end_drain.set()
        self.settles_at_the_end = True
        self.holds: list[bool] = []

    def on_assigned(self, partitions: Mapping[Partition, Commit | None]) -> None:
        self.assigned.update(partitions)

    async def on_revoked(self, partitions: Sequence[Partition]) -> Commits:
        await self.may_end_drain.wait()
        for step in range(self.drain_steps + self.settles_at_the_end):
            await asyncio.sleep(0 if step == self.drain_steps else COMMIT_INTERVAL_S / 2)
            more = {each: self.settled[each] for each in partitions if each in self.settled}
            self.settled |= {each: Commit(commit.offset + 1, commit.note) for each, commit in more.items()}
        self.assigned.difference_update(partitions)
        return {partition: self.settled.pop(partition) for partition in partitions if partition in self.settled}

    def on_lost(self, partitions: Sequence[Partition]) -> None:
        self.assigned.difference_update(partitions)
        for partition in partitions:
            self.settled.pop(partition, None)

    def on_records(self, records: Sequence[Record]) -> None:
        self.received += [record.offset for record in records]
        self.of += records

    def committable(self) -> Commits:
        return dict(self.settled)

    def hold(self, *, held: bool) -> None:
        self.holds.append(held)


class Group:
    """One member of a group over two topics, of which ``at`` is in the one that comes and goes."""

    def __init__(self, settings: Settings) -> None:
        self.topics = [f"{settings.topic_prefix}comes-and-goes", f"{settings.topic_prefix}stays"]
        self.at = Partition(self.topics[0], 0)
        self.name = f"{settings.topic_prefix}group"
        self.owner = Owner()
        self.member: GroupConsumer

    async def take(self) -> None:
        self.member.subscribe(self.topics)
        await eventually(lambda: self.at in self.owner.assigned)

    async def give_away(self) -> None:
        self.member.subscribe(self.topics[1:])
        await eventually(lambda: self.at not in self.owner.assigned)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Group]:
    crashes: list[BaseException] = []
    group = Group(settings)
    async with Installation(settings) as installation:
        await installation.admin.ensure([TopicSpec(topic, 1, {}) for topic in group.topics])
        for number in range(COUNT):
            await installation.put_raw(group.at.topic, b"%d" % number, ())
        async with GroupConsumer(settings, group=group.name, owner=group.owner, on_crash=crashes.append) as member:
            group.member = member
            await group.take()
            await eventually(lambda: len(group.owner.received) == COUNT)
            yield group
    assert crashes == []


@pytest.mark.parametrize("when", ["while it was ours", "when it was gone"])
async def test_a_partition_that_was_paused_is_fetched_when_it_comes_back(settings: Settings, when: str) -> None:
    async with running(settings) as group:
        if when == "while it was ours":
            group.member.pause(group.at)
        await group.give_away()
        if when == "when it was gone":
            group.member.pause(group.at)
        group.owner.received.clear()

        await group.take()

        await eventually(lambda: group.owner.received == list(range(COUNT)))


async def test_what_was_settled_in_a_drain_stays_committed(settings: Settings) -> None:
    async with running(settings) as group:
        group.owner.settled[group.at] = Commit(50)
        group.owner.drain_steps = 8  # the timer wants to commit meanwhile as well

        await group.give_away()

        await group.take()  # wishes are served in order: whatever the timer wanted is done by now
        assert await committed_offsets(settings, group.name, [group.at]) == {group.at: 59}


async def test_what_was_settled_while_it_leaves_is_committed(settings: Settings) -> None:
    async with running(settings) as group:
        group.owner.settled[group.at] = Commit(50)
        group.owner.drain_steps = 8

    assert await committed_offsets(settings, group.name, [group.at]) == {group.at: 59}


async def test_every_record_comes_once_and_in_order_however_often_its_partition_goes_on(settings: Settings) -> None:
    async with running(settings) as group, Installation(settings) as installation:
        stays = Partition(group.topics[1], 0)
        group.owner.received.clear()
        for number in range(COUNT):
            await installation.put_raw(stays.topic, b"%d" % number, ())
            if number % 10 == 0:
                group.member.pause(stays)
                group.member.resume(stays)
            if number % 50 == 0:  # all pause while partitions come and go
                await group.give_away()
                await group.take()

        await eventually(lambda: len([each for each in group.owner.of if each.topic == stays.topic]) >= COUNT)

        assert [each.offset for each in group.owner.of if each.topic == stays.topic] == list(range(COUNT))


async def test_nothing_is_committed_of_what_goes_that_is_committed_already(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """All others wait for that commit, and where the topic is gone as well it fails late."""
    async with running(settings) as group, Installation(settings) as installation:
        group.owner.settles_at_the_end = False
        group.owner.settled[group.at] = Commit(50, "a note")
        while await committed_offsets(settings, group.name, [group.at]) != {group.at: 50}:
            await asyncio.sleep(COMMIT_INTERVAL_S)
        await installation.admin.delete([group.at.topic])

        await group.give_away()

    assert "commit_failed: at revocation" not in caplog.text


async def test_what_stays_is_committed_and_goes_on_while_something_else_is_drained(settings: Settings) -> None:
    """A drain takes as long as its slowest attempt; a worker killed meanwhile would repeat all it did since."""
    async with running(settings) as group:
        stays = Partition(group.topics[1], 0)
        await eventually(lambda: stays in group.owner.assigned)
        group.owner.may_end_drain.clear()
        group.member.subscribe(group.topics[1:])

        begun = time.monotonic()
        while time.monotonic() < begun + CONFIRM_S + 1:
            offset = group.owner.settled.get(stays, Commit(0)).offset + 1
            group.owner.settled[stays] = Commit(offset)
            while (await committed_offsets(settings, group.name, [stays])).get(stays, 0) < offset:
                await asyncio.sleep(COMMIT_INTERVAL_S / 4)

        assert group.at in group.owner.assigned
        assert group.owner.holds == []
        group.owner.may_end_drain.set()
        await eventually(lambda: group.at not in group.owner.assigned)


@pytest.mark.timeout(300)
async def test_a_coordinator_that_falls_silent_during_a_drain_holds_up_the_thread_for_a_limited_time(
    tmp_path: Path,
) -> None:
    """A synchronous commit would wait for it without end, and after three minutes the process would count as stuck."""
    with running_broker(tmp_path) as broker:
        # Its topics go with it: for a minute after a freeze it may delete none.
        settings = Settings.load(kafka=broker.bootstrap, replication_factor=1, secret_key=new_key())
        async with running(settings) as group:
            stays = Partition(group.topics[1], 0)
            await eventually(lambda: stays in group.owner.assigned)
            group.owner.may_end_drain.clear()
            group.member.subscribe(group.topics[1:])
            await eventually(lambda: group.member.last_turn < time.monotonic() - 1)  # it waits for the drain
            broker.freeze()
            try:
                group.owner.settled |= {stays: Commit(1), group.at: Commit(50)}  # for a commit meanwhile, and the last
                await asyncio.sleep(CONFIRM_S)
                group.owner.may_end_drain.set()
                ended = time.monotonic()

                await eventually(lambda: group.member.last_turn > ended, timeout_s=60)
            finally:
                broker.thaw()
            await eventually(lambda: stays in group.owner.assigned and not group.member.is_out, timeout_s=120)


async def test_a_topic_that_is_gone_holds_up_no_other(settings: Settings) -> None:
    """Its last attempts end, and nothing of them can be committed until the client looks which topics there are."""
    async with running(settings) as group, Installation(settings) as installation:
        group.owner.settles_at_the_end = False
        await installation.admin.delete([group.at.topic])
        group.owner.settled[group.at] = Commit(50)
        await eventually(lambda: group.at not in group.owner.assigned, timeout_s=60)

    assert group.owner.holds == []


async def test_a_topic_that_is_gone_when_its_partition_goes_holds_up_no_other(settings: Settings) -> None:
    """What the drain wanted to commit of it never can be, and that is no sign that Kafka takes no commits."""
    async with running(settings) as group, Installation(settings) as installation:
        stays = Partition(group.topics[1], 0)
        await eventually(lambda: stays in group.owner.assigned)
        group.owner.settled |= {stays: Commit(0), group.at: Commit(50)}
        while (await committed_offsets(settings, group.name, [group.at])).get(group.at) != 50:
            await asyncio.sleep(COMMIT_INTERVAL_S)
        group.owner.drain_steps = 4  # long enough for the timer to ask for a commit, which comes to nothing
        await installation.admin.delete([group.at.topic])

        await group.give_away()
        await asyncio.sleep(CONFIRM_S + 1)

    assert group.owner.holds == []
