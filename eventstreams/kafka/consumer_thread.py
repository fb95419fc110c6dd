"""The thread that has a consumer's client. **The only place in the project that commits**, but for Faust in the router.

The client is used on one thread only. (Since confluent-kafka 2.16 a call from a second thread waits until the first
has left its own, which a polling thread hardly ever does.) What the event loop wants of it goes through a queue
that the thread looks at between polls; what the thread has for the loop are the calls of ``OnLoop``.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from eventstreams.errors import NameTakenError
from eventstreams.kafka.commits import Commit, Commits, for_client, found_commit, is_answer, not_committed
from eventstreams.kafka.committed import found_commits
from eventstreams.kafka.fetching import fetch_now
from eventstreams.kafka.membership import Membership, is_fatal
from eventstreams.kafka.records import Partition, Record, to_record
from eventstreams.kafka.refusals import Refusals

_LOG: Final = logging.getLogger(__name__)
_POLL_S: Final = 0.1
_LIST_AGAIN_S: Final = 10.0  # while topics are refused
_LIST_S: Final = 2.0
_PAUSED_POLL_S: Final = 0.005  # while a partition is paused its lane may want it back at any moment
_BATCH: Final = 500  # records handed over at once; larger runs gain nothing (measured: 130,000/s)
_HANDED_OVER: Final = 4  # batches on their way to the loop; the thread waits beyond that
_ASK_S: Final = 5.0  # what was committed of new partitions; without an answer their owner repeats a little more


@dataclass(frozen=True, slots=True)
class OnLoop:
    """What a ``ConsumerThread`` calls on the event loop, in the order in which it happened.

    Attributes:
        assigned: These partitions are ours now, with what was committed of each; and at which join they came.
        fetched: Records, each partition's in order; ``ConsumerThread.taken`` is the answer.
        revoked: These go, and the thread waits: settle what is in flight, and return how far they are settled.
        lost: These are gone already.
        confirmed: Kafka takes commits.
        not_committed: A commit of these failed, or an earlier one has taken the place of the last.
        crashed: The thread has ended, with these partitions and for this reason.
    """

    assigned: Callable[[Mapping[Partition, Commit | None], int], None]
    fetched: Callable[[Sequence[Record]], None]
    revoked: Callable[[Sequence[Partition]], Coroutine[Any, Any, Commits]]
    lost: Callable[[Sequence[Partition]], None]
    confirmed: Callable[[], None]
    not_committed: Callable[[Sequence[Partition]], None]
    crashed: Callable[[Sequence[Partition], BaseException], None]


class ConsumerThread:
    """A member of a group. Its public methods are for the loop, and never block it; all others run on the thread."""

    def __init__(
        self,
        config: dict[str, object],
        on_loop: OnLoop,
        *,
        refusals: Refusals,
        rejoin_s: float,
        name_taken: Callable[[], NameTakenError],
    ) -> None:
        """Not started yet.

        Args:
            config: Of the client.
            on_loop: What it calls on the running loop.
            refusals: Told what Kafka does not allow.
            rejoin_s: How long to be out of the group before another client takes the place of ours.
            name_taken: What it crashes with once somebody else has its name.
        """
        self._membership = Membership(
            config,
            rejoin_s=rejoin_s,
            name_taken=name_taken,
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
            on_commit=self._committed,
        )
        self._ours: dict[Partition, int] = {}  # at which join each came
        self._paused: set[Partition] = set()
        self._asked: dict[Partition, Commit] = {}  # to be committed, the last of each
        self._confirmed: dict[Partition, Commit] = {}  # as Kafka has them
        self._takes_notes = True  # False once Kafka has refused one for its length
        self._is_gathering = self._has_moved = False
        self._group = str(config["group.id"])
        self._refusals = refusals
        self._ends: dict[Partition, int] = {}  # of those that may not be read, as far as they are known
        self._listed_at = 0.0

        self._on_loop = on_loop
        self._loop = asyncio.get_running_loop()
        self._wishes: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._slots = threading.BoundedSemaphore(_HANDED_OVER)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"consume-{config['group.id']}", daemon=True)
        self.last_turn = time.monotonic()
        """When it was last seen to turn; it does several times a second."""

    # -- on the event loop -----------------------------------------------------------------------------------

    @property
    def is_out(self) -> bool:
        return self._membership.is_out

    @property
    def joins(self) -> int:
        return self._membership.joins

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    async def end(self) -> None:
        """Leave the group, with all that goes with it, and return when that is done."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    def subscribe(self, topics: list[str]) -> None:
        """Take part in exactly ``topics``."""
        self._wishes.put(partial(self._subscribe, topics))

    def set_paused(self, partition: Partition, join: int | None, *, paused: bool) -> None:
        """Fetch ``partition`` or do not, if it is still the one that came at ``join``."""
        self._wishes.put(partial(self._set_paused, partition, join, paused=paused))

    def commit(self, commits: Commits, joins: Mapping[Partition, int]) -> None:
        """Commit ``commits``, of those partitions that are still the ones that came at ``joins``."""
        self._wishes.put(partial(self._commit, commits, joins))

    def taken(self) -> None:
        """What was ``fetched`` last has arrived: another may follow."""
        self._slots.release()

    # -- on the thread ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.last_turn = time.monotonic()
                while not self._wishes.empty():
                    self._wishes.get()()
                first = self._client.poll(_PAUSED_POLL_S if self._paused else _POLL_S)
                if first is not None:  # a record without a value is false
                    self._hand_over([first, *self._gather()])
                self._refusals.remind()
                if self._refusals.topics:
                    self._look_at_refused()
                if self._membership.is_stuck:
                    self._begin_anew(f"out of its group for {self._membership.rejoin_s:g} s")
            self._membership.close()  # revokes: drains and commits
        except Exception as error:  # noqa: BLE001 - a thread's end must not pass unseen
            self._loop.call_soon_threadsafe(self._on_loop.crashed, list(self._ours), error)

    @property
    def _client(self) -> Consumer:
        return self._membership.client

    def _gather(self) -> Sequence[Message]:
        """What else is there."""
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
                # Being fenced is all that librdkafka calls fatal in a consumer of the classic protocol. The code of
                # what was fatal is not in its message, and confluent-kafka has no way to ask for it.
                if not self._membership.has_name:
                    raise KafkaException(error)
                is_fenced = True
            else:
                self._refused_by(message, error)
        if records:
            self._slots.acquire()
            self._loop.call_soon_threadsafe(self._on_loop.fetched, records)
        if is_fenced:
            self._membership.fenced()
            self._begin_anew("another member has the same name")

    def _refused_by(self, message: Message, error: KafkaError) -> None:
        """An error came in place of a record; most of them mend themselves, and the client goes on."""
        topic, number = message.topic(), message.partition()
        if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            self._refusals.refused("group", self._group)
        elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED and topic is not None:
            self._refusals.refused("topic", topic)
            at = Partition(topic, -1 if number is None else number)
            if at in self._ours:  # else it is allowed once it is
                self._ends[at] = self._end_of(at)
        else:
            _LOG.debug("partition.not_readable: %s: %s", topic, error.str())

    def _look_at_refused(self) -> None:
        """The client does not say that it may read again.

        Of a partition of ours it then learns where it ends. Of others, every member is told that it may not know the
        topic, and only whoever gets the partition reads it: Kafka lists the topic again.
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
            except KafkaException:  # asked again
                return
            self._refusals.allowed("topic", [each for each in others if each in listed and listed[each].error is None])

    def _end_of(self, at: Partition) -> int:
        try:
            return max(self._client.get_watermark_offsets(TopicPartition(*at), cached=True)[1], -1)
        except KafkaException:  # nothing was read of it yet
            return -1

    def _subscribe(self, topics: list[str]) -> None:
        self._refusals.allowed("topic", self._refusals.topics.difference(topics))
        if not topics:  # nobody asks to join it any more
            self._refusals.allowed("group", [self._group])
        self._membership.subscribe(topics)

    def _begin_anew(self, why: str) -> None:
        """With another client, which has nothing yet."""
        gone = sorted(self._ours)
        for kept in (self._ours, self._paused, self._asked, self._confirmed):
            kept.clear()
        if gone:
            self._loop.call_soon_threadsafe(self._on_loop.lost, gone)
        self._membership.replace(why)

    def _set_paused(self, partition: Partition, join: int | None, *, paused: bool) -> None:
        if join is None or self._ours.get(partition) != join:
            return  # gone a moment ago, and perhaps here again: the wish is of a lane that ends as well
        if paused:
            self._client.pause([TopicPartition(*partition)])
            self._paused.add(partition)
        else:
            self._paused.discard(partition)
            self._client.resume([TopicPartition(*partition)])
            fetch_now(self._client, [partition])

    def _commit(self, commits: Commits, joins: Mapping[Partition, int]) -> None:
        # What was released is committed already, further on: the broker would take the older offset as well. That it
        # came back meanwhile makes no difference.
        ours = {at: commit for at, commit in commits.items() if at in joins and self._ours.get(at) == joins[at]}
        if not ours:
            return
        self._asked.update(ours)
        try:
            self._client.commit(offsets=for_client(ours, notes=self._takes_notes), asynchronous=True)
        except KafkaException as error:
            _LOG.warning("offset.commit_failed: %s", error)
            self._loop.call_soon_threadsafe(self._on_loop.not_committed, list(ours))

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is not self._client:
            return  # it was replaced, and is ended beside this thread
        join = self._membership.joined()
        self._refusals.allowed("group", [self._group])
        self._refusals.allowed("topic", {each.topic for each in partitions})
        commits = self._found(_plain(partitions))
        # Where they are read from is what their owner is told of, and nobody asks twice.
        consumer.incremental_assign(  # until when all others are paused
            [TopicPartition(*at, each.offset) if each else TopicPartition(*at) for at, each in commits.items()]
        )
        self._go_on()
        self._ours.update(dict.fromkeys(commits, join))
        self._loop.call_soon_threadsafe(self._on_loop.assigned, commits, join)

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
        released = asyncio.run_coroutine_threadsafe(self._on_loop.revoked(_plain(partitions)), self._loop).result()
        # All others are paused until this is over, and where the topic is gone a commit takes a third of a second.
        self._commit_last({at: commit for at, commit in released.items() if self._confirmed.get(at) != commit})
        self._let_go(_plain(partitions))
        consumer.incremental_unassign(partitions)
        self._go_on()

    def _commit_last(self, commits: Commits) -> None:
        """Make ``commits`` of what goes; whoever has it next begins there."""
        if not commits:
            return
        try:
            self._client.commit(offsets=for_client(commits, notes=self._takes_notes), asynchronous=False)
        except KafkaException as error:
            # The next owner repeats what we settled since the last commit: duplicates, no loss.
            _LOG.warning("offset.commit_failed: at revocation: %s", error)
            is_taken = is_answer(dict.fromkeys(commits, error.args[0]))
        else:
            is_taken = True
        if is_taken:
            self._loop.call_soon_threadsafe(self._on_loop.confirmed)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is not self._client:
            return
        self._membership.lost()
        self._let_go(_plain(partitions))
        self._loop.call_soon_threadsafe(self._on_loop.lost, _plain(partitions))

    def _let_go(self, partitions: Sequence[Partition]) -> None:
        # librdkafka would keep a pause for when they come back, and their next lane knows of none.
        if paused := self._paused.intersection(partitions):
            self._client.resume([TopicPartition(*partition) for partition in paused])
        self._paused.difference_update(partitions)
        for partition in partitions:
            for kept in (self._ours, self._asked, self._confirmed):
                kept.pop(partition, None)

    def _go_on(self) -> None:
        """Have what stays in a rebalance fetched at once: the client has paused it."""
        # In the midst of a call the client may not count yet what it is about to hand out.
        self._has_moved = self._is_gathering
        if not self._is_gathering:
            fetch_now(self._client, self._ours.keys() - self._paused)

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        if failed := not_committed(error, partitions):
            if any(each.code() == KafkaError.OFFSET_METADATA_TOO_LARGE for each in failed.values()):
                self._takes_notes = False
            if any(each.code() == KafkaError.GROUP_AUTHORIZATION_FAILED for each in failed.values()):
                self._refusals.refused("group", self._group)
            else:
                first = next(iter(failed.values())).str()
                _LOG.warning("offset.commit_failed: of %d partitions: %s", len(failed), first)
            self._loop.call_soon_threadsafe(self._on_loop.not_committed, list(failed))
        taken_back = []
        for each in partitions:
            at = Partition(each.topic, each.partition)
            if at not in failed and at in self._ours and (commit := found_commit(each)):
                if (asked := self._asked.get(at)) is not None and self._confirmed.get(at) == asked != commit:
                    taken_back.append(at)
                self._confirmed[at] = commit
        if taken_back:
            # The client sends again what a coordinator refused that was only coming up; what was committed later may
            # have been taken meanwhile, and the broker takes the older one over it.
            self._loop.call_soon_threadsafe(self._on_loop.not_committed, taken_back)
        if is_answer(failed):
            self._refusals.allowed("group", [self._group])
            self._loop.call_soon_threadsafe(self._on_loop.confirmed)


def _plain(partitions: Sequence[TopicPartition]) -> list[Partition]:
    return [Partition(tp.topic, tp.partition) for tp in partitions]
