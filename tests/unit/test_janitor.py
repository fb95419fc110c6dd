"""When a deleted subscription's topic may go: once routers have copied what they had begun, whatever clocks say."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from control_api.plane import ControlPlane
from control_api.subscriptions.janitor import Janitor
from eventstreams.control.records import SubscribedType, Subscription, SubscriptionState
from eventstreams.control.snapshot import Change, Snapshot
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.topics import Topics

ACTIVE = Subscription(
    sid=new_sid(SidKind.SUBSCRIPTION),
    account_sid=new_sid(SidKind.ACCOUNT),
    sink_sid=new_sid(SidKind.SINK),
    sink_type="webhook",
    description="",
    types=(SubscribedType(type="com.acme.made", schema_version=1),),
    created_ms=1,
    updated_ms=1,
)


class Kafka:
    """All of its topics are settled."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    async def has_settled(self, _group: str, _topic: str) -> bool:
        return True

    async def delete(self, names: Sequence[str]) -> None:
        self.deleted += names


class Feed:
    def __init__(self, *there: Subscription) -> None:
        self.snapshot = Snapshot()
        self.snapshot.subscriptions.update({each.sid: each for each in there})
        self.tell: Callable[[Change], None]

    def listen(self, listener: Callable[[Change], None]) -> None:
        self.tell = listener


class Writing:
    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


class Writer:
    def __init__(self) -> None:
        self.removed: list[str] = []

    async def remove(self, sid: str) -> None:
        self.removed.append(sid)


@pytest.mark.parametrize("was_there", [False, True], ids=["deleted now", "found at the start"])
@pytest.mark.parametrize("stepped_ms", [-120_000, 0, 120_000])
async def test_the_topic_stays_for_five_seconds_whatever_the_time_of_day_is_set_to(
    stepped_ms: int,
    was_there: bool,  # noqa: FBT001 - a parameter
) -> None:
    kafka, writer, now_s, now_ms = Kafka(), Writer(), 100.0, 1_000_000
    deleted = replace(ACTIVE, state=SubscriptionState.DELETING, updated_ms=now_ms)
    feed = Feed(deleted if was_there else ACTIVE)
    plane = SimpleNamespace(
        feed=feed,
        admin=kafka,
        topics=Topics(Settings.load()),
        clock=lambda: now_ms,
        writing=Writing(),
        writer=writer,
    )
    janitor = Janitor(cast(ControlPlane, plane), clock=lambda: now_s)
    feed.snapshot.subscriptions[deleted.sid] = deleted
    if not was_there:
        feed.tell(Change(ACTIVE, deleted))
    now_ms += stepped_ms

    now_s += 4.9
    await janitor.look()
    assert kafka.deleted == []

    now_s += 0.1
    await janitor.look()
    assert kafka.deleted == [f"es.sub.webhook.{deleted.sid}"]
    assert writer.removed == [deleted.sid]
