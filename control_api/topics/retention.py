"""What waits for its delivery is kept for as long as it is owed, also where topics were made for a shorter time.

A topic is made to keep records for a day longer than events are tried. Where ``EVENTSTREAMS_TTL`` is raised later,
those that are there would drop events before their deadline, and nobody would hear of it.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from eventstreams.errors import TopicError
from eventstreams.telemetry.logging import get_logger
from eventstreams.topics import Topics

_log = get_logger(__name__)


class Kafka(Protocol):
    """The part of ``KafkaAdmin`` that this takes."""

    async def topics(self) -> Mapping[str, int]: ...

    async def retentions(self, names: Sequence[str]) -> Mapping[str, int]: ...

    async def keep_for(self, names: Sequence[str], ms: int) -> Mapping[str, TopicError]: ...


async def keep_what_waits(kafka: Kafka, topics: Topics) -> bool:
    """Lengthen the retention of topics that would drop an event before its deadline; what is longer stays.

    To look takes DescribeConfigs, and to change AlterConfigs, which no role needs: without the first nothing is known
    here, and `eventstreams doctor` says so, too.

    Returns:
        False where it is to be tried again: a topic was not seen, or Kafka refused to change one.

    Raises:
        TopicError: Kafka did not say.
    """
    asked = topics.waiting(await kafka.topics())
    kept = await kafka.retentions(asked)
    if asked and not kept:
        _log.warning(
            "topics.retention_unknown",
            count=len(asked),
            because="we may not DescribeConfigs",
            follows="after EVENTSTREAMS_TTL was raised, have them keep records for a day longer than it says",
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
            follows="what waits there for longer is lost: `eventstreams doctor` says what to alter",
        )
    return not refused and len(kept) == len(asked)
