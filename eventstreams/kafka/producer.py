"""An idempotent producer whose every send is answered by the broker's acknowledgement, or says why not."""

import asyncio
import threading
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from eventstreams.errors import FatalProducerError
from eventstreams.headers import Headers
from eventstreams.kafka.config import client_config
from eventstreams.settings import Settings

_POLL_S: Final = 0.1  # how long the thread waits for reports before it looks whether it is to stop
_FLUSH_S: Final = 10.0

LASTING: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD})
"""Error codes that say that no broker will ever take this record."""


@dataclass(frozen=True, slots=True)
class Acked:
    """The broker has the record, on all in-sync replicas; ``timestamp_ms`` is its own clock's."""

    partition: int
    offset: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class NotAcked:
    """The broker did not say that it has the record; it may have it nevertheless.

    Attributes:
        retriable: Sending again can succeed. False for a record that no broker will ever take.
    """

    text: str
    retriable: bool


class AckedProducer:
    """One librdkafka producer and the thread that serves its reports.

    Use as ``async with``: leaving sends out what waits, for at most ten seconds.
    """

    def __init__(self, settings: Settings, *, linger_ms: float = 5, timeout_s: float = 60) -> None:
        """A producer.

        Args:
            settings: Which Kafka.
            linger_ms: How long a record waits for others to share its request.
            timeout_s: After this a record that is not acknowledged is given up and reported.
        """
        self._producer = Producer(
            client_config(
                settings,
                {
                    "enable.idempotence": True,  # acks=all, in order, no duplicates from the client's own retries
                    "linger.ms": linger_ms,
                    "delivery.timeout.ms": int(timeout_s * 1000),
                    "compression.type": "lz4",
                    "message.max.bytes": 4 << 20,  # the topics decide what is too large
                    # A topic that was just deleted is given up after 5 s, not after 30.
                    "topic.metadata.propagation.max.ms": 5000,
                },
            )
        )
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._reports: list[tuple[asyncio.Future[Acked | NotAcked], KafkaError | None, Message]] = []
        self._stopping = threading.Event()
        self._fatal: KafkaError | None = None
        self._thread = threading.Thread(target=self._serve, name="kafka-producer", daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._producer.flush, _FLUSH_S)
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int = -1,
    ) -> Acked | NotAcked:
        """Return the broker's answer. Sends from one task keep their order in a partition.

        Raises:
            FatalProducerError: this producer can never send again.
        """
        return await (await self.enqueue(topic, value, key=key, headers=headers, partition=partition))

    async def enqueue(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int = -1,
    ) -> "asyncio.Future[Acked | NotAcked]":
        """As ``send``, but return once the record is in the client's queue; await the result for the answer.

        Waits while the queue is full.
        """
        answer: asyncio.Future[Acked | NotAcked] = self._loop.create_future()
        while True:
            if self._fatal is not None:
                raise FatalProducerError(f"Kafka's producer gave up: {self._fatal.str()}")
            try:
                self._producer.produce(
                    topic,
                    value,
                    key,
                    partition,
                    headers=list(headers),
                    on_delivery=partial(self._report, answer),
                )
            except BufferError:
                self._room.clear()
                await self._room.wait()
            except KafkaException as error:
                answer.set_result(_not_acked(error.args[0]))
                return answer
            else:
                return answer

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                self._producer.poll(_POLL_S)
            except KafkaException as error:  # librdkafka raises here what ends an idempotent producer for good
                self._loop.call_soon_threadsafe(self._give_up, error.args[0])
            if self._reports:
                reports, self._reports = self._reports, []
                self._loop.call_soon_threadsafe(self._resolve, reports)

    def _give_up(self, error: KafkaError) -> None:
        self._fatal = error
        self._room.set()  # whoever waits for room is told as well

    def _report(self, answer: "asyncio.Future[Acked | NotAcked]", error: KafkaError | None, message: Message) -> None:
        self._reports.append((answer, error, message))

    def _resolve(self, reports: list[tuple["asyncio.Future[Acked | NotAcked]", KafkaError | None, Message]]) -> None:
        self._room.set()
        for answer, error, message in reports:
            if answer.done():  # its task was cancelled
                continue
            if error is None:
                answer.set_result(Acked(message.partition() or 0, message.offset() or 0, message.timestamp()[1]))
            else:
                answer.set_result(_not_acked(error))


def _not_acked(error: KafkaError) -> NotAcked:
    return NotAcked(error.str(), retriable=error.code() not in LASTING)
