"""Whose a topic is, which belong to nobody, and which of those may be removed."""

import asyncio
import contextvars
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_api.plane import ControlPlane
from control_api.replicas.terms import NotPrimaryError
from control_api.replicas.writing import Writing
from control_api.topics.orphans import Sightings, survey
from control_api.topics.reconciler import MOST_AT_ONCE, Reconciler
from eventstreams.control.records import SinkRecord, SinkStatus, Subscription
from eventstreams.control.snapshot import Snapshot
from eventstreams.http import RefusedError
from eventstreams.kafka.ranges import Range
from eventstreams.kafka.transaction import Outgoing
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.telemetry.metrics import Metrics
from eventstreams.topics import TopicKind, TopicName, Topics

SID = "DF" + "0a" * 16
ACCOUNT = "AC" + "1" * 32


def topics_of(prefix: str = "es.") -> Topics:
    return Topics(Settings.load(topic_prefix=prefix))


def subscription(sid: str = SID, sink_type: str = "webhook") -> Subscription:
    return Subscription(
        sid=sid,
        account_sid=ACCOUNT,
        sink_sid="DG" + "2" * 32,
        sink_type=sink_type,
        description="",
        types=(),
        created_ms=1,
        updated_ms=1,
    )


def sink(sink_type: str) -> SinkRecord:
    return SinkRecord(
        sid=new_sid(SidKind.SINK),
        account_sid=ACCOUNT,
        description="",
        sink_type=sink_type,
        configuration="",
        status=SinkStatus.ACTIVE,
        created_ms=1,
        updated_ms=1,
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("es.events", TopicName(TopicKind.SHARED)),
        ("es.control", TopicName(TopicKind.SHARED)),
        ("es.dead.router", TopicName(TopicKind.SHARED)),
        (f"es.sub.webhook.{SID}", TopicName(TopicKind.SUBSCRIPTION, "webhook", SID)),
        ("es.retry.my-sink.30s", TopicName(TopicKind.RETRY, "my-sink")),
        ("es.dead.kinesis", TopicName(TopicKind.DEAD, "kinesis")),
        ("es.test.kinesis", TopicName(TopicKind.TEST, "kinesis")),
    ],
)
def test_the_names_of_our_topics_are_read(name: str, told: TopicName) -> None:
    assert topics_of().read(name) == told


@pytest.mark.parametrize(
    "name",
    [
        f"sub.webhook.{SID}",  # without our prefix
        f"other.sub.webhook.{SID}",
        f"es.eu.sub.webhook.{SID}",  # of an installation whose prefix begins with ours
        f"es.sub.eu.sub.webhook.{SID}",
        "es.eu.control",
        "es.events.copy",
        "es.sub.webhook.orders",
        f"es.sub.webhook.{SID.replace('a', 'A')}",  # we spell them in small letters
        f"es.sub.webhook.{SID}.old",
        f"es.sub.Web_hook.{SID}",
        "es.retry.webhook.soon",
        "es.dead.webhook.old",
        "es.orders",
        "es.",
        "",
    ],
)
def test_what_is_not_named_as_our_topics_are_is_foreign(name: str) -> None:
    assert topics_of().read(name) is None


def test_a_foreign_topic_among_the_retry_topics_is_no_retry_topic() -> None:
    existing = ["es.retry.webhook.7m", "es.retry.webhook.orders", "es.retry.webhook.7m.old"]

    found = topics_of().retries("webhook", existing)

    assert [each for each in existing if each in found] == ["es.retry.webhook.7m"]


@given(st.text(max_size=60))
def test_no_name_of_a_foreign_topic_breaks_the_reader(rest: str) -> None:
    told = topics_of("").read(rest)

    assert told is None or told.kind in TopicKind


def test_a_subscriptions_topic_is_an_orphan_where_the_subscription_is_gone_or_of_another_type() -> None:
    topics, snapshot = topics_of(), Snapshot()
    snapshot.subscriptions[SID] = subscription()
    gone = new_sid(SidKind.SUBSCRIPTION)
    names = [
        topics.subscription("webhook", SID),
        topics.subscription("kinesis", SID),
        topics.subscription("webhook", gone),
    ]

    found = survey(dict.fromkeys([*names, "es.orders"], 1), topics, snapshot, {"webhook"})

    assert {each.name: (each.account_sid, each.orphaned) for each in found} == {
        names[0]: (ACCOUNT, False),
        names[1]: (None, True),
        names[2]: (None, True),
    }


def test_a_types_topics_are_orphans_without_plugin_sink_and_subscription_of_it() -> None:
    topics, snapshot = topics_of(), Snapshot()
    snapshot.sinks["x"] = sink("with-sink")
    snapshot.subscriptions[SID] = subscription(sink_type="with-subscription")
    types = ("installed", "with-sink", "with-subscription", "gone")
    names = [f"es.{kind}" for each in types for kind in (f"retry.{each}.5s", f"dead.{each}", f"test.{each}")]

    found = survey(dict.fromkeys(names, 1), topics, snapshot, {"installed"})

    assert sorted(each.name for each in found if each.orphaned) == ["es.dead.gone", "es.retry.gone.5s", "es.test.gone"]


def test_a_topic_that_had_an_owner_meanwhile_begins_its_grace_anew() -> None:
    sightings = Sightings(most_step_s=100)
    for now_s, orphans in ((0, ["a"]), (60, ["a"]), (70, []), (80, ["a"]), (90, ["a"])):
        sightings.see(orphans, now_s)

    assert sightings.age_s("a") == 10


def test_time_in_which_the_process_stood_still_is_no_grace() -> None:
    sightings = Sightings(most_step_s=20)
    sightings.see(["a"], 1_000)
    sightings.see(["a"], 9_000)

    assert sightings.age_s("a") == 20


@dataclass
class World:
    """A broker's topics, a snapshot, and a reconciler between them; time passes when a test says so."""

    removes: bool = True
    now_s: float = 1_000.0
    existing: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    term: int | None = 1
    snapshot: Snapshot = field(default_factory=Snapshot)
    metrics: Metrics = field(default_factory=Metrics)
    unread: list[Subscription] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = Settings.load(orphan_grace="10m", remove_orphans=self.removes)
        self.names, self.writing = Topics(settings), Writing(self)
        plane = SimpleNamespace(
            admin=self,
            feed=SimpleNamespace(catch_up=self.catch_up),
            snapshot=self.snapshot,
            delivered_types={"webhook"},
            topics=self.names,
            writing=self.writing,
        )
        self.plane = plane
        self.reconciler = Reconciler(cast(ControlPlane, plane), settings, self.metrics, clock=lambda: self.now_s)

    async def topics(self) -> Mapping[str, int]:
        return dict(self.existing)

    async def ranges(self, names: Sequence[str]) -> Sequence[Range]:
        return [Range(name, 0, 0, self.held.get(name, 0)) for name in names if name in self.existing]

    async def delete(self, names: Iterable[str]) -> None:
        for name in names:
            del self.existing[name]

    async def catch_up(self) -> None:
        for each in self.unread:
            self.snapshot.subscriptions[each.sid] = each

    async def write(self, term: int | None, records: Sequence[Outgoing]) -> Mapping[str, int]:
        raise AssertionError(f"a reconciler writes nothing: {term} {records}")

    def orphan(self, *, records: int = 0) -> str:
        name = self.names.subscription("webhook", new_sid(SidKind.SUBSCRIPTION))
        self.existing[name], self.held[name] = 1, records
        return name

    async def pass_minutes(self, minutes: int) -> list[str]:
        removed: list[str] = []
        for _ in range(minutes):
            removed += await self.reconciler.look()
            self.now_s += 60
        return removed

    def figure(self, name: str, **labels: str) -> Any:
        return self.metrics.registry.get_sample_value(name, labels or None)


async def test_an_orphan_goes_after_the_grace_and_not_before() -> None:
    world = World()
    name = world.orphan()

    early, told = await world.pass_minutes(10), world.figure("eventstreams_orphaned_topics", kind="subscription")
    late = await world.pass_minutes(1)

    assert (early, late, world.existing, told) == ([], [name], {}, 1)
    assert world.figure("eventstreams_orphaned_topics_removed_total") == 1


async def test_a_subscription_that_was_written_meanwhile_saves_its_topic() -> None:
    world = World()
    topic = world.names.subscription("webhook", SID)
    world.existing[topic] = 1
    await world.pass_minutes(10)
    world.unread.append(subscription())

    assert await world.pass_minutes(20) == []
    assert topic in world.existing


async def test_an_orphan_that_holds_records_stays() -> None:
    world = World()
    name = world.orphan(records=1)

    assert await world.pass_minutes(30) == []
    world.held[name] = 0
    assert await world.pass_minutes(1) == [name]


async def test_many_orphans_at_once_are_left_to_a_person() -> None:
    world = World()
    names = [world.orphan() for _ in range(MOST_AT_ONCE + 1)]

    assert await world.pass_minutes(30) == []
    await world.reconciler.remove(names[0])
    assert sorted(await world.pass_minutes(1)) == sorted(names[1:])


async def test_foreign_topics_those_in_use_and_those_of_a_sink_type_stay() -> None:
    world = World()
    world.snapshot.subscriptions[SID] = subscription()
    kept = [world.names.subscription("webhook", SID), "es.retry.gone.5s", "es.dead.gone", "es.orders", "es.events"]
    world.existing |= dict.fromkeys(kept, 1)

    assert await world.pass_minutes(60) == []
    assert sorted(world.existing) == sorted(kept)


async def test_nothing_is_removed_where_that_is_switched_off_but_it_is_told() -> None:
    world = World(removes=False)
    name = world.orphan()

    assert await world.pass_minutes(60) == []
    assert name in world.existing
    assert world.figure("eventstreams_orphaned_topics", kind="subscription") == 1


async def test_others_can_write_while_kafka_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    world, turns = World(), 0
    name = world.orphan()

    async def take_turn() -> None:
        nonlocal turns
        async with asyncio.timeout(30), world.writing:
            turns += 1

    async def slowly() -> None:
        await asyncio.create_task(take_turn(), context=contextvars.Context())

    monkeypatch.setattr(world.plane.feed, "catch_up", slowly)

    assert await world.pass_minutes(11) == [name]
    assert turns == 12  # eleven looks, and one more before the removal


async def test_a_process_that_is_the_primary_no_more_removes_nothing() -> None:
    world = World()
    world.orphan()
    await world.pass_minutes(10)
    world.term = None

    with pytest.raises(NotPrimaryError):
        await world.pass_minutes(1)
    assert len(world.existing) == 1


@pytest.mark.parametrize(
    ("make", "status", "message"),
    [
        (lambda world: "es.orders", 404, "no such topic"),
        (lambda world: "es.events", 409, "in use"),
        (lambda world: world.orphan(records=3), 409, "holds records"),
    ],
    ids=["foreign", "in use", "not empty"],
)
async def test_an_operator_cannot_remove_what_is_not_an_empty_orphan(make: Any, status: int, message: str) -> None:
    world = World()
    name = make(world)
    world.existing[name] = 1
    await world.pass_minutes(5)

    with pytest.raises(RefusedError, match=message) as refused:
        await world.reconciler.remove(name)
    assert refused.value.status == status
    assert name in world.existing


async def test_an_operator_cannot_remove_the_topic_of_a_subscription_that_is_being_made() -> None:
    world = World()
    name = world.orphan()
    await world.reconciler.look()

    with pytest.raises(RefusedError, match="try again in two minutes"):
        await world.reconciler.remove(name)


async def test_an_operator_can_remove_the_empty_topics_of_a_sink_type_that_is_gone() -> None:
    world = World()
    world.existing["es.dead.gone"] = 1
    await world.pass_minutes(3)

    await world.reconciler.remove("es.dead.gone")

    assert world.existing == {}
