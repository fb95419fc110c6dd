"""A producer for records that nobody waits for: it queues or drops a record, never waits, and counts what it drops."""

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
    """Sends without waiting. Everything happens on the calling thread; call ``poll`` now and then to get reports.

    It has a client of its own, so that a stalled topic cannot fill the queue of senders that wait for acknowledgements.
    Use as ``with``: leaving flushes what is waiting, for at most two seconds.
    """

    def __init__(self, settings: Settings, *, on_dropped: Callable[[int], None]) -> None:
        """``on_dropped`` is called with the weight of each record that Kafka did not acknowledge."""
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
        """Queue ``value`` for sending, or drop it. ``weight`` is passed to ``on_dropped`` if it is dropped."""
        try:
            self._producer.produce(topic, value, on_delivery=partial(self._report, weight))
        except (BufferError, KafkaException):
            self._on_dropped(weight)

    def poll(self) -> None:
        """Deliver the reports that are ready. Never waits."""
        try:
            self._producer.poll(0)
        except KafkaException as error:  # librdkafka raises a fatal error of an idempotent producer here
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
                    "linger.ms": 0,  # callers have already batched what shares a record
                    "delivery.timeout.ms": _TIMEOUT_MS,
                    "queue.buffering.max.kbytes": _QUEUE_KIB,
                    "compression.type": "lz4",
                    "message.max.bytes": 4 << 20,  # the topic decides what is too large
                    "topic.metadata.propagation.max.ms": 5000,
                },
            )
        )
