"""Writes to the control topic, bypassing the primary: for tests and benchmarks that cannot go through the API.

Each write returns once this process has read it back. Nothing prevents it from conflicting with the API's own writes.
"""

from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import Resource, encode, key_of
from eventstreams.errors import TopicError
from eventstreams.kafka.producer import AckedProducer, NotAcked
from eventstreams.topics import Topics


class ControlWriter:
    """Writes and removes resources."""

    def __init__(self, producer: AckedProducer, feed: ControlFeed, topics: Topics) -> None:
        self._producer = producer
        self._feed = feed
        self._topic = topics.control

    async def put(self, resource: Resource) -> None:
        """Create or replace ``resource``; on return it is acknowledged and in this process's snapshot.

        Raises:
            TopicError: the broker did not acknowledge it; it may have been written nevertheless.
        """
        await self._write(resource.sid, encode(resource))

    async def remove(self, sid: str) -> None:
        """Remove the resource ``sid``; otherwise like ``put``."""
        await self._write(sid, None)  # null, so that compaction removes it

    async def _write(self, sid: str, value: bytes | None) -> None:
        answer = await self._producer.send(self._topic, value, key=key_of(sid))
        if isinstance(answer, NotAcked):
            raise TopicError(f"Kafka did not accept a write to {self._topic}: {answer.text}")
        await self._feed.wait_until(answer.offset + 1)
