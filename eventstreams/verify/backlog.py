"""Finds out what is still on its way: from the lag of consumer groups if Kafka is given, otherwise from the API."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from eventstreams.client import AsyncEventStreams
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.committed import committed_offsets
from eventstreams.kafka.records import Partition
from eventstreams.settings import Settings
from eventstreams.topics import Topics

_MOST_MARKERS: Final = 20  # per topic; with a larger lag, it is not worth checking whether it is only markers


class Backlog(Protocol):
    """A source of the backlog.

    Attributes:
        is_complete: Whether it includes everything that may still arrive.
    """

    @property
    def is_complete(self) -> bool: ...

    async def look(self) -> Mapping[str, int]:
        """How many records wait, by place; places where nothing waits are left out."""
        ...


class ApiBacklog:
    """Asks the API for the health of each sink, which does not include what waits for a retry."""

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
        """Ask nothing yet.

        Args:
            settings: Which Kafka, and whose topics.
            sink_type: The subscriptions' sink type.
            subscription_sids: The subscriptions whose topics are checked.
            is_alone: Whether nobody else uses the installation, so that nothing at all may wait. Otherwise what others
                publish meanwhile is left out, and so are the retry topics.
        """
        self._settings = settings
        self._admin = KafkaAdmin(settings, chosen_by="--kafka")
        self._topics = Topics(settings)
        self._sink_type = sink_type
        self._own = [self._topics.subscription(sink_type, sid) for sid in subscription_sids]
        self._is_alone = is_alone
        self._pinned: dict[Partition, int] = {}

    @property
    def is_complete(self) -> bool:
        return self._is_alone

    async def look(self) -> Mapping[str, int]:
        """The lag by topic. Raises ``TopicError`` if Kafka does not answer, or refuses."""
        found = dict(await self._lag("router", [self._topics.events], keep=not self._is_alone))
        found |= await self._lag(f"worker.{self._sink_type}", self._own, keep=False)
        if self._is_alone:
            retries = list(self._topics.retries(self._sink_type, await self._admin.topics()))
            found |= await self._lag(f"worker.{self._sink_type}.retry", retries, keep=False)
        return {name: lag for name, lag in found.items() if lag}

    async def _lag(self, role: str, topics: Sequence[str], *, keep: bool) -> Mapping[str, int]:
        """The lag of a role's group by topic. With ``keep``, ignore records that arrived after the first look."""
        ends = {Partition(each.topic, each.partition): each.end for each in await self._admin.ranges(topics)}
        if keep:
            ends = {place: self._pinned.setdefault(place, end) for place, end in ends.items()}
        committed = await committed_offsets(self._settings, self._topics.group(role), list(ends))
        found: Counter[str] = Counter()
        for place, end in ends.items():
            found[place.topic] += max(end - committed.get(place, 0), 0)
        # After the last record was settled, a transaction's marker may remain uncommitted at the end, for good.
        few = [topic for topic, lag in found.items() if 0 < lag <= _MOST_MARKERS and not keep]
        for topic in few:
            if await self._admin.has_settled(self._topics.group(role), topic):
                del found[topic]
        return found
