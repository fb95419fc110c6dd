"""What is still on its way: the lag of consumer groups where Kafka is given, else what the API says that waits."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from eventstreams.client import AsyncEventStreams
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.committed import committed_offsets
from eventstreams.kafka.records import Partition
from eventstreams.settings import Settings
from eventstreams.topics import Topics

_MOST_MARKERS: Final = 20  # in a topic: each costs a look


class Backlog(Protocol):
    """Where it is looked up.

    Attributes:
        is_complete: Whatever may still come is in it.
    """

    @property
    def is_complete(self) -> bool: ...

    async def look(self) -> Mapping[str, int]:
        """How much waits where, in records; nothing where nothing waits."""
        ...


class ApiBacklog:
    """Asks for the health of each sink. What waits for a further attempt it does not tell."""

    is_complete = False

    def __init__(self, api: AsyncEventStreams, sink_sids: Sequence[str]) -> None:
        self._api = api
        self._sinks = sink_sids

    async def look(self) -> Mapping[str, int]:
        found = {}
        for sid in self._sinks:
            for each in (await self._api.sink_health(sid)).subscriptions:
                found[each.subscription_sid] = each.waiting
        return {name: waiting for name, waiting in found.items() if waiting}


class KafkaBacklog:
    """Asks Kafka how far routers and workers have committed."""

    def __init__(self, settings: Settings, sink_type: str, subscription_sids: Sequence[str], *, is_alone: bool) -> None:
        """A look-out.

        Args:
            settings: Which Kafka, and whose topics.
            sink_type: Of the subscriptions.
            subscription_sids: Whose topics are looked at.
            is_alone: Nobody else uses the installation, so that nothing at all may wait. Else what others publish
                meanwhile, and what of theirs is to be tried again, is left out.
        """
        self._settings = settings
        self._admin = KafkaAdmin(settings)
        self._topics = Topics(settings)
        self._sink_type = sink_type
        self._own = [self._topics.subscription(sink_type, sid) for sid in subscription_sids]
        self._is_alone = is_alone
        self._pinned: dict[Partition, int] = {}

    @property
    def is_complete(self) -> bool:
        return self._is_alone

    async def look(self) -> Mapping[str, int]:
        """Raises ``TopicError`` where Kafka does not say."""
        found = dict(await self._lag("router", [self._topics.events], keep=not self._is_alone))
        found |= await self._lag(f"worker.{self._sink_type}", self._own, keep=False)
        if self._is_alone:
            retries = list(self._topics.retries(self._sink_type, await self._admin.topics()))
            found |= await self._lag(f"worker.{self._sink_type}.retry", retries, keep=False)
        return {name: lag for name, lag in found.items() if lag}

    async def _lag(self, role: str, topics: Sequence[str], *, keep: bool) -> Mapping[str, int]:
        """``keep``: count what was there at the first look, and nothing that came later."""
        ends = {Partition(each.topic, each.partition): each.end for each in await self._admin.ranges(topics)}
        if keep:
            ends = {place: self._pinned.setdefault(place, end) for place, end in ends.items()}
        committed = await committed_offsets(self._settings, self._topics.group(role), list(ends))
        found: Counter[str] = Counter()
        for place, end in ends.items():
            found[place.topic] += max(end - committed.get(place, 0), 0)
        # A transaction's marker is at the end after the last record was settled, and stays.
        few = [topic for topic, lag in found.items() if 0 < lag <= _MOST_MARKERS and not keep]
        for topic in few:
            if await self._admin.has_settled(self._topics.group(role), topic):
                del found[topic]
        return found
