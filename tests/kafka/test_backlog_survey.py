"""The survey of what waits, on a real broker: fresh events, held ones, retries before and after their time, markers."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from confluent_kafka import Consumer, TopicPartition

from control_api.backlog.figures import State
from control_api.backlog.gauges import TypeBacklog
from control_api.backlog.survey import Survey
from eventstreams.kafka.config import client_config
from eventstreams.kafka.transaction import Outgoing, TransactionalProducer, Written
from eventstreams.settings import Settings
from eventstreams.times import now_ms
from tests.support.installation import Installation

pytestmark = pytest.mark.kafka


@pytest.fixture
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(settings) as installation:
        await installation.admin.ensure(installation.topics.worker_specs("webhook"))
        yield installation


def survey_of(installation: Installation, *, ahead_ms: int = 0) -> Survey:
    return Survey(
        installation.settings,
        admin=installation.admin,
        topics=installation.topics,
        feed=installation.feed,
        sink_types=["webhook"],
        clock=lambda: now_ms() + ahead_ms,
    )


async def webhooks(survey: Survey) -> TypeBacklog:
    types, _ = await survey.look()
    return next(each for each in types if each.sink_type == "webhook")


async def test_what_waits_is_known_while_no_worker_runs(installation: Installation) -> None:
    subscription = await installation.subscribe(await installation.add_sink("http://127.0.0.1:9/"))
    survey = survey_of(installation)
    assert (await webhooks(survey)).events == dict.fromkeys(State, 0)

    for number in range(3):
        await installation.hand_to(subscription, installation.event(number))
    await installation.publish([installation.event(9)])

    types, unrouted = await survey.look()
    assert types[0].events == {State.MOVING: 3, State.STILL: 0, State.PAUSED: 0}
    assert types[0].subscriptions.keys() == {subscription.sid}
    assert unrouted.events == 1
    assert 600 <= (await webhooks(survey_of(installation, ahead_ms=660_000))).oldest_s[State.MOVING] <= 900


async def test_a_retry_is_due_when_its_wait_is_over_and_overdue_a_minute_later(installation: Installation) -> None:
    topic = next(iter(installation.topics.retries("webhook")))  # 200 ms; half of it in the first of two partitions
    await installation.put_raw(topic, b"x", [])

    def figures(found: TypeBacklog) -> tuple[int, int, int]:
        return found.retries, found.due, found.overdue

    assert figures(await webhooks(survey_of(installation, ahead_ms=-60_000))) == (1, 0, 0)
    assert figures(await webhooks(survey_of(installation, ahead_ms=30_000))) == (1, 1, 0)
    assert figures(await webhooks(survey_of(installation, ahead_ms=120_000))) == (1, 0, 1)


async def test_the_marker_that_a_redrive_leaves_behind_its_last_event_is_none(installation: Installation) -> None:
    subscription = await installation.subscribe(await installation.add_sink("http://127.0.0.1:9/"))
    topic = installation.topic_of(subscription)
    async with TransactionalProducer(installation.settings, installation.topics.group("test")) as producer:
        assert await producer.open() == Written()
        assert isinstance(await producer.write([Outgoing(topic, b"x", None, [])]), Written)
    while (await webhooks(survey_of(installation))).events[State.MOVING] < 2:
        await asyncio.sleep(0.05)  # the broker tells of a transaction's end a moment later

    settle(installation, topic, 1)

    survey = survey_of(installation)
    await survey.look()
    assert (await webhooks(survey)).events[State.MOVING] == 0
    assert (await webhooks(survey)).subscriptions == {}


def settle(installation: Installation, topic: str, offset: int) -> None:
    """Commit ``offset`` of ``topic``, as a worker does that has settled what is before it."""
    config = client_config(installation.settings, {"group.id": installation.topics.group("worker.webhook")})
    consumer = Consumer(config)
    consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    consumer.close()
