"""A producer whose every send is answered by the broker's acknowledgement, or says why not."""

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

_POLL_S: Final = 0.1  # how long the thread waits for reports before it looks whether it is to stop
_FLUSH_S: Final = 10.0

_BUFFER_RECORDS: Final = 100_000  # two seconds of what one process can make
BUFFER_BYTES: Final = 256 << 20  # that many of 2.5 KiB, which is a large event

LASTING: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD})
"""Error codes that say that no broker will ever take this record."""


class Acked(NamedTuple):
    """The broker has the record, on all in-sync replicas; ``timestamp_ms`` is its own clock's.

    A tuple, as there is one for every record: a frozen dataclass takes twice as long to make.
    """

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
    """Records that are enqueued together, and what became of them so far.

    Each answer takes one of ``ticks``, and so does the end of enqueueing; who takes the last one ends the run. Two
    threads never take the same.
    """

    __slots__ = ("answers", "future", "size", "ticks")

    def __init__(self, future: "asyncio.Future[list[Answer]]") -> None:
        self.answers: list[Answer] = []
        self.future = future
        self.size = -1  # not known yet
        self.ticks = count()

    def tick(self) -> bool:
        """Whether this was the last one."""
        return next(self.ticks) == self.size


class AckedProducer:
    """One librdkafka producer and the thread that serves its reports.

    Use as ``async with``: leaving sends out what waits, for at most ten seconds.
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
            timeout_s: After this a record that is not acknowledged is given up and reported.
            buffer_records: How many may wait for their acknowledgement.
            buffer_bytes: Of their values (librdkafka counts no more); kept to the KiB.
            idempotent: Whether what the client sends again by itself is there once, and in order. For that it needs an
                id of Kafka's, for which it asks when it has a connection, or half a second later.
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
                    # A topic that was just deleted is given up after 5 s, not after 30.
                    "topic.metadata.propagation.max.ms": 5000,
                },
            )
        )
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._reports: list[tuple[asyncio.Future[Acked | NotAcked], KafkaError | None, Message]] = []
        self._runs: deque[_Run] = deque()  # answered in full
        self._stopping = threading.Event()
        self._fatal: KafkaError | None = None
        self.acked = 0
        """Records that the broker has acknowledged so far: to see whether there is progress (at the end two threads
        count, and may count one)."""
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
        self._resolve_runs()
        self._resolve(self._reports)

    @property
    def waiting(self) -> int:
        """Records that the broker has not acknowledged yet."""
        return len(self._producer)

    def _flush(self) -> None:
        """Send out what waits; what cannot be sent is given up, so that nobody waits for its answer for ever."""
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

    def enqueue_many(self, topic: str, records: Iterable[Sendable]) -> "asyncio.Future[list[Answer]]":
        """As ``enqueue`` for each of ``records``, at half its cost: the answers by position, once there are all.

        ``records`` are taken one by one and none is kept, so that what they are made of is reused at once. Never
        waits: what comes when the queue is full, and what follows that, is ``NoRoom``.

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
        """Whether there was room."""
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
            except KafkaException as error:  # librdkafka raises here what ends an idempotent producer for good
                self._loop.call_soon_threadsafe(self._give_up, error.args[0])
            if self._runs:
                self._loop.call_soon_threadsafe(self._resolve_runs)
            if self._reports:
                reports, self._reports = self._reports, []
                self._loop.call_soon_threadsafe(self._resolve, reports)

    def _give_up(self, error: KafkaError) -> None:
        self._fatal = error
        self._room.set()  # whoever waits for room is told as well

    def _report(self, answer: "asyncio.Future[Acked | NotAcked]", error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.acked += 1
        self._reports.append((answer, error, message))

    def _resolve_runs(self) -> None:
        self._room.set()
        while self._runs:
            run = self._runs.popleft()
            if not run.future.done():  # its task was cancelled
                run.future.set_result(run.answers)

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
