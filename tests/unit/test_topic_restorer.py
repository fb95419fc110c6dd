"""Which topics that are missing the router makes again: those that somebody removed, and none of what was deleted."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

from eventstreams.control.records import SubscribedType, Subscription
from eventstreams.control.snapshot import Change
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.topics import Topics, TopicSpec
from router.copying.topic_restorer import TopicRestorer
from router.planning.matcher import Matcher

SETTINGS = Settings.load()
SUBSCRIPTION = Subscription(
    sid=new_sid(SidKind.SUBSCRIPTION),
    account_sid=new_sid(SidKind.ACCOUNT),
    sink_sid=new_sid(SidKind.SINK),
    sink_type="webhook",
    description="",
    types=(SubscribedType(type="com.acme.made", schema_version=1),),
    created_ms=1,
    updated_ms=1,
)
TOPIC = Topics(SETTINGS).subscription("webhook", SUBSCRIPTION.sid)


class Kafka:
    """Has no topics but those that were made."""

    def __init__(self) -> None:
        self.made: list[str] = []

    async def topics(self) -> Mapping[str, int]:
        return dict.fromkeys(self.made, 1)

    async def ensure(self, specs: Sequence[TopicSpec]) -> None:
        self.made += [spec.name for spec in specs]


class Control:
    """A control topic of which the matcher has read all but what is ``unread``."""

    def __init__(self) -> None:
        self.matcher = Matcher(default_ttl_ms=1000, topic_of=Topics(SETTINGS).subscription)
        self.matcher.apply(Change(None, SUBSCRIPTION))
        self.unread: list[Change] = []
        self.readable = asyncio.Event()
        self.readable.set()

    async def catch_up(self) -> None:
        await self.readable.wait()
        for change in self.unread:
            self.matcher.apply(change)


async def restored(kafka: Kafka, control: Control, *, within_s: float = 60.0) -> set[str] | None:
    restorer = TopicRestorer(
        SETTINGS, cast(KafkaAdmin, kafka), control.matcher, catch_up=control.catch_up, within_s=within_s
    )
    return await asyncio.to_thread(restorer, {TOPIC})


async def test_a_topic_that_somebody_removed_is_made_again() -> None:
    kafka = Kafka()

    assert await restored(kafka, Control()) == set()
    assert kafka.made == [TOPIC]


async def test_a_topic_is_not_made_again_whose_subscription_was_deleted_before_the_router_heard_of_it() -> None:
    kafka, control = Kafka(), Control()
    control.unread = [Change(SUBSCRIPTION, None)]

    assert await restored(kafka, control) == {TOPIC}
    assert kafka.made == []


async def test_while_the_control_topic_cannot_be_read_nothing_is_said_of_a_topic() -> None:
    kafka, control = Kafka(), Control()
    control.readable.clear()

    assert await restored(kafka, control, within_s=0.01) is None
    assert kafka.made == []
