"""Ensures that every partition of a group with static members is assigned to somebody.

A partition moves in two rebalances: in the first its owner gives it up and asks for a second, in which the new owner
gets it. A static member that restarts gets back the share that it had, without a rebalance. So if all members are
killed between the two and come back, the partition on the move belongs to nobody, and nobody asks for the second
rebalance: Kafka considers the group stable. An extra member that joins and leaves makes Kafka assign everything anew.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from eventstreams.kafka.config import client_config
from eventstreams.kafka.members import find_group
from eventstreams.kafka.records import Partition
from eventstreams.settings import Settings

LOOK_S: Final = 30.0  # longer than a rebalance with slow drains: what is missing at two checks will stay missing
_ANSWER_S: Final = 10.0
_JOIN_S: Final = 30.0

_LOG: Final = logging.getLogger(__name__)


class WholeGroup:
    """Checks and repairs the group on behalf of one member. Every member may run it; only the first by name acts."""

    def __init__(
        self,
        settings: Settings,
        config: Mapping[str, object],
        *,
        group: str,
        instance: str,
        topics: Callable[[], Sequence[str]],
        look_s: float = LOOK_S,
    ) -> None:
        """Check nothing yet; see ``keep``.

        Args:
            settings: Which Kafka.
            config: Configuration of the client that briefly joins the group; without a ``group.instance.id``.
            group: Consumer group id.
            instance: The member's name in the group.
            topics: Returns the topics that the group should read now.
            look_s: Seconds between two checks.
        """
        self._admin = AdminClient(client_config(settings, {}))
        self._config = dict(config)
        self._group = group
        self._instance = instance
        self._topics = topics
        self._look_s = look_s

    async def keep(self) -> None:
        """Check and repair, forever."""
        missing: set[Partition] = set()
        while True:
            await asyncio.sleep(self._look_s)
            try:
                found = await asyncio.to_thread(self._missing)
                if lasting := missing & found:
                    _LOG.warning(
                        "group.not_whole: in %s, %d partitions are assigned to no member: forcing a rebalance",
                        self._group,
                        len(lasting),
                    )
                    await asyncio.to_thread(self._come_and_go)
                    found = set()
                missing = found
            except KafkaException as error:
                _LOG.debug("group.not_looked_at: %s: %s", self._group, error)

    def _missing(self) -> set[Partition]:
        """Unassigned partitions; empty during a rebalance, or if another member is the one to act."""
        found = find_group(self._admin, self._group)
        names = sorted(name for each in found.members if (name := each.name_in(self._group)))
        if not found.is_stable or not names or names[0] != self._instance:
            return set()
        owned = {partition for each in found.members for partition in each.share}
        there = self._admin.list_topics(timeout=_ANSWER_S).topics
        wanted = {
            Partition(topic, each) for topic in self._topics() if topic in there for each in there[topic].partitions
        }
        return wanted - owned

    def _come_and_go(self) -> None:
        """Join the group, wait for an assignment, and leave."""
        joined: list[list[TopicPartition]] = []
        extra = Consumer(self._config)
        try:
            extra.subscribe(list(self._topics()), on_assign=lambda _, share: joined.append(share))
            until = time.monotonic() + _JOIN_S
            while not joined and time.monotonic() < until:
                extra.poll(0.1)
        finally:
            extra.close()
