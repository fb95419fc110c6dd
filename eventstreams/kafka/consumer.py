"""One member of a consumer group. **The only place in the project that commits**, but for Faust's in the router.

It commits what its owner calls committable: on a timer, and at revocation after the owner has drained.
Nothing else can: the client is private to this module.

The client is used on one thread only. (Since confluent-kafka 2.16 a call from a second thread waits until the first
has left its own, which a polling thread hardly ever does.) What the event loop wants of it goes through a queue
that the thread looks at between polls.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Final, Protocol, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from eventstreams.kafka.config import client_config
from eventstreams.kafka.records import Partition, Record, to_record
from eventstreams.settings import Settings

_LOG: Final = logging.getLogger(__name__)
_POLL_S: Final = 0.1
_PAUSED_POLL_S: Final = 0.005  # while a partition is paused its lane may want it back at any moment
_BATCH: Final = 500  # records handed over at once; larger runs gain nothing (measured: 130,000/s)
_REJOIN_S: Final = 60.0  # a rebalance takes a second or two, with slow drains up to ten
_MOST_CLOSING: Final = 3  # clients that were replaced and do not end
_CLOSE_S: Final = 5.0
_HANDED_OVER: Final = 4  # batches on their way to the loop; the thread waits beyond that
COMMIT_INTERVAL_S: Final = 0.2  # a killed process repeats at most what it settled in so long

Offsets = Mapping[Partition, int]
"""The **next** offset to be read of each partition, as Kafka commits it."""


class PartitionOwner(Protocol):
    """What a ``GroupConsumer`` feeds. All calls come on the event loop."""

    def on_assigned(self, partitions: Sequence[Partition]) -> None:
        """These are ours now; records from their committed offsets on will follow."""

    async def on_revoked(self, partitions: Sequence[Partition]) -> Offsets:
        """Settle what is in flight of them, within a bound, then forget them; return how far they are settled."""

    def on_lost(self, partitions: Sequence[Partition]) -> None:
        """They belong to somebody else already: stop at once; nothing of them can be committed any more."""

    def on_records(self, records: Sequence[Record]) -> None:
        """Fetched records, each partition's in order."""

    def committable(self) -> Offsets:
        """How far each partition is settled, contiguously; partitions without progress may be left out."""


class GroupConsumer:
    """Joins ``group`` and feeds ``owner``. Use as ``async with``; leaving drains, commits and leaves the group."""

    def __init__(
        self,
        settings: Settings,
        *,
        group: str,
        owner: PartitionOwner,
        on_crash: Callable[[BaseException], None],
        buffer_mib: int = 16,
        rejoin_s: float = _REJOIN_S,
    ) -> None:
        """A member of ``group``.

        Args:
            settings: Which Kafka; ``settings.instance`` makes the membership static.
            group: Consumer group id.
            owner: Gets the records.
            on_crash: Called once, on the loop, when this consumer cannot go on.
            buffer_mib: Most that the client fetches ahead of the owner, over all partitions together.
            rejoin_s: How long to be out of the group before another client takes the place of ours.
        """
        static = {"group.instance.id": f"{group}-{settings.instance}"} if settings.instance else {}
        self._config = client_config(
            settings,
            {
                "group.id": group,
                "partition.assignment.strategy": "cooperative-sticky",  # a change of members stops only what moves
                "session.timeout.ms": 10_000,  # a dead member's share moves on after ten seconds
                "heartbeat.interval.ms": 2_000,
                "auto.offset.reset": "earliest",  # a subscription's topic starts with the subscription
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                # A partition that is fetched again joins the next request: this is how long that may take.
                "fetch.wait.max.ms": 100,
                "queued.max.messages.kbytes": buffer_mib * 1024,
                "on_commit": self._committed,
                **static,
            },
        )
        self._consumer = Consumer(self._config)
        self._owner = owner
        self._on_crash = on_crash
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._slots = threading.BoundedSemaphore(_HANDED_OVER)
        self._thread = threading.Thread(target=self._run, name=f"consume-{group}", daemon=True)
        self._wishes: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._ours: set[Partition] = set()  # of the thread; a wish can come when its partition is gone
        self._paused: set[Partition] = set()
        self._topics: list[str] = []
        self._subscribed: list[str] = []  # of the thread
        self._rejoin_s = rejoin_s
        self._out_since: float | None = None  # of the group, although it is subscribed
        self._closing: list[threading.Thread] = []
        self.joins = 0
        """How often it has got a share of the group's partitions, be it an empty one."""
        self._commits: dict[Partition, int] = {}
        self._timer: asyncio.Task[None] | None = None
        self.last_turn = time.monotonic()
        """When the consumer's thread was last seen to turn; it does several times a second."""

    async def __aenter__(self) -> Self:
        self._thread.start()
        self._timer = asyncio.create_task(self._commit_on_timer(), name="commit")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._timer is not None
        self._timer.cancel()
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    @property
    def is_out(self) -> bool:
        """Whether it is not in its group: it has lost its place and waits for another, or for its first."""
        return self._out_since is not None

    def subscribe(self, topics: Sequence[str]) -> None:
        """Take part in exactly ``topics`` from now on; partitions of the others are revoked."""
        if sorted(topics) == self._topics:
            return
        self._topics = sorted(topics)
        self._wishes.put(partial(self._subscribe, list(self._topics)))

    def pause(self, partition: Partition) -> None:
        """Fetch no more of ``partition``; records handed over before still come."""
        self._wishes.put(partial(self._set_paused, partition, paused=True))

    def resume(self, partition: Partition) -> None:
        """Fetch ``partition`` again, from the record after the last one handed over."""
        self._wishes.put(partial(self._set_paused, partition, paused=False))

    # -- on the consumer's thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.last_turn = time.monotonic()
                while not self._wishes.empty():
                    self._wishes.get()()
                first = self._consumer.poll(_PAUSED_POLL_S if self._paused else _POLL_S)
                if first is not None:  # a record without a value is false
                    self._hand_over([first, *self._consumer.consume(_BATCH - 1, 0)])
                if self._out_since is not None and time.monotonic() - self._out_since > self._rejoin_s:
                    self._replace()
            if self._out_since is None:
                self._consumer.close()  # revokes: drains and commits
            else:  # there is nothing to commit, and a client that is stuck does not end
                self._end_beside(self._consumer).join(_CLOSE_S)
        except Exception as error:  # noqa: BLE001 - a thread's end must not pass unseen
            self._loop.call_soon_threadsafe(self._on_crash, error)

    def _replace(self) -> None:
        """Begin anew with another client.

        Librdkafka (2.16) never joins again if its session ended while it was asking for the committed offsets of new
        partitions: it waits for that answer before it gives them up, and for the group's coordinator to ask, which it
        looks for only after that. To be out for so long may also be Kafka's doing; then this does no harm.
        """
        self._out_since = time.monotonic()
        self._closing = [thread for thread in self._closing if thread.is_alive()]
        if len(self._closing) >= _MOST_CLOSING:
            _LOG.error("consumer.not_replaced: %d clients before it do not end", len(self._closing))
            return
        _LOG.warning("consumer.replaced: out of its group for %g s", self._rejoin_s)
        old, self._consumer = self._consumer, Consumer(self._config)
        gone = sorted(self._ours)
        self._ours.clear()
        self._paused.clear()
        if gone:
            self._loop.call_soon_threadsafe(self._forget, gone)
        self._closing.append(self._end_beside(old))
        self._subscribe(self._subscribed)

    def _end_beside(self, consumer: Consumer) -> threading.Thread:
        thread = threading.Thread(target=consumer.close, name="consumer-end", daemon=True)
        thread.start()
        return thread

    def _subscribe(self, topics: list[str]) -> None:
        if not topics:
            self._out_since = None
        elif not self.joins or not self._subscribed:  # it is in no group yet, or has left it
            self._out_since = self._out_since or time.monotonic()
        self._subscribed = topics
        if topics:
            self._consumer.subscribe(topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
        else:
            self._consumer.unsubscribe()

    def _set_paused(self, partition: Partition, *, paused: bool) -> None:
        if partition not in self._ours:
            return  # revoked a moment ago; its lane ends as well
        if paused:
            self._consumer.pause([TopicPartition(*partition)])
            self._paused.add(partition)
        else:
            self._paused.discard(partition)
            self._consumer.resume([TopicPartition(*partition)])

    def _commit(self, offsets: Offsets) -> None:
        # What was released is committed already, further on: the broker would take the older offset as well.
        ours = {partition: offset for partition, offset in offsets.items() if partition in self._ours}
        if not ours:
            return
        try:
            self._consumer.commit(offsets=_offsets(ours), asynchronous=True)
        except KafkaException as error:
            _LOG.warning("offset.commit_failed: %s", error)
            self._loop.call_soon_threadsafe(self._commit_again, list(ours))

    def _hand_over(self, messages: Sequence[Message]) -> None:
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(to_record(message))
            elif error.fatal():
                raise KafkaException(error)
            else:
                _LOG.debug("partition.not_readable: %s: %s", message.topic(), error.str())
        if records:
            self._slots.acquire()
            self._loop.call_soon_threadsafe(self._take, records)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is not self._consumer:
            return  # it was replaced
        self.joins += 1
        self._out_since = None
        self._ours.update(_plain(partitions))
        self._loop.call_soon_threadsafe(self._owner.on_assigned, _plain(partitions))

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is not self._consumer:
            return
        released = asyncio.run_coroutine_threadsafe(self._release(_plain(partitions)), self._loop).result()
        self._let_go(_plain(partitions))
        if not released:
            return
        try:
            self._consumer.commit(offsets=_offsets(released), asynchronous=False)
        except KafkaException as error:
            # The next owner repeats what we settled since the last commit: duplicates, no loss.
            _LOG.warning("offset.commit_failed: at revocation: %s", error)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is not self._consumer:
            return
        self._out_since = time.monotonic()
        self._let_go(_plain(partitions))
        self._loop.call_soon_threadsafe(self._forget, _plain(partitions))

    def _let_go(self, partitions: Sequence[Partition]) -> None:
        # librdkafka would keep a pause for when they come back, and their next lane knows of none.
        if paused := self._paused.intersection(partitions):
            self._consumer.resume([TopicPartition(*partition) for partition in paused])
        self._paused.difference_update(partitions)
        self._ours.difference_update(partitions)

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        if failed := not_committed(error, partitions):
            _LOG.warning("offset.commit_failed: of %d partitions: %s", len(failed), next(iter(failed.values())).str())
            self._loop.call_soon_threadsafe(self._commit_again, list(failed))

    # -- on the event loop -----------------------------------------------------------------------------------

    def _take(self, records: Sequence[Record]) -> None:
        self._slots.release()
        self._owner.on_records(records)

    async def _release(self, partitions: Sequence[Partition]) -> Offsets:
        settled = await self._owner.on_revoked(partitions)
        self._commit_again(partitions)
        return settled

    def _forget(self, partitions: Sequence[Partition]) -> None:
        self._commit_again(partitions)
        self._owner.on_lost(partitions)

    def _commit_again(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            self._commits.pop(partition, None)

    async def _commit_on_timer(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_INTERVAL_S)
            settled = self._owner.committable()
            news = {tp: offset for tp, offset in settled.items() if self._commits.get(tp) != offset}
            if news:
                self._commits.update(news)
                self._wishes.put(partial(self._commit, news))


class CommitAnswer(Protocol):
    """Kafka's, for one partition: the client's ``TopicPartition``."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def error(self) -> KafkaError | None: ...


def not_committed(error: KafkaError | None, answers: Sequence[CommitAnswer]) -> Mapping[Partition, KafkaError]:
    """Which partitions were not committed, and why. Kafka may refuse some, and take the others of the same request.

    Args:
        error: Of the request as a whole.
        answers: For each of its partitions.
    """
    failures = ((Partition(each.topic, each.partition), error or each.error) for each in answers)
    return {partition: failure for partition, failure in failures if failure is not None}


def _plain(partitions: Sequence[TopicPartition]) -> list[Partition]:
    return [Partition(tp.topic, tp.partition) for tp in partitions]


def _offsets(offsets: Offsets) -> list[TopicPartition]:
    return [TopicPartition(tp.topic, tp.number, offset) for tp, offset in offsets.items()]
