"""Topics, asked about a moment after they were made."""

import pytest

from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings
from eventstreams.topics import TopicSpec

pytestmark = pytest.mark.kafka


async def test_what_a_topic_holds_is_told_a_moment_after_it_was_made(settings: Settings) -> None:
    admin, other = KafkaAdmin(settings), KafkaAdmin(settings)
    for number in range(10):
        spec = TopicSpec(f"{settings.topic_prefix}new.{number}", 16, {})
        await admin.ensure([spec])

        found = await other.ranges([spec.name])

        assert [each.records for each in found] in ([0] * 16, [])  # it may not have heard of it yet
