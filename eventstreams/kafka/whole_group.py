"""Sees to it that a group whose members keep their names shares out all that it has.

A partition moves in two rebalances: in the first its owner gives it up, and asks for the second, in which the other one
gets it. Whoever comes back under its name gets the share that it had, without a rebalance. So where all members are
killed between the two, and come back, what was on its way belongs to nobody, and nobody asks for the second: Kafka
calls the group stable. Another member that comes and goes makes it share out anew.
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

LOOK_S: Final = 30.0  # a rebalance, with slow drains, is over by then: what is missing at two looks stays so
_ANSWER_S: Final = 10.0
_JOIN_S: Final = 30.0

_LOG: Final = logging.getLogger(__name__)


class WholeGroup:
    """Looks, for one member of ``group``, and mends. All members may: only the first by name does it."""

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
        """Nothing is looked at yet.

        Args:
            settings: Which Kafka.
            config: Of a client that is to join the group for a moment; without a name of its own.
            group: Consumer group id.
            instance: The member's name in the group.
            topics: What the group is to read now.
            look_s: How long between two looks.
        """
        self._admin = AdminClient(client_config(settings, {}))
        self._config = dict(config)
        self._group = group
        self._instance = instance
        self._topics = topics
        self._look_s = look_s

    async def keep(self) -> None:
        """Look, and mend, for ever."""
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
        """Partitions in nobody's share; empty where the group is in a rebalance, or others are to look after it."""
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
        """Be a member for a moment."""
        joined: list[list[TopicPartition]] = []
        extra = Consumer(self._config)
        try:
            extra.subscribe(list(self._topics()), on_assign=lambda _, share: joined.append(share))
            until = time.monotonic() + _JOIN_S
            while not joined and time.monotonic() < until:
                extra.poll(0.1)
        finally:
            extra.close()
