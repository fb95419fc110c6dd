"""A producer whose every send returns the broker's acknowledgement, or why there is none."""

import asyncio
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import count
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from eventstreams.errors import FatalProducerError
from eventstreams.headers import Headers
from eventstreams.kafka.config import client_config
from eventstreams.settings import Settings

_POLL_S: Final = 0.1  # how long the thread waits for delivery reports before it checks whether to stop
_FLUSH_S: Final = 10.0

_BUFFER_RECORDS: Final = 100_000  # two seconds of what one process can produce
BUFFER_BYTES: Final = 256 << 20  # 100,000 records of 2.5 KiB, which is a large event

LASTING: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD})
"""Error codes that mean that no broker will ever accept this record."""


class Acked(NamedTuple):
    """All in-sync replicas have the record; ``timestamp_ms`` is the broker's.

    A tuple because one is created for every record: creating a frozen dataclass takes twice as long.
    """

    partition: int
    offset: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class NotAcked:
    """The broker did not acknowledge the record; it may have it nevertheless.

    Attributes:
        retriable: Sending again can succeed. False for a record that no broker will ever accept.
    """

    text: str
    retriable: bool


@dataclass(frozen=True, slots=True)
class NoRoom:
    """The client's buffer had no room for the record. It was not sent; there is room once others are acknowledged."""


Answer = Acked | NotAcked | NoRoom
_NO_ROOM: Final = NoRoom()


class Sendable(Protocol):
    """A record without its topic."""

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes: ...

    @property
    def headers(self) -> Headers: ...


class _Run:
    """Records that are enqueued together, and their answers so far.

    Every answer takes one of ``ticks``, and so does the end of enqueueing; whoever takes the last one completes the
    run. ``count`` never gives two threads the same number.
    """

    __slots__ = ("answers", "future", "size", "ticks")

    def __init__(self, future: "asyncio.Future[list[Answer]]") -> None:
        self.answers: list[Answer] = []
        self.future = future
        self.size = -1  # not known yet
        self.ticks = count()

    def tick(self) -> bool:
        """Take a tick; returns whether it was the last one."""
        return next(self.ticks) == self.size


class AckedProducer:
    """One librdkafka producer and the thread that serves its delivery reports.

    Use as ``async with``: leaving flushes what is waiting, for at most ten seconds.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        linger_ms: float = 5,
        timeout_s: float = 60,
        buffer_records: int = _BUFFER_RECORDS,
        buffer_bytes: int = BUFFER_BYTES,
        idempotent: bool = True,
    ) -> None:
        """A producer.

        Args:
            settings: Which Kafka.
            linger_ms: How long a record waits for others to share its request.
            timeout_s: After this time an unacknowledged record is given up and reported.
            buffer_records: The most records that may wait for their acknowledgement.
            buffer_bytes: The most bytes of their values (librdkafka counts nothing else); rounded down to KiB.
            idempotent: Whether the client's own retries keep order and never duplicate. This needs a producer id from
                Kafka, which the client requests when it has a connection, or half a second later.
        """
        self._producer = Producer(
            client_config(
                settings,
                {
                    "acks": "all",
                    "enable.idempotence": idempotent,
                    "linger.ms": linger_ms,
                    "delivery.timeout.ms": int(timeout_s * 1000),
                    "compression.type": "lz4",
                    "queue.buffering.max.messages": buffer_records,
                    "queue.buffering.max.kbytes": max(buffer_bytes >> 10, 1),
                    "message.max.bytes": 4 << 20,  # the topics decide what is too large
                    # Give up on a topic that was just deleted after 5 s, not after 30.
                    "topic.metadata.propagation.max.ms": 5000,
                },
            )
        )
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._reports: deque[tuple[asyncio.Future[Acked | NotAcked], KafkaError | None, Message]] = deque()
        self._runs: deque[_Run] = deque()  # answered in full
        self._stopping = threading.Event()
        self._fatal: KafkaError | None = None
        self.acked = 0
        """Records that the broker has acknowledged so far. For watching progress only: at the end two threads count,
        and may lose an increment."""
        self._thread = threading.Thread(target=self._serve, name="kafka-producer", daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._flush)
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)
        self._resolve()

    @property
    def waiting(self) -> int:
        """Records that the broker has not acknowledged yet."""
        return len(self._producer)

    def _flush(self) -> None:
        """Send what is waiting; what cannot be sent is given up, so that nobody waits forever for its answer."""
        if self._producer.flush(_FLUSH_S):
            self._producer.purge()
            self._producer.flush(_FLUSH_S)

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int = -1,
    ) -> Acked | NotAcked:
        """Send one record and return the broker's answer. Sends from one task keep their order in a partition.

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
        """Like ``send``, but return as soon as the record is in the client's queue; await the result for the answer.

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

    def enqueue_many(self, topic: str, records: Iterable[Sendable]) -> "asyncio.Future[list[Answer]]":
        """Enqueue ``records`` at half the cost of ``enqueue``. The result: all answers in order, once all are there.

        ``records`` are consumed one by one and none is kept, so that their memory is reused at once. Never waits: once
        the queue is full, that record and all after it are answered ``NoRoom``.

        Raises:
            FatalProducerError: this producer can never send again.
        """
        if self._fatal is not None:
            raise FatalProducerError(f"Kafka's producer gave up: {self._fatal.str()}")
        run, room = _Run(self._loop.create_future()), True
        for index, record in enumerate(records):
            run.answers.append(_NO_ROOM)
            room = room and self._produce(topic, record, run, index)
            if not room:
                run.tick()
        run.size = len(run.answers)
        if run.tick():
            run.future.set_result(run.answers)
        return run.future

    def _produce(self, topic: str, record: Sendable, run: _Run, index: int) -> bool:
        """Enqueue one record; returns whether there was room."""
        report = partial(self._report_of, run, index)
        try:
            self._producer.produce(topic, record.value, record.key, headers=list(record.headers), on_delivery=report)
        except BufferError:
            return False
        except KafkaException as error:
            run.answers[index] = _not_acked(error.args[0])
            run.tick()
        return True

    def _report_of(self, run: _Run, index: int, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.acked += 1
            run.answers[index] = Acked(message.partition() or 0, message.offset() or 0, message.timestamp()[1])
        else:
            run.answers[index] = _not_acked(error)
        if run.tick():
            self._runs.append(run)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                self._producer.poll(_POLL_S)
            except KafkaException as error:  # librdkafka raises a fatal error of an idempotent producer here
                self._loop.call_soon_threadsafe(self._give_up, error.args[0])
            if self._runs or self._reports:
                self._loop.call_soon_threadsafe(self._resolve)

    def _give_up(self, error: KafkaError) -> None:
        self._fatal = error
        self._room.set()  # wake whoever waits for room, to be told too

    def _report(self, answer: "asyncio.Future[Acked | NotAcked]", error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.acked += 1
        self._reports.append((answer, error, message))

    def _resolve(self) -> None:
        self._room.set()
        while self._runs:
            run = self._runs.popleft()
            if not run.future.done():  # its task was cancelled
                run.future.set_result(run.answers)

        while self._reports:  # taken one by one: while it is flushed, two threads add to them
            answer, error, message = self._reports.popleft()
            if answer.done():  # its task was cancelled
                continue
            if error is None:
                answer.set_result(Acked(message.partition() or 0, message.offset() or 0, message.timestamp()[1]))
            else:
                answer.set_result(_not_acked(error))


def _not_acked(error: KafkaError) -> NotAcked:
    return NotAcked(error.str(), retriable=error.code() not in LASTING)
