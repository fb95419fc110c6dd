"""How many partitions all subscriptions may have, also where many are asked for at once."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_api.plane import ControlPlane
from control_api.subscriptions.topics import TopicMaker
from control_api.topics.budget import check_budget, check_filter_budget
from eventstreams.control.records import Account, Resource, Subscription, encode, key_of
from eventstreams.control.snapshot import Snapshot
from eventstreams.errors import TopicError
from eventstreams.http import RefusedError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.topics import Topics, TopicSpec


async def test_what_others_are_making_counts() -> None:
    made = asyncio.Event()

    async def ensure(specs: Sequence[TopicSpec]) -> Mapping[str, TopicError]:
        await made.wait()
        return {}

    async def one(sid: str, partitions: int) -> str:
        try:
            check_budget(plane, "AC1", more=partitions)
        except RefusedError:
            return "refused"
        spec = Topics(Settings.load()).subscription_spec("webhook", sid, partitions=partitions)
        async with maker.made(spec, account_sid="AC1"):
            return "made"

    maker = TopicMaker(cast(KafkaAdmin, SimpleNamespace(ensure_each=ensure, delete=ensure)))
    plane = cast(
        ControlPlane, SimpleNamespace(feed=SimpleNamespace(snapshot=Snapshot()), maker=maker, most_partitions=20)
    )
    under_way = [asyncio.create_task(one(f"DF{number}", 8)) for number in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(RefusedError, match="have 16 partitions, of at most 20"):
        check_budget(plane, "AC1", more=8)
    made.set()

    assert sorted(await asyncio.gather(*under_way)) == ["made", "made", "refused", "refused"]
    check_budget(plane, "AC1", more=20)  # nothing is under way any more


def plane_of(*accounts: Account, whole: int, staged: Mapping[str, object] | None = None) -> ControlPlane:
    snapshot, maker = Snapshot(), TopicMaker(cast(KafkaAdmin, SimpleNamespace(ensure_each=None, delete=None)))
    snapshot.accounts = {each.sid: each for each in accounts}
    feed = SimpleNamespace(snapshot=snapshot)
    writing = SimpleNamespace(staged=lambda: staged or {})
    return cast(ControlPlane, SimpleNamespace(feed=feed, maker=maker, writing=writing, most_partitions=whole))


def account(sid: str, owner_sid: str | None = None) -> Account:
    return Account(sid=sid, friendly_name="", auth_token="", created_ms=1, updated_ms=1, owner_account_sid=owner_sid)


def test_an_account_with_its_subaccounts_leaves_partitions_to_others() -> None:
    plane = plane_of(account("mine"), account("sub", "mine"), account("yours"), whole=20)
    with plane.maker.growing("mine", more=6), plane.maker.growing("sub", more=4):
        with pytest.raises(RefusedError, match="have 10 partitions, and are guaranteed 5 of this installation's 20"):
            check_budget(plane, "sub", more=1)
        check_budget(plane, "yours", more=5)
        with pytest.raises(RefusedError, match="have 0 partitions, and are guaranteed 5"):
            check_budget(plane, "yours", more=6)


def test_the_only_account_may_use_all_partitions() -> None:
    plane = plane_of(account("mine"), account("sub", "mine"), whole=20)

    check_budget(plane, "sub", more=20)


def test_partitions_that_a_topic_is_given_count_until_its_subscription_has_them() -> None:
    plane = plane_of(account("mine"), whole=20)
    with plane.maker.growing("mine", more=15), pytest.raises(RefusedError, match="have 15 partitions, of at most 20"):
        check_budget(plane, "mine", more=6)

    check_budget(plane, "mine", more=6)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.one_of(st.none(), st.tuples(st.integers(0, 2), st.integers(1, 9))),
        )
    )
)
def test_partitions_are_counted_as_subscriptions_come_grow_and_go(
    changes: list[tuple[int, tuple[int, int] | None]],
) -> None:
    snapshot, owners = Snapshot(), dict[int, str]()
    sids, accounts = [new_sid(SidKind.SUBSCRIPTION) for _ in range(4)], [new_sid(SidKind.ACCOUNT) for _ in range(3)]
    apply(snapshot, account(accounts[1], accounts[0]))
    for number, wanted in changes:
        if wanted is None:
            snapshot.apply(Record("es.control", 0, 0, key_of(sids[number]), b"", (), 1))
        else:  # a subscription never changes hands
            owner = owners.setdefault(number, accounts[wanted[0]])
            apply(snapshot, subscription(sids[number], owner, partitions=wanted[1]))

    there = snapshot.subscriptions.values()
    assert snapshot.partitions == sum(each.partitions for each in there)
    for members in (accounts[:2], accounts[2:]):
        counted = sum(each.partitions for each in there if each.account_sid in members)
        assert snapshot.partitions_of(members[0]) == counted


def with_filter(text: str, *, account_sid: str) -> Subscription:
    return replace(subscription(new_sid(SidKind.SUBSCRIPTION), account_sid, partitions=1), filter=text)


def test_an_account_with_its_subaccounts_leaves_room_for_the_filters_of_others() -> None:
    mine, sub, yours = (new_sid(SidKind.ACCOUNT) for _ in range(3))
    plane = plane_of(account(mine), account(sub, mine), account(yours), whole=20)  # 4,000 characters
    apply(plane.feed.snapshot, account(sub, mine))
    for owner in (mine, sub):
        apply(plane.feed.snapshot, with_filter("x" * 950, account_sid=owner))

    with pytest.raises(RefusedError, match=r"have 2000 characters .*, and are guaranteed 1000 of this .* 4000"):
        check_filter_budget(plane, sub, more=1)
    check_filter_budget(plane, yours, more=1000)
    check_filter_budget(plane, sub, more=0)  # what takes no more than before
    with pytest.raises(RefusedError, match=r"filters have 2000 characters .* of at most 4000"):
        check_filter_budget(plane, yours, more=2001)


def test_filters_that_are_written_together_with_the_next_one_count() -> None:
    """Hundreds of requests at once share a transaction: each was checked against what was there before all of them."""
    mine, yours = new_sid(SidKind.ACCOUNT), new_sid(SidKind.ACCOUNT)
    old, shorter, gone, made = (with_filter("x" * 950, account_sid=mine) for _ in range(4))
    staged: dict[str, object] = {
        made.sid: made,
        shorter.sid: replace(shorter, filter="x" * 150),
        gone.sid: None,
        new_sid(SidKind.SINK): None,
        "JR1": object(),  # an order of a job
    }
    plane = plane_of(account(mine), account(yours), whole=20, staged=staged)  # 4,000 characters
    for each in (old, shorter, gone):
        apply(plane.feed.snapshot, each)

    with pytest.raises(RefusedError, match=r"filters have 2200 characters .* of at most 4000"):
        check_filter_budget(plane, yours, more=1801)
    with pytest.raises(RefusedError, match=r"have 2200 characters .*, and are guaranteed 1000 of this .* 4000"):
        check_filter_budget(plane, mine, more=1)
    check_filter_budget(plane, yours, more=1000)


def test_the_only_account_may_use_all_room_for_filters() -> None:
    plane = plane_of(account("mine"), whole=20)

    check_filter_budget(plane, "mine", more=4000)


def test_the_room_of_a_filter_is_counted_as_it_comes_changes_and_goes() -> None:
    snapshot, owner = Snapshot(), new_sid(SidKind.ACCOUNT)
    first = with_filter("x" * 100, account_sid=owner)

    apply(snapshot, first)
    assert (snapshot.filter_room, snapshot.filter_room_of(owner)) == (150, 150)
    apply(snapshot, replace(first, filter="x"))
    assert (snapshot.filter_room, snapshot.filter_room_of(owner)) == (51, 51)
    apply(snapshot, replace(first, filter=None))
    assert (snapshot.filter_room, snapshot.filter_room_of(owner)) == (0, 0)
    apply(snapshot, first)
    snapshot.apply(Record("es.control", 0, 0, key_of(first.sid), b"", (), 1))
    assert (snapshot.filter_room, snapshot.filter_room_of(owner)) == (0, 0)


def apply(snapshot: Snapshot, resource: Resource) -> None:
    snapshot.apply(Record("es.control", 0, 0, key_of(resource.sid), encode(resource), (), 1))


def subscription(sid: str, account_sid: str, *, partitions: int) -> Subscription:
    return Subscription(
        sid=sid,
        account_sid=account_sid,
        sink_sid=new_sid(SidKind.SINK),
        sink_type="webhook",
        description="",
        types=(),
        created_ms=1,
        updated_ms=1,
        partitions=partitions,
    )
