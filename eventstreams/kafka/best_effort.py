"""A producer for what nobody waits for: it takes a record or drops it, never waits, and says how many it dropped."""

import logging
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Final, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from eventstreams.kafka.config import client_config
from eventstreams.settings import Settings

_QUEUE_KIB: Final = 16 << 10  # what may wait in memory while Kafka is away
_TIMEOUT_MS: Final = 30_000
_FLUSH_S: Final = 2.0  # at the end of the process

_LOG: Final = logging.getLogger(__name__)


class BestEffortProducer:
    """Everything happens on the thread that calls; ``poll`` must be called now and then for reports to come.

    A client of its own, so that a topic that stalls cannot fill the queue of those who wait for acknowledgements.
    Use as ``with``: leaving sends out what waits, for at most two seconds.
    """

    def __init__(self, settings: Settings, *, on_dropped: Callable[[int], None]) -> None:
        """A producer. ``on_dropped`` gets the weight of each record that Kafka did not take."""
        self._settings = settings
        self._on_dropped = on_dropped
        self._producer = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._producer.flush(_FLUSH_S):
            self._producer.purge()  # so that what is left is reported as dropped
            self._producer.flush(_FLUSH_S)

    def offer(self, topic: str, value: bytes, *, weight: int) -> None:
        """Have ``value`` sent, or drop it. ``weight``: what ``on_dropped`` gets if it is."""
        try:
            self._producer.produce(topic, value, on_delivery=partial(self._report, weight))
        except (BufferError, KafkaException):
            self._on_dropped(weight)

    def poll(self) -> None:
        """Have the reports that are there delivered; at once."""
        try:
            self._producer.poll(0)
        except KafkaException as error:  # librdkafka raises here what ends an idempotent producer for good
            _LOG.warning("producer.gave_up: %s: another takes its place", error.args[0].str())
            ended, self._producer = self._producer, self._open()
            ended.purge()
            ended.flush(0)  # what it held is reported as dropped

    @property
    def waiting(self) -> int:
        """Records that are neither acknowledged nor dropped."""
        return len(self._producer)

    def _report(self, weight: int, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._on_dropped(weight)

    def _open(self) -> Producer:
        return Producer(
            client_config(
                self._settings,
                {
                    "enable.idempotence": True,  # no duplicates from the client's own retries
                    "linger.ms": 0,  # whoever calls has gathered what shares a record
                    "delivery.timeout.ms": _TIMEOUT_MS,
                    "queue.buffering.max.kbytes": _QUEUE_KIB,
                    "compression.type": "lz4",
                    "message.max.bytes": 4 << 20,  # the topic decides what is too large
                    "topic.metadata.propagation.max.ms": 5000,
                },
            )
        )
