"""A group of members that keep their names, all of which were killed while partitions moved, shares out all it has."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import pytest

from eventstreams.kafka.commits import Commit, Commits
from eventstreams.kafka.consumer import GroupConsumer
from eventstreams.kafka.records import Partition, Record
from eventstreams.settings import Settings
from eventstreams.topics import TopicSpec
from tests.support.installation import Installation
from tests.support.topic import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
PARTITIONS = 7
MEMBER = """
import json, os, signal, sys
from confluent_kafka import Consumer
topic, config = sys.argv[1], json.loads(sys.argv[2])
def assigned(consumer, partitions):
    print("assigned", flush=True)
def revoked(consumer, partitions):
    print("revoked", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)  # it has given them up, and will not say so
consumer = Consumer(config)
consumer.subscribe([topic], on_assign=assigned, on_revoke=revoked)
while True:
    consumer.poll(0.1)
"""


class Owner:
    """Knows what it has."""

    def __init__(self) -> None:
        self.has: set[Partition] = set()

    def on_assigned(self, partitions: Mapping[Partition, Commit | None]) -> None:
        self.has.update(partitions)

    async def on_revoked(self, partitions: Sequence[Partition]) -> Commits:
        self.has.difference_update(partitions)
        return {}

    def on_lost(self, partitions: Sequence[Partition]) -> None:
        self.has.difference_update(partitions)

    def on_records(self, records: Sequence[Record]) -> None:
        pass

    def committable(self) -> Commits:
        return {}

    def hold(self, *, held: bool) -> None:
        pass


def member(topic: str, config: dict[str, object]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", MEMBER, topic, json.dumps(config)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def until_it_says(process: "subprocess.Popen[bytes]", word: str) -> None:
    assert process.stdout is not None
    while line := process.stdout.readline():
        if line.decode().strip() == word:
            return
    raise AssertionError(f"it ended without {word!r}")


async def kill_two_in_the_middle_of_a_move(settings: Settings, topic: str, group: str) -> None:
    config: dict[str, object] = {
        "bootstrap.servers": settings.kafka,
        "group.id": group,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": 60_000,
        "enable.auto.commit": False,
    }
    with ExitStack() as stack:

        def start(name: str) -> "subprocess.Popen[bytes]":
            started = stack.enter_context(member(topic, config | {"group.instance.id": f"{group}-{name}"}))
            stack.callback(started.kill)
            return started

        first = start("a")
        await asyncio.to_thread(until_it_says, first, "assigned")
        second = start("b")
        await asyncio.to_thread(until_it_says, first, "revoked")
        await asyncio.to_thread(until_it_says, second, "assigned")  # nothing, so far


async def test_what_was_moving_when_all_were_killed_is_somebodys_again(settings: Settings) -> None:
    topic, group = f"{settings.topic_prefix}moving", f"{settings.topic_prefix}group"
    all_of_it = {Partition(topic, number) for number in range(PARTITIONS)}
    crashes: list[BaseException] = []
    async with Installation(settings) as installation:
        await installation.admin.ensure([TopicSpec(topic, PARTITIONS, {})])
        await kill_two_in_the_middle_of_a_move(settings, topic, group)
        a, b = Owner(), Owner()

        def joining(owner: Owner, name: str) -> GroupConsumer:
            named = settings.model_copy(update={"instance": name})
            return GroupConsumer(named, group=group, owner=owner, on_crash=crashes.append, look_s=3.0)

        async with joining(a, "a") as first, joining(b, "b") as second:
            first.subscribe([topic])
            second.subscribe([topic])
            await eventually(lambda: first.joins > 0 and second.joins > 0, timeout_s=60)
            assert a.has | b.has < all_of_it  # and nobody asks for the rest
            await eventually(lambda: a.has | b.has == all_of_it, timeout_s=120)
            assert not a.has & b.has
    assert crashes == []
