"""A longer time to live reaches the topics that are there."""

import asyncio
from datetime import timedelta

import pytest

from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings
from eventstreams.topics import Topics
from tests.support.api import serving
from tests.support.topic import PATIENCE_S

pytestmark = pytest.mark.kafka


async def test_topics_of_before_keep_what_waits_once_events_are_tried_for_longer(settings: Settings) -> None:
    admin, topics = KafkaAdmin(settings), Topics(settings)
    waiting = [*topics.worker_specs("webhook"), topics.subscription_spec("webhook", "DF" + "1" * 32)]
    waiting = [spec for spec in waiting if spec.name != topics.dead("webhook")]
    others = [*topics.base_specs(), *(spec for spec in topics.worker_specs("webhook") if spec not in waiting)]
    await admin.ensure([*waiting, *others])
    names = [spec.name for spec in (*waiting, *others)]
    async with asyncio.timeout(PATIENCE_S):  # a busy broker lists them a while after its controller has made them
        while len(before := await admin.retentions(names)) < len(names):
            await asyncio.sleep(0.1)
    longer = settings.model_copy(update={"ttl": timedelta(days=3)})

    async with serving(longer), asyncio.timeout(PATIENCE_S):
        wanted = {spec.name: Topics(longer).waiting_ms for spec in waiting}
        while {name: kept for name, kept in (await admin.retentions(names)).items() if name in wanted} != wanted:
            await asyncio.sleep(0.2)

    after = await admin.retentions(names)
    assert {spec.name: after[spec.name] for spec in others} == {spec.name: before[spec.name] for spec in others}


async def test_a_topic_that_is_not_there_has_no_retention_and_changing_it_is_no_fault(settings: Settings) -> None:
    admin, gone = KafkaAdmin(settings), f"{settings.topic_prefix}sub.webhook.DF{'2' * 32}"

    assert await admin.retentions([gone]) == {}
    assert await admin.keep_for([gone], 1000) == {}
    assert await admin.retentions([]) == {}
