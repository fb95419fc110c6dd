"""Leader election: of several processes, the one to which a consumer group assigns a topic's only partition leads.

The group's coordinator notices a dead or silent member and gives its seat to another. A process that was silent may
not yet know that it has lost the seat, so holding the seat alone does not permit writing: see ``transaction``.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from eventstreams.kafka.config import client_config
from eventstreams.settings import Settings

_LOG: Final = logging.getLogger(__name__)
_POLL_S: Final = 0.1
# The minimum that brokers allow by default (group.min.session.timeout.ms). A dead member's seat is free after it.
SESSION_S: Final = 6.0
_HEARTBEAT_S: Final = 0.5  # how soon the others learn that a seat is free


class GroupSeat:
    """A candidate for the seat of ``group``. Use as ``async with``; leaving gives the seat to another at once.

    Membership is dynamic even if ``settings.instance`` is set, because a static member that leaves keeps its seat until
    its session expires.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        group: str,
        topic: str,
        on_taken: Callable[[], None],
        on_lost: Callable[[], None],
        on_crash: Callable[[BaseException], None],
    ) -> None:
        """A candidate.

        Args:
            settings: Which Kafka.
            group: The consumer group that decides.
            topic: Its partition 0 is the seat. Nothing of it is read or committed.
            on_taken: Called on the loop when the seat becomes ours.
            on_lost: Called on the loop when it no longer is.
            on_crash: Called once, on the loop, when this candidate cannot go on.
        """
        self._seat = TopicPartition(topic, 0, OFFSET_END)
        self._consumer = Consumer(
            client_config(
                settings,
                {
                    "group.id": group,
                    "partition.assignment.strategy": "cooperative-sticky",  # whoever joins takes it from nobody
                    "session.timeout.ms": int(SESSION_S * 1000),
                    "heartbeat.interval.ms": int(_HEARTBEAT_S * 1000),
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                },
            )
        )
        self._on_taken = on_taken
        self._on_lost = on_lost
        self._on_crash = on_crash
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._wishes: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"seat-{group}", daemon=True)

    async def __aenter__(self) -> Self:
        self._wishes.put(self._join)
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    async def leave(self) -> None:
        """Give up the seat, or the candidacy, for good."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    def stand_again(self) -> None:
        """Leave the group and rejoin, so that the coordinator decides afresh who holds the seat."""
        self._wishes.put(self._consumer.unsubscribe)
        self._wishes.put(self._join)

    # -- on the consumer's thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                while not self._wishes.empty():
                    self._wishes.get()()
                message = self._consumer.poll(_POLL_S)
                if message is not None and (error := message.error()) is not None:
                    _judge(error)
            self._consumer.close()  # tells the coordinator, which gives the seat away
        except Exception as error:  # noqa: BLE001 - a thread's end must not pass unseen
            self._tell(lambda: self._on_crash(error))

    def _join(self) -> None:
        topics = [self._seat.topic]
        self._consumer.subscribe(topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        ours = [self._seat for each in partitions if each.partition == self._seat.partition]
        consumer.incremental_assign(ours)
        if ours:
            consumer.pause(ours)
            self._tell(self._on_taken)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_unassign(partitions)
        if any(each.partition == self._seat.partition for each in partitions):
            self._tell(self._on_lost)

    def _tell(self, what: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(what)


def _judge(error: KafkaError) -> None:
    if error.fatal():
        raise KafkaException(error)
    _LOG.warning("seat.not_reachable: %s", error.str())  # the client goes on by itself
