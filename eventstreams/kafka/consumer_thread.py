"""The thread that owns a consumer's client; its commits are in ``committer``.

The client is used on this thread only. (Since confluent-kafka 2.16 a call from a second thread blocks until the first
thread has left its call, which a polling thread hardly ever does.) The event loop's requests go through a queue that
the thread checks between polls; the thread reports to the loop through the callbacks of ``OnLoop``.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVarTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from eventstreams.errors import NameTakenError
from eventstreams.kafka.commits import Commit, Commits
from eventstreams.kafka.committed import found_commits
from eventstreams.kafka.committer import Committer
from eventstreams.kafka.fetching import fetch_now
from eventstreams.kafka.membership import Membership, is_fatal
from eventstreams.kafka.records import Partition, Record, to_record
from eventstreams.kafka.refusals import Refusals

_LOG: Final = logging.getLogger(__name__)
_POLL_S: Final = 0.1
_LIST_AGAIN_S: Final = 10.0  # while topics are refused
_LIST_S: Final = 2.0
_PAUSED_POLL_S: Final = 0.005  # while a partition is paused, its lane may resume it at any moment
_BATCH: Final = 500  # records handed over at once; larger batches gain nothing (measured: 130,000/s)
_HANDED_OVER: Final = 4  # batches on their way to the loop; with more, the thread waits
_ASK_S: Final = 5.0  # to ask what was committed of new partitions; without an answer their owner repeats a little more


_Told = TypeVarTuple("_Told")


@dataclass(frozen=True, slots=True)
class OnLoop:
    """Callbacks of a ``ConsumerThread``, called on the event loop in the order in which things happened.

    Attributes:
        assigned: These partitions are ours now, with what was committed of each, and the number of the join.
        fetched: Records, in order within each partition; to be acknowledged with ``ConsumerThread.taken``.
        revoked: These are being taken away, and the thread waits: settle what is in flight, return how far they are
            settled.
        lost: These are already gone.
        confirmed: Kafka accepts commits; with the number of the one that it has answered.
        not_committed: Committing these failed, or an earlier commit has overwritten the last one.
        crashed: The thread has ended for this reason, while it had these partitions.
    """

    assigned: Callable[[Mapping[Partition, Commit | None], int], None]
    fetched: Callable[[Sequence[Record]], None]
    revoked: Callable[[Sequence[Partition]], Coroutine[Any, Any, Commits]]
    lost: Callable[[Sequence[Partition]], None]
    confirmed: Callable[[int], None]
    not_committed: Callable[[Sequence[Partition]], None]
    crashed: Callable[[Sequence[Partition], BaseException], None]


class ConsumerThread:
    """A member of a group. Public methods are for the event loop and never block it; all others run on the thread."""

    def __init__(
        self,
        config: dict[str, object],
        on_loop: OnLoop,
        *,
        refusals: Refusals,
        rejoin_s: float,
        name_taken: Callable[[], NameTakenError],
    ) -> None:
        """Start nothing yet; see ``start``.

        Args:
            config: The client's configuration.
            on_loop: Callbacks, called on the running loop.
            refusals: Told what Kafka denies.
            rejoin_s: After how many seconds out of the group the client is replaced by a new one.
            name_taken: Makes the error to crash with if another process takes its name.
        """
        self._on_loop = on_loop
        self._loop = asyncio.get_running_loop()
        self._group = str(config["group.id"])
        self._refusals = refusals
        self._ours: dict[Partition, int] = {}  # the join at which each was assigned
        self._committer = Committer(
            self._ours,
            group=self._group,
            refusals=refusals,
            confirmed=lambda number: self._tell(on_loop.confirmed, number),
            not_committed=lambda partitions: self._tell(on_loop.not_committed, partitions),
        )
        self._membership = Membership(
            config,
            rejoin_s=rejoin_s,
            name_taken=name_taken,
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
            on_commit=self._committer.answered,
        )
        self._paused: set[Partition] = set()
        self._is_gathering = self._has_moved = False
        self._ends: dict[Partition, int] = {}  # end offsets of ours that may not be read; -1 if unknown
        self._listed_at = 0.0
        self._wishes: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._slots = threading.BoundedSemaphore(_HANDED_OVER)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"consume-{self._group}", daemon=True)
        self.last_turn = time.monotonic()
        """The monotonic time at which it last began a turn; it does several times a second."""

    # -- on the event loop -----------------------------------------------------------------------------------

    @property
    def is_out(self) -> bool:
        return self._membership.is_out

    @property
    def joins(self) -> int:
        return self._membership.joins

    def start(self) -> None:
        """Start the thread. Call once."""
        self._thread.start()

    async def end(self) -> None:
        """Leave the group: drain, commit, and return when that is done."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    def subscribe(self, topics: list[str]) -> None:
        """Subscribe to exactly ``topics``."""
        self._wishes.put(partial(self._subscribe, topics))

    def set_paused(self, partition: Partition, join: int | None, *, paused: bool) -> None:
        """Pause or resume ``partition``, unless it has been reassigned since ``join``."""
        self._wishes.put(partial(self._set_paused, partition, join, paused=paused))

    def commit(self, commits: Commits, joins: Mapping[Partition, int], number: int) -> None:
        """Commit ``commits``; see ``Committer.ask``."""
        self._committer.ask(commits, joins, number)

    def taken(self) -> None:
        """Acknowledge a batch that was ``fetched``, so that another may follow."""
        self._slots.release()

    # -- on the thread ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.last_turn = time.monotonic()
                while not self._wishes.empty():
                    self._wishes.get()()
                self._committer.send(self._client)
                first = self._client.poll(_PAUSED_POLL_S if self._paused else _POLL_S)
                if first is not None:  # a record without a value is false
                    self._hand_over([first, *self._gather()])
                self._refusals.remind()
                if self._refusals.topics:
                    self._look_at_refused()
                if self._membership.is_stuck:
                    self._begin_anew(f"out of its group for {self._membership.rejoin_s:g} s")
            self._committer.closing()
            self._membership.close()  # revokes: drains and commits
        except Exception as error:  # noqa: BLE001 - a thread's end must not pass unseen
            self._tell(self._on_loop.crashed, list(self._ours), error)

    def _tell(self, callback: Callable[[*_Told], None], *told: *_Told) -> None:
        self._loop.call_soon_threadsafe(callback, *told)

    @property
    def _client(self) -> Consumer:
        return self._membership.client

    def _gather(self) -> Sequence[Message]:
        """The other records that are ready now."""
        self._is_gathering = True
        messages = self._client.consume(_BATCH - 1, 0)
        self._is_gathering = False
        if self._has_moved:
            self._go_on()
        return messages

    def _hand_over(self, messages: Sequence[Message]) -> None:
        records, is_fenced = [], False
        for message in messages:
            error = message.error()
            if error is None:
                records.append(to_record(message))
            elif is_fatal(error):
                # With the classic protocol the only fatal error of a consumer in librdkafka is being fenced. The code
                # of the underlying error is not in the message, and confluent-kafka has no way to ask for it.
                if not self._membership.has_name:
                    raise KafkaException(error)
                is_fenced = True
            else:
                self._refused_by(message, error)
        if records:
            self._slots.acquire()
            self._tell(self._on_loop.fetched, records)
        if is_fenced:
            self._membership.fenced()
            self._begin_anew("another member has the same name")

    def _refused_by(self, message: Message, error: KafkaError) -> None:
        """Note an error that came instead of a record. The client goes on, and most errors are temporary."""
        topic, number = message.topic(), message.partition()
        if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            self._refusals.refused("group", self._group)
        elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED and topic is not None:
            self._refusals.refused("topic", topic)
            at = Partition(topic, -1 if number is None else number)
            if at in self._ours:  # otherwise `_assigned` clears it
                self._ends[at] = self._end_of(at)
        else:
            _LOG.debug("partition.not_readable: %s: %s", topic, error.str())

    def _look_at_refused(self) -> None:
        """Find out which refused topics may be read again, since the client does not report it.

        For a partition of ours, the client then learns its end offset. As for other topics: every member is told of a
        denial, but only the partition's owner reads it. There the sign is that Kafka lists the topic again.
        """
        for at, end in list(self._ends.items()):
            if at not in self._ours or self._end_of(at) not in {end, -1}:
                del self._ends[at]
                self._refusals.allowed("topic", [at.topic])
        others = self._refusals.topics.difference(at.topic for at in self._ends)
        now = time.monotonic()
        if others and now - self._listed_at >= _LIST_AGAIN_S:
            self._listed_at = now
            try:
                listed = self._client.list_topics(timeout=_LIST_S).topics
            except KafkaException:  # asked again later
                return
            self._refusals.allowed("topic", [each for each in others if each in listed and listed[each].error is None])

    def _end_of(self, at: Partition) -> int:
        try:
            return max(self._client.get_watermark_offsets(TopicPartition(*at), cached=True)[1], -1)
        except KafkaException:  # nothing of it has been fetched yet
            return -1

    def _subscribe(self, topics: list[str]) -> None:
        self._refusals.allowed("topic", self._refusals.topics.difference(topics))
        if not topics:  # we no longer ask to join the group
            self._refusals.allowed("group", [self._group])
        self._membership.subscribe(topics)

    def _begin_anew(self, why: str) -> None:
        """Replace the client by a new one, which has no partitions yet."""
        gone = sorted(self._ours)
        self._ours.clear()
        self._paused.clear()
        self._committer.begin_anew()
        if gone:
            self._tell(self._on_loop.lost, gone)
        self._membership.replace(why)

    def _set_paused(self, partition: Partition, join: int | None, *, paused: bool) -> None:
        if join is None or self._ours.get(partition) != join:
            return  # it was lost, perhaps reassigned since: the request came from a lane that is ending too
        if paused:
            self._client.pause([TopicPartition(*partition)])
            self._paused.add(partition)
        else:
            self._paused.discard(partition)
            self._client.resume([TopicPartition(*partition)])
            fetch_now(self._client, [partition])

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is not self._client:
            return  # it was replaced, and is being closed on another thread
        join = self._membership.joined()
        self._refusals.allowed("group", [self._group])
        self._refusals.allowed("topic", {each.topic for each in partitions})
        commits = self._found(_plain(partitions))
        # Reading starts exactly where the owner is told it does, and Kafka is asked only once.
        consumer.incremental_assign(  # until then all other partitions are paused
            [TopicPartition(*at, each.offset) if each else TopicPartition(*at) for at, each in commits.items()]
        )
        self._go_on()
        self._ours.update(dict.fromkeys(commits, join))
        self._tell(self._on_loop.assigned, commits, join)

    def _found(self, partitions: Sequence[Partition]) -> Mapping[Partition, Commit | None]:
        """What was committed of each of ``partitions``, which are ours from now on."""
        try:
            found = found_commits(self._client, partitions, within_s=_ASK_S) if partitions else {}
        except KafkaException as error:
            _LOG.warning("offset.not_told: of %d partitions: %s", len(partitions), error)
            found = {}
        return {partition: found.get(partition) for partition in partitions}

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is not self._client:
            return
        draining = asyncio.run_coroutine_threadsafe(self._on_loop.revoked(_plain(partitions)), self._loop)
        while not wait({draining}, timeout=_POLL_S).done:
            # It may take seconds, and what stays is still worked on.
            self._committer.send_and_wait(self._client)
        self._committer.send_last(self._client, draining.result())
        self._let_go(_plain(partitions))
        consumer.incremental_unassign(partitions)
        self._go_on()

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is not self._client:
            return
        self._membership.lost()
        self._let_go(_plain(partitions))
        self._tell(self._on_loop.lost, _plain(partitions))

    def _let_go(self, partitions: Sequence[Partition]) -> None:
        # librdkafka would still have them paused if they came back, and their new lane would not know.
        if paused := self._paused.intersection(partitions):
            self._client.resume([TopicPartition(*partition) for partition in paused])
        self._paused.difference_update(partitions)
        for partition in partitions:
            self._ours.pop(partition, None)
        self._committer.let_go(partitions)

    def _go_on(self) -> None:
        """Fetch what we keep in a rebalance again at once: the client has paused it."""
        # During `consume` the client's position may not yet include the records that it is about to return.
        self._has_moved = self._is_gathering
        if not self._is_gathering:
            fetch_now(self._client, self._ours.keys() - self._paused)


def _plain(partitions: Sequence[TopicPartition]) -> list[Partition]:
    return [Partition(tp.topic, tp.partition) for tp in partitions]
