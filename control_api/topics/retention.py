"""Makes topics keep waiting events until their deadlines, even if the topics were created for a shorter time.

A topic is created to keep records for a day longer than events are tried. If ``EVENTSTREAMS_TTL`` is raised later,
existing topics would silently drop events before their deadlines.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from eventstreams.errors import TopicError
from eventstreams.telemetry.logging import get_logger
from eventstreams.topics import Topics

_log = get_logger(__name__)


class Kafka(Protocol):
    """The part of ``KafkaAdmin`` that is used here."""

    async def topics(self) -> Mapping[str, int]: ...

    async def retentions(self, names: Sequence[str]) -> Mapping[str, int]: ...

    async def keep_for(self, names: Sequence[str], ms: int) -> Mapping[str, TopicError]: ...


async def keep_what_waits(kafka: Kafka, topics: Topics) -> bool:
    """Raise the retention of topics that would drop an event before its deadline; longer ones stay as they are.

    Checking requires the permission DescribeConfigs, and changing AlterConfigs, which no role needs otherwise. Without
    the first, nothing is known here; `eventstreams doctor` says so, too.

    Returns:
        False if it is to be tried again, because a topic was not described or Kafka refused to change one.

    Raises:
        TopicError: Kafka did not answer.
    """
    asked = topics.waiting(await kafka.topics())
    kept = await kafka.retentions(asked)
    if asked and not kept:
        _log.warning(
            "topics.retention_unknown",
            count=len(asked),
            because="our user lacks DescribeConfigs",
            follows="after raising EVENTSTREAMS_TTL, set their retention to a day longer than that",
        )
        return True
    short = sorted(name for name, kept_ms in kept.items() if 0 <= kept_ms <= topics.ttl_ms)
    refused = await kafka.keep_for(short, topics.waiting_ms)
    if done := len(short) - len(refused):
        _log.info(
            "topics.kept_longer", count=done, retention_ms=topics.waiting_ms, because="EVENTSTREAMS_TTL is longer"
        )
    if refused:
        _log.error(
            "topics.kept_too_short",
            count=len(refused),
            error=str(next(iter(refused.values()))),
            follows="events that wait longer are lost: `eventstreams doctor` says what to change",
        )
    return not refused and len(kept) == len(asked)
