"""Topics, asked about a moment after they were made."""

import asyncio

import pytest

from eventstreams.errors import TopicError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings
from eventstreams.topics import SMALL_INDEXES, TopicSpec

pytestmark = pytest.mark.kafka

TOO_SMALL = {**SMALL_INDEXES, "segment.index.bytes": "1"}  # one byte: Kafka refuses it


async def test_what_a_topic_holds_is_told_a_moment_after_it_was_made(settings: Settings) -> None:
    admin, other = KafkaAdmin(settings), KafkaAdmin(settings)
    for number in range(10):
        spec = TopicSpec(f"{settings.topic_prefix}new.{number}", 16, {})
        await admin.ensure([spec])

        found = await other.ranges([spec.name])

        assert [each.records for each in found] in ([0] * 16, [])  # it may not have heard of it yet


async def test_a_topic_whose_indexes_are_not_ours_to_set_is_made_with_kafkas_own(settings: Settings) -> None:
    admin = KafkaAdmin(settings)
    name = f"{settings.topic_prefix}plainer"
    spec = TopicSpec(name, 2, {**TOO_SMALL, "retention.ms": "1234567"})

    await admin.ensure([spec])

    async with asyncio.timeout(60):
        while name not in await admin.retentions([name]):
            await asyncio.sleep(0.1)
    assert await admin.retentions([name]) == {name: 1234567}


async def test_what_is_refused_for_another_reason_stays_refused(settings: Settings) -> None:
    spec = TopicSpec(f"{settings.topic_prefix}refused", 2, {**TOO_SMALL, "retention.ms": "soon"})

    with pytest.raises(TopicError, match=r"retention\.ms"):
        await KafkaAdmin(settings).ensure([spec])
