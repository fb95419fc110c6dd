"""An event that a thousand subscriptions want, and more copies at once than the client's buffer holds."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from eventstreams.control.records import SubscribedType, Subscription, encode, key_of
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from router.at_least_once import copies
from router.role import route
from tests.kafka.test_router import settled
from tests.support.installation import SENT, Installation
from tests.support.topic import eventually

ROOM_BYTES = 4 << 20
"""Of copies; those of 4,100 events for 25 are twenty times as much, those of 3 for a thousand less."""

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]


@pytest.fixture
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(settings) as installation:
        yield installation


async def subscribe_many(installation: Installation, count: int) -> list[Subscription]:
    """As many subscriptions to ``SENT``, whose topics are there; made at one go, for one by one they take a minute."""
    sink = await installation.add_sink("http://127.0.0.1:9/")
    made = [
        Subscription(
            sid=new_sid(SidKind.SUBSCRIPTION),
            account_sid=installation.account_sid,
            sink_sid=sink.sid,
            sink_type=sink.sink_type,
            description="",
            types=(SubscribedType(type=SENT, schema_version=1),),
            created_ms=1,
            updated_ms=1,
        )
        for _ in range(count)
    ]
    await installation.admin.ensure([installation.topics.subscription_spec(each.sink_type, each.sid) for each in made])
    writes = [
        await installation.producer.enqueue(
            installation.topics.control, encode(each), key=key_of(each.sid), partition=0
        )
        for each in made
    ]
    await asyncio.gather(*writes)
    return made


@pytest.mark.parametrize(
    ("count", "events"),
    [pytest.param(1_000, 3, id="a thousand subscriptions"), pytest.param(25, 4_100, id="more than there is room for")],
)
async def test_every_subscription_gets_every_event(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, count: int, events: int
) -> None:
    monkeypatch.setattr(copies, "ROOM_BYTES", ROOM_BYTES)
    subscriptions = await subscribe_many(installation, count)
    await installation.publish([installation.event(number) for number in range(events)])

    router = await installation.start(route)
    await eventually(lambda: settled(router) == events, timeout_s=200)

    ranges = await installation.admin.ranges([installation.topic_of(each) for each in subscriptions])
    assert [each.end for each in ranges] == [events] * count
