"""A fault that makes the control topic slow."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from eventstreams.settings import Settings
from eventstreams.topics import Topics
from eventstreams.verify.nemesis.network import Slow
from eventstreams.verify.nemesis.proxy import Link

_ASK_S: Final = 10.0
_AGAIN_S: Final = 0.2  # if nobody leads it: an election takes about as long


class Brokers(Protocol):
    """What this fault needs of the attacked site."""

    @property
    def kafka(self) -> str:
        """Bootstrap servers that are reached without going through a link."""
        ...

    def links_to(self, called: str) -> Sequence[Link]:
        """The links over which the broker ``called``, such as ``kafka-1``, is called."""
        ...


@dataclass(slots=True)
class SlowControl:
    """Delays all answers of the broker that leads the control topic, also about the other partitions that it leads.

    With a single broker, these are all of Kafka's answers. The leader is looked up for at most ``ask_s`` seconds.
    """

    site: Brokers
    delay_s: float
    ask_s: float = _ASK_S
    _slow: Slow | None = None
    _is_leaderless: bool = False

    @property
    def detail(self) -> str:
        if self._is_leaderless:
            return "the control topic has no leader: nothing is slowed down"
        return (
            f"the leader of the control topic answers {self.delay_s * 1000:.0f} to {self.delay_s * 2000:.0f} ms later"
        )

    async def inflict(self) -> None:
        leader = await asyncio.to_thread(self._leader)
        self._is_leaderless = leader is None
        if leader is not None:
            self._slow = Slow(self.site.links_to(f"kafka-{leader}"), self.delay_s)
            await self._slow.inflict()

    async def heal(self) -> None:
        if self._slow is not None:
            await self._slow.heal()

    def _leader(self) -> int | None:
        """The number of the leading broker; None if there is none within ``ask_s`` seconds."""
        topic = Topics(Settings.load(kafka=self.site.kafka)).control
        client = AdminClient({"bootstrap.servers": self.site.kafka, "log_level": 0})
        deadline = time.monotonic() + self.ask_s
        while (left_s := deadline - time.monotonic()) > 0:
            try:
                found = client.list_topics(topic, timeout=left_s).topics[topic]
            except KafkaException:
                return None
            if found.partitions and found.partitions[0].leader > 0:
                number: int = found.partitions[0].leader
                return number
            time.sleep(_AGAIN_S)
        return None
