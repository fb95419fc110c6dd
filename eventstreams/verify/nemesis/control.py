"""A control topic that is slow."""

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
_AGAIN_S: Final = 0.2  # after nobody led it: an election takes about as long


class Brokers(Protocol):
    """What this fault needs of the thing that is attacked."""

    @property
    def kafka(self) -> str:
        """Bootstrap servers that no fault is on the way to."""
        ...

    def links_to(self, called: str) -> Sequence[Link]:
        """From whoever calls the broker ``called``, which is ``kafka-`` with its number."""
        ...


@dataclass(slots=True)
class SlowControl:
    """Whatever the leader of the control topic answers takes longer; what else it leads does so as well.

    Of one broker alone that is all that it answers, to everybody at once. Who leads is asked for ``ask_s`` seconds.
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
        """The broker's number; None where there is none for as long as one is waited for."""
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
