"""When a consumer says that it is out of its group, with no broker that could let it in."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from typing_extensions import override

from eventstreams.errors import FatalConsumerError, NameTakenError
from eventstreams.kafka import hold, membership
from eventstreams.kafka.commits import Commit, Commits
from eventstreams.kafka.consumer import GroupConsumer
from eventstreams.kafka.records import Partition, Record
from eventstreams.settings import Settings
from tests.support.topic import eventually


class Owner:
    """Has nothing."""

    def on_assigned(self, partitions: Mapping[Partition, Commit | None]) -> None:
        raise AssertionError

    async def on_revoked(self, partitions: Sequence[Partition]) -> Commits:
        raise AssertionError

    def on_lost(self, partitions: Sequence[Partition]) -> None:
        raise AssertionError

    def on_records(self, records: Sequence[Record]) -> None:
        raise AssertionError

    def committable(self) -> Commits:
        return {}

    def hold(self, *, held: bool) -> None:
        pass


async def test_a_member_that_left_and_comes_back_is_out_until_it_has_a_share_again() -> None:
    crashes: list[BaseException] = []
    settings = Settings.load(kafka="127.0.0.1:9")
    async with GroupConsumer(settings, group="g", owner=Owner(), on_crash=crashes.append) as member:
        assert not member.is_out
        member.subscribe(["one"])
        await eventually(lambda: member.is_out)
        member._thread._membership.joins = 1  # it had a share once

        member.subscribe([])
        await eventually(lambda: not member.is_out)
        await asyncio.sleep(0.2)
        assert not member.is_out  # who wants nothing is not missing

        member.subscribe(["one"])
        await eventually(lambda: member.is_out)
    assert crashes == []


class Settled(Owner):
    """Has settled something, of a partition that no broker lets it commit."""

    def __init__(self) -> None:
        self.offsets = {Partition("one", 0): Commit(7)}
        self.holds: list[bool] = []

    @override
    def committable(self) -> Commits:
        return self.offsets

    @override
    def hold(self, *, held: bool) -> None:
        self.holds.append(held)


async def test_who_is_held_goes_on_once_nothing_of_what_it_has_waits_for_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a rebalance at whose commit the coordinator was away: of its new share it has settled nothing."""
    monkeypatch.setattr(hold, "CONFIRM_S", 0.3)
    owner, crashes = Settled(), list[BaseException]()
    async with GroupConsumer(Settings.load(kafka="127.0.0.1:9"), group="g", owner=owner, on_crash=crashes.append):
        await eventually(lambda: owner.holds == [True])
        owner.offsets.clear()
        await eventually(lambda: owner.holds == [True, False])
    assert crashes == []


async def test_who_is_held_and_loses_its_share_is_not_let_go_before_it_has_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If its thread has crashed, nothing else keeps it from beginning what others have by then."""
    monkeypatch.setattr(hold, "CONFIRM_S", 0.3)
    calls: list[str] = []

    class Losing(Settled):
        @override
        def on_lost(self, partitions: Sequence[Partition]) -> None:
            calls.append("lost")

        @override
        def hold(self, *, held: bool) -> None:
            calls.append("held" if held else "let go")

    owner, crashes = Losing(), list[BaseException]()
    async with GroupConsumer(Settings.load(kafka="127.0.0.1:9"), group="g", owner=owner, on_crash=crashes.append) as it:
        await eventually(lambda: calls == ["held"])
        it._crash(list(owner.offsets), RuntimeError())
        assert calls == ["held", "lost", "let go"]


async def test_who_loses_a_share_that_it_no_longer_wants_is_not_out() -> None:
    """Its client tells of the loss only when it is polled, and by then the last subscription may be deleted."""
    async with GroupConsumer(
        Settings.load(kafka="127.0.0.1:9"), group="g", owner=Owner(), on_crash=lambda _: None
    ) as member:
        member.subscribe(["one"])
        await eventually(lambda: member.is_out)
        member.subscribe([])
        await eventually(lambda: not member.is_out)

        member._thread._membership.lost()

        assert not member.is_out


async def test_a_member_whose_clients_do_not_end_is_not_out_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new process gets in, and nobody starts one for a process that only says that it is not ready."""
    is_over = threading.Event()

    class Stuck(Consumer):
        @override
        def close(self) -> None:
            is_over.wait()

    monkeypatch.setattr(membership, "Consumer", Stuck)
    crashes: list[BaseException] = []
    settings = Settings.load(kafka="127.0.0.1:9")
    try:
        async with GroupConsumer(settings, group="g", owner=Owner(), on_crash=crashes.append, rejoin_s=0.1) as member:
            member.subscribe(["one"])
            await eventually(lambda: bool(crashes))
    finally:
        is_over.set()
    assert [type(each) for each in crashes] == [FatalConsumerError]
    assert "the group g do not end" in str(crashes[0])


def test_what_a_replaced_client_says_of_its_commits_counts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended on a thread of its own, and what it says there is not what Kafka has of the present share."""
    told: list[Callable[[KafkaError | None, list[TopicPartition]], None]] = []

    class Telling(Consumer):
        def __init__(self, config: Mapping[str, Any]) -> None:
            told.append(config["on_commit"])
            super().__init__(dict(config))

    monkeypatch.setattr(membership, "Consumer", Telling)
    heard: list[list[TopicPartition]] = []
    member = membership.Membership(
        {"bootstrap.servers": "127.0.0.1:9", "group.id": "g"},
        rejoin_s=60.0,
        name_taken=lambda: NameTakenError("it is taken"),
        on_assign=lambda *_: None,
        on_revoke=lambda *_: None,
        on_lost=lambda *_: None,
        on_commit=lambda _, partitions: heard.append(partitions),
    )
    member.replace("for a test")
    old, new = [TopicPartition("one", 0, 1)], [TopicPartition("one", 0, 2)]

    told[0](None, old)
    told[1](None, new)
    member.close()

    assert heard == [new]
