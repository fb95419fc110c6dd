"""One member of a consumer group, as the event loop has it. Its client is on a thread: see ``consumer_thread``.

It has committed what its owner calls committable: on a timer, and at revocation after the owner has drained.
Nothing else is: the thread is private to this module. With a partition its owner is told what was committed of it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Final, Protocol, Self

from eventstreams.kafka.commits import Commit, Commits
from eventstreams.kafka.config import client_config
from eventstreams.kafka.consumer_thread import ConsumerThread, OnLoop
from eventstreams.kafka.hold import Hold
from eventstreams.kafka.members import name_in, name_taken
from eventstreams.kafka.records import Partition, Record
from eventstreams.kafka.refusals import Refusals
from eventstreams.kafka.whole_group import LOOK_S, WholeGroup
from eventstreams.settings import Settings

_FETCHED_AHEAD: Final = 8192  # records that wait for the owner: half a second of what one process can take
_PARTITION_BYTES: Final = 256 << 10  # of one partition in an answer, compressed; one record may be larger
_ANSWER_BYTES: Final = 4 << 20
_REJOIN_S: Final = 60.0  # a rebalance takes a second or two, with slow drains up to ten
_SESSION: Final = timedelta(seconds=10)
# The others learn by it that a member came or left, and for so long what moves waits. At 2 s that was a part of p99 of
# deliveries in a rolling restart.
HEARTBEAT_S: Final = 0.5
COMMIT_INTERVAL_S: Final = 0.2  # a killed process repeats at most what it settled in so long


class PartitionOwner(Protocol):
    """What a ``GroupConsumer`` feeds. All calls come on the event loop."""

    def on_assigned(self, partitions: Mapping[Partition, Commit | None]) -> None:
        """These are ours now; records from their committed offsets on will follow.

        Each has what was committed of it last; None: nothing was, or Kafka does not say.
        """

    async def on_revoked(self, partitions: Sequence[Partition]) -> Commits:
        """Settle what is in flight of them, within a bound, then forget them; return how far they are settled."""

    def on_lost(self, partitions: Sequence[Partition]) -> None:
        """They belong to somebody else already: stop at once; nothing of them can be committed any more."""

    def on_records(self, records: Sequence[Record]) -> None:
        """Fetched records, each partition's in order."""

    def committable(self) -> Commits:
        """How far each partition is settled, contiguously; partitions without progress may be left out."""

    def hold(self, *, held: bool) -> None:
        """Begin nothing new, of partitions that are assigned meanwhile neither; or, ``held`` False, go on.

        Kafka confirms no offset. Most likely the partitions are soon somebody else's, who repeats all of it.
        """


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
        look_s: float = LOOK_S,
        fetch_wait_ms: int = 100,
        commit_s: float = COMMIT_INTERVAL_S,
    ) -> None:
        """A member of ``group``.

        Args:
            settings: Which Kafka; ``settings.instance`` makes the membership static.
            group: Consumer group id.
            owner: Gets the records.
            on_crash: Called once, on the loop, when this consumer cannot go on.
            buffer_mib: Most that the client fetches ahead of the owner, over all partitions together.
            rejoin_s: How long to be out of the group before another client takes the place of ours.
            look_s: How often a static member looks whether its group shares out all that it has.
            fetch_wait_ms: How long a request for records waits for some. A partition that is fetched again joins the
                next request, so this is how long that may take; and each answer without records costs the broker.
            commit_s: How often what is committable is committed.
        """
        session = settings.session_timeout or _SESSION
        anybody = client_config(
            settings,
            {
                "group.id": group,
                "partition.assignment.strategy": "cooperative-sticky",  # a change of members stops only what moves
                "session.timeout.ms": round(session.total_seconds() * 1000),  # then a dead member's share moves on
                "heartbeat.interval.ms": round(HEARTBEAT_S * 1000),
                "auto.offset.reset": "earliest",  # a subscription's topic starts with the subscription
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "fetch.wait.max.ms": fetch_wait_ms,
                # Of these bytes the client counts values alone, which of a small event are the lesser part, and looks
                # only before it fetches: so it is also told how many records, and how large an answer may be.
                "queued.max.messages.kbytes": buffer_mib * 1024,
                "queued.min.messages": _FETCHED_AHEAD,
                "fetch.message.max.bytes": _PARTITION_BYTES,
                "fetch.max.bytes": _ANSWER_BYTES,
            },
        )
        self._owner = owner
        self._on_crash = on_crash
        self._commit_s = commit_s
        self._topics: list[str] = []  # replaced as a whole: who looks at the group is on a thread of its own
        self._joined: dict[Partition, int] = {}  # at which join each came that its owner has, be it gone already
        self._commits: dict[Partition, Commit] = {}
        self._hold = Hold(owner)
        self._tasks: list[asyncio.Task[None]] = []
        self._refusals = Refusals(settings)
        name = name_in(group, settings)
        self._whole = name and WholeGroup(
            settings, anybody, group=group, instance=name, topics=lambda: self._topics, look_s=look_s
        )
        self._thread = ConsumerThread(
            {**anybody, **({"group.instance.id": name} if name else {})},
            OnLoop(
                assigned=self._begin,
                fetched=self._take,
                revoked=self._release,
                lost=self._forget,
                confirmed=self._hold.confirmed,
                not_committed=self._commit_again,
                crashed=self._crash,
            ),
            refusals=self._refusals,
            rejoin_s=rejoin_s,
            name_taken=partial(name_taken, group, settings),
        )

    async def __aenter__(self) -> Self:
        self._thread.start()
        self._tasks = [asyncio.create_task(self._commit_on_timer(), name="commit")]
        if self._whole:
            self._tasks.append(asyncio.create_task(self._whole.keep(), name="whole-group"))
        for task in self._tasks:
            task.add_done_callback(self._ended)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await self._thread.end()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()):
            self._on_crash(error)

    @property
    def is_out(self) -> bool:
        """Whether it is not in its group: it has lost its place and waits for another, or for its first."""
        return self._thread.is_out

    @property
    def refused(self) -> str | None:
        """What Kafka's ACLs do not allow it, in a sentence; None: nothing that is known."""
        return self._refusals.problem

    @property
    def joins(self) -> int:
        """How often it has got a share of the group's partitions, be it an empty one."""
        return self._thread.joins

    @property
    def last_turn(self) -> float:
        """When the consumer's thread was last seen to turn; it does several times a second."""
        return self._thread.last_turn

    def subscribe(self, topics: Sequence[str]) -> None:
        """Take part in exactly ``topics`` from now on; partitions of the others are revoked."""
        if sorted(topics) == self._topics:
            return
        self._topics = sorted(topics)
        self._thread.subscribe(list(self._topics))

    def pause(self, partition: Partition) -> None:
        """Fetch no more of ``partition``; records handed over before still come."""
        self._thread.set_paused(partition, self._joined.get(partition), paused=True)

    def resume(self, partition: Partition) -> None:
        """Fetch ``partition`` again, from the record after the last one handed over."""
        self._thread.set_paused(partition, self._joined.get(partition), paused=False)

    async def _commit_on_timer(self) -> None:
        while True:
            await asyncio.sleep(self._commit_s)
            if self._hold.is_on:
                self._commits.clear()  # asked again, until there is an answer
            settled = self._owner.committable()
            news = {tp: commit for tp, commit in settled.items() if self._commits.get(tp) != commit}
            if news:
                self._commits.update(news)
                self._thread.commit(news, {tp: self._joined[tp] for tp in news if tp in self._joined})
                self._hold.committing()
            if not settled:  # of what it has now nothing waits for Kafka: to be held then would never end
                self._hold.confirmed()
            self._hold.look()

    # -- what its thread calls --------------------------------------------------------------------------------

    def _take(self, records: Sequence[Record]) -> None:
        self._thread.taken()
        self._owner.on_records(records)

    def _begin(self, commits: Mapping[Partition, Commit | None], join: int) -> None:
        self._joined.update(dict.fromkeys(commits, join))
        self._owner.on_assigned(commits)

    async def _release(self, partitions: Sequence[Partition]) -> Commits:
        settled = await self._owner.on_revoked(partitions)
        self._end(partitions)
        return settled

    def _forget(self, partitions: Sequence[Partition]) -> None:
        self._hold.confirmed()  # nothing of them will be
        self._end(partitions)
        self._owner.on_lost(partitions)

    def _crash(self, partitions: Sequence[Partition], error: BaseException) -> None:
        """Nobody can commit ``partitions`` any more: what was begun of them would be done twice."""
        if partitions:
            self._forget(partitions)
        self._on_crash(error)

    def _end(self, partitions: Sequence[Partition]) -> None:
        self._commit_again(partitions)
        for partition in partitions:
            self._joined.pop(partition, None)

    def _commit_again(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            self._commits.pop(partition, None)
