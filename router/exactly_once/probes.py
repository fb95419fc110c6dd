"""Probes whether an avoided topic accepts copies again, with a copy that is never committed, so nobody reads it."""

import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from eventstreams.settings import Settings
from eventstreams.topics import Topics
from router.copying.avoided_topics import AvoidedTopics
from router.copying.copies import Source
from router.exactly_once.transactions import transactional_config
from router.planning.plan import Copy

_PATIENCE_S: Final = 3.0
_TURN_S: Final = 0.1


class Probes:
    """Probes one topic at a time, on a thread of its own. The public methods are for the lane's thread."""

    def __init__(self, settings: Settings, avoided_topics: AvoidedTopics) -> None:
        self._settings = settings
        self._avoided_topics = avoided_topics
        self._pool = ThreadPoolExecutor(1, "router-probe")
        self._out: tuple[Copy, int, Future[bool]] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no probe is under way, so that another may be sent."""
        return self._out is None

    def send(self, copy: Copy, source: Source, *, partition: int) -> None:
        """Start probing whether ``partition`` of the topic of ``copy`` accepts it; -1: the one that its key selects."""
        value, key = source.value, source.key
        self._out = copy, partition, self._pool.submit(self._takes, copy, key, value, partition)

    def look(self) -> None:
        """Pass the result of the probe under way to ``avoided_topics``, if it is there."""
        if self._out is None or not self._out[2].done():
            return
        (copy, partition, answer), self._out = self._out, None
        if answer.result():
            self._avoided_topics.take_back(copy.topic, partition)
        else:
            self._avoided_topics.avoid(copy, partition)

    # -- on a thread of its own ------------------------------------------------------------------------------

    def _takes(self, copy: Copy, key: bytes | None, value: bytes | None, partition: int) -> bool:
        # A transactional id for each probe: one whose last transaction is still open cannot begin another.
        transactional_id = f"{Topics(self._settings).group('router')}.probe.{uuid.uuid4().hex}"
        config = transactional_config(self._settings, transactional_id) | {"delivery.report.only.error": False}
        client = Producer(config)
        arrived: list[bool] = []

        def report(error: KafkaError | None, _: Message) -> None:
            arrived.append(error is None)

        try:
            if not _has_leaders(client, copy.topic, partition):
                return False  # without beginning a transaction, which would stay open until there is a leader
            client.init_transactions(_PATIENCE_S)
            client.begin_transaction()
            client.produce(copy.topic, value, key, partition, headers=list(copy.headers), on_delivery=report)
            client.flush(_PATIENCE_S)
            client.abort_transaction(_PATIENCE_S)
        except (KafkaException, BufferError):
            return False
        return arrived == [True]


def _has_leaders(client: Producer, topic: str, partition: int) -> bool:
    found = client.list_topics(topic, timeout=_PATIENCE_S).topics[topic]
    asked = [each.leader for number, each in found.partitions.items() if partition in {number, -1}]
    return found.error is None and bool(asked) and min(asked) >= 0
