"""Reads one partition from its start, follows it forever, and knows its position. Never commits."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import ListOffsetsResultInfo, OffsetSpec

from eventstreams.kafka.config import client_config
from eventstreams.kafka.records import Record, to_record
from eventstreams.kafka.refusals import Refusals
from eventstreams.settings import Settings

_POLL_S: Final = 0.1
_BATCH: Final = 1000
_REQUEST_S: Final = 10.0
_RETRY_S: Final = 0.2  # most failures take as long as the request's timeout; this bounds the rate of the others


class PartitionFollower:
    """Follows partition 0 of ``topic``. Use as ``async with``.

    ``on_records`` is called on the event loop, in the order of the partition; ``position`` is the next offset to be
    read, and advances after the records before it were handed over.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        *,
        on_records: Callable[[Sequence[Record]], None],
        on_crash: Callable[[BaseException], None],
        committed_end: bool = False,
        fetch_wait_ms: int = 100,
    ) -> None:
        """A follower.

        Args:
            settings: Which Kafka.
            topic: What to follow.
            on_records: Gets the records.
            on_crash: Called once, on the loop, when this follower cannot go on.
            committed_end: Where ``catch_up`` stops if a transaction is open: before it, where a reader has to stop now;
                if False, after it, once it is over.
            fetch_wait_ms: How long the broker may hold a fetch request while there are no records; each empty answer
                costs the broker. ``catch_up`` may take this long if the partition ends with a transaction marker.
        """
        self._partition = TopicPartition(topic, 0, 0)
        self._consumer = Consumer(
            client_config(
                settings,
                {
                    "group.id": f"{settings.topic_prefix}unused",  # required by the client; nothing joins or commits
                    "enable.auto.commit": False,
                    # We ask for offset 0 and get the first record that still exists. (Asking for OFFSET_BEGINNING
                    # takes half a second more, sometimes three, as the client retries on a timer.)
                    "auto.offset.reset": "earliest",
                    "enable.partition.eof": True,  # reports the end even if compaction removed the last records
                    "fetch.wait.max.ms": fetch_wait_ms,
                },
            )
        )
        self._refusals = Refusals(settings)
        self._asker = AdminClient(client_config(settings))
        self._end_of = IsolationLevel.READ_COMMITTED if committed_end else IsolationLevel.READ_UNCOMMITTED
        self._on_records = on_records
        self._on_crash = on_crash
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follow-{topic}", daemon=True)
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._round: asyncio.Task[None] | None = None
        self._next_round: asyncio.Task[None] | None = None
        self.position = 0

    async def __aenter__(self) -> Self:
        # The first request of a client that does not know the brokers yet can take three seconds; this avoids that.
        await self._look_for_leaders()
        self._consumer.assign([self._partition])
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in (self._round, self._next_round):
            if task is not None:
                task.cancel()
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    async def wait_until(self, offset: int) -> None:
        """Return once everything before ``offset`` has been handed over."""
        if self.position < offset:
            reached: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append((offset, reached))
            await reached

    async def catch_up(self) -> None:
        """Return once everything that was in the partition at the time of the call has been handed over.

        Whether that includes the records of a transaction that is open now depends on ``committed_end``. Concurrent
        callers share one request to the broker, which is repeated until a broker answers.
        """
        # A request in progress may have been answered before this call, so only one sent from now on counts.
        if self._next_round is None:
            self._next_round = asyncio.create_task(self._ask_after(self._round))
        await asyncio.shield(self._next_round)

    async def _ask_after(self, under_way: "asyncio.Task[None] | None") -> None:
        if under_way is not None:
            await asyncio.wait({under_way})
        self._round, self._next_round = self._next_round, None
        while True:
            try:
                end = await asyncio.wrap_future(self._ask_end())
            except KafkaException:
                await self._look_for_leaders()
                await asyncio.sleep(_RETRY_S)
            else:
                await self.wait_until(end.offset)
                return

    async def _look_for_leaders(self) -> None:
        with suppress(KafkaException):  # no broker answers: `catch_up` retries until one does
            await asyncio.to_thread(self._asker.list_topics, self._partition.topic, timeout=_REQUEST_S)

    def _ask_end(self) -> "Future[ListOffsetsResultInfo]":
        # Through a client of its own: a consumer serves only one thread, and ours is busy polling.
        asked = {TopicPartition(self._partition.topic, self._partition.partition): OffsetSpec.latest()}  # type: ignore[no-untyped-call]  # the library's gap
        answers = self._asker.list_offsets(asked, request_timeout=_REQUEST_S, isolation_level=self._end_of)
        return next(iter(answers.values()))

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._refusals.remind()
                first = self._consumer.poll(_POLL_S)
                if first is not None:  # a record without a value is false
                    self._hand_over([first, *self._consumer.consume(_BATCH - 1, 0)])
        except Exception as error:  # noqa: BLE001 - a thread's end must not pass unseen
            self._loop.call_soon_threadsafe(self._on_crash, error)
        finally:
            self._consumer.close()

    def _hand_over(self, messages: Sequence[Message]) -> None:
        records = [to_record(message) for message in messages if message.error() is None]
        last = messages[-1]
        error = last.error()
        ended = error is not None and error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001 - its public name
        if error is not None and error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            self._refusals.refused("topic", self._partition.topic)
        elif records or ended:
            self._refusals.allowed("topic", [self._partition.topic])
        position = (last.offset() or 0) if ended else records[-1].offset + 1 if records else None
        self._loop.call_soon_threadsafe(self._take, records, position)

    def _take(self, records: Sequence[Record], position: int | None) -> None:
        if records:
            self._on_records(records)
        if position is not None and position > self.position:
            self.position = position
            reached = [future for offset, future in self._waiting if offset <= position and not future.done()]
            self._waiting = [(offset, future) for offset, future in self._waiting if offset > position]
            for future in reached:
                future.set_result(None)
