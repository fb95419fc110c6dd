"""When a consumer begins nothing new: while Kafka confirms no commit, and after its process stood still."""

import pytest

from eventstreams.kafka import hold
from eventstreams.kafka.hold import Hold

STILL_S = 5.0


class Owner:
    def __init__(self) -> None:
        self.holds: list[bool] = []

    def hold(self, *, held: bool) -> None:
        self.holds.append(held)


class Process:
    """One whose time is set by hand, and which can stand still: then nobody looks."""

    def __init__(self) -> None:
        self.now = 100.0
        self.owner = Owner()
        self.hold = Hold(self.owner, still_s=STILL_S, clock=lambda: self.now)

    def goes_on(self, seconds: float) -> None:
        for _ in range(int(seconds * 5)):
            self.now += 0.2
            self.hold.look()


def test_who_looks_regularly_may_begin() -> None:
    process = Process()

    process.goes_on(60.0)

    assert process.hold.may_begin()
    assert process.owner.holds == []


def test_who_stood_still_for_a_shorter_time_may_begin() -> None:
    process = Process()

    process.now += STILL_S - 0.1

    assert process.hold.may_begin()


@pytest.mark.parametrize("first", ["it would begin", "it looks"])
def test_who_stood_still_begins_nothing_until_a_later_commit_is_confirmed(first: str) -> None:
    process = Process()
    before = process.hold.committing()
    process.now += STILL_S

    if first == "it looks":
        process.hold.look()
    assert not process.hold.may_begin()
    assert process.owner.holds == [True]

    process.hold.confirmed(before)  # its answer may have waited in the socket
    assert not process.hold.may_begin()

    after = process.hold.committing()
    process.goes_on(1.0)
    process.hold.confirmed(after)
    assert process.hold.may_begin()
    assert process.owner.holds == [True, False]


@pytest.mark.parametrize("held_by", ["no confirmation", "an earlier standstill"])
def test_who_stands_still_while_it_is_held_goes_on_only_with_a_commit_from_after_that(
    held_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process()
    if held_by == "no confirmation":
        monkeypatch.setattr(hold, "CONFIRM_S", -1.0)
    else:
        process.now += STILL_S
        process.hold.look()
    before = process.hold.committing()
    process.goes_on(0.2)
    assert process.owner.holds == [True]

    process.now += STILL_S
    process.hold.look()
    process.hold.confirmed(before)
    assert not process.hold.may_begin()
    assert process.owner.holds == [True]

    process.hold.confirmed(process.hold.committing())
    assert process.hold.may_begin()
    assert process.owner.holds == [True, False]


def test_a_commit_that_is_sent_after_the_standstill_was_noticed_counts_although_nobody_has_looked_yet() -> None:
    process = Process()
    process.now += STILL_S
    assert not process.hold.may_begin()
    after = process.hold.committing()

    process.hold.look()
    process.hold.confirmed(after)

    assert process.hold.may_begin()


def test_who_stood_still_and_lost_its_partitions_waits_for_no_commit() -> None:
    process = Process()
    process.now += STILL_S
    process.hold.look()

    process.hold.end()

    assert process.hold.may_begin()


def test_any_confirmation_ends_a_hold_that_came_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "CONFIRM_S", -1.0)
    process = Process()
    first = process.hold.committing()
    process.hold.committing()
    process.hold.look()
    assert process.owner.holds == [True]

    process.hold.confirmed(first)

    assert process.hold.may_begin()
