"""One member of a consumer group, as seen from the event loop. Its client runs on a thread: see ``consumer_thread``.

It commits exactly what its owner says is committable: on a timer, and at revocation after the owner has drained.
Nobody else can commit, since the thread is private to this module. When a partition is assigned, its owner is told
what was last committed of it.
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

_FETCHED_AHEAD: Final = 8192  # records prefetched for the owner: half a second of what one process can handle
_PARTITION_BYTES: Final = 256 << 10  # of one partition in one fetch response, compressed; one record may be larger
_ANSWER_BYTES: Final = 4 << 20
_REJOIN_S: Final = 60.0  # a rebalance takes a second or two, with slow drains up to ten
_SESSION: Final = timedelta(seconds=10)
# Members learn from the answer to a heartbeat that another joined or left, and until then partitions that are to move
# stand still. At 2 s this showed in the p99 delivery latency of a rolling restart.
HEARTBEAT_S: Final = 0.5
_LOOK_S: Final = 0.2  # whether commits are confirmed
COMMIT_INTERVAL_S: Final = 0.2  # what was settled within this time before a process was killed is repeated


class PartitionOwner(Protocol):
    """What a ``GroupConsumer`` feeds. All calls come on the event loop."""

    def on_assigned(self, partitions: Mapping[Partition, Commit | None]) -> None:
        """These are ours now; records from their committed offsets on will follow.

        The values are what was last committed of each; None if nothing was, or if Kafka did not say.
        """

    async def on_revoked(self, partitions: Sequence[Partition]) -> Commits:
        """Settle what is in flight of them, in bounded time, then forget them; return how far they are settled."""

    def on_lost(self, partitions: Sequence[Partition]) -> None:
        """They already belong to another member: stop at once; nothing of them can be committed any more."""

    def on_records(self, records: Sequence[Record]) -> None:
        """Fetched records, each partition's in order."""

    def committable(self) -> Commits:
        """How far each partition is settled, contiguously; partitions without progress may be left out."""

    def hold(self, *, held: bool) -> None:
        """While ``held``, begin nothing new, even of partitions assigned meanwhile; go on once it is False.

        Held because Kafka confirms no commits: the partitions will most likely soon go to another member, which would
        repeat whatever is begun now.
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
            buffer_mib: The most that the client prefetches, over all partitions together.
            rejoin_s: After how many seconds out of the group the client is replaced by a new one.
            look_s: How often, in seconds, a static member checks that every partition of its group has an owner.
            fetch_wait_ms: How long the broker may hold a fetch request while there are no records. A resumed partition
                is only in the next request, so resuming takes up to this long; but each empty answer costs the broker.
            commit_s: Seconds between two commits.
        """
        session = settings.session_timeout or _SESSION
        anybody = client_config(
            settings,
            {
                "group.id": group,
                "partition.assignment.strategy": "cooperative-sticky",  # a rebalance stops only what moves
                "session.timeout.ms": round(session.total_seconds() * 1000),  # after it a dead member's share moves
                "heartbeat.interval.ms": round(HEARTBEAT_S * 1000),
                "auto.offset.reset": "earliest",  # a subscription's topic starts with the subscription
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "fetch.wait.max.ms": fetch_wait_ms,
                # For this limit the client counts only values, the lesser part of a small event, and it checks only
                # before it fetches. So the number of records and the size of a response are limited too.
                "queued.max.messages.kbytes": buffer_mib * 1024,
                "queued.min.messages": _FETCHED_AHEAD,
                "fetch.message.max.bytes": _PARTITION_BYTES,
                "fetch.max.bytes": _ANSWER_BYTES,
            },
        )
        self._owner = owner
        self._on_crash = on_crash
        self._commit_s = commit_s
        self._topics: list[str] = []  # never changed in place: `WholeGroup` reads it on another thread
        # The join at which each partition that the owner has was assigned; the thread may have lost it already.
        self._joined: dict[Partition, int] = {}
        self._commits: dict[Partition, Commit] = {}
        self._hold = Hold(owner, still_s=session.total_seconds() / 2)
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
        self._tasks = [
            asyncio.create_task(self._commit_on_timer(), name="commit"),
            asyncio.create_task(self._look_on_timer(), name="hold"),
        ]
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
        """Whether it is not a member of its group now: it waits to join, or to rejoin."""
        return self._thread.is_out

    @property
    def refused(self) -> str | None:
        """A sentence about what Kafka's ACLs deny it; None if no denial is known."""
        return self._refusals.problem

    @property
    def joins(self) -> int:
        """How often it has been assigned a share of the group's partitions, which may be empty."""
        return self._thread.joins

    @property
    def last_turn(self) -> float:
        """The monotonic time at which the consumer's thread last began a turn; it does several times a second."""
        return self._thread.last_turn

    def may_begin(self) -> bool:
        """Whether new work may begin now. If not, the owner is told what follows: ``hold``, or a loss."""
        return not self._thread.is_out and self._hold.may_begin()

    def subscribe(self, topics: Sequence[str]) -> None:
        """Subscribe to exactly ``topics`` from now on; partitions of other topics are revoked."""
        if sorted(topics) == self._topics:
            return
        self._topics = sorted(topics)
        self._thread.subscribe(list(self._topics))

    def pause(self, partition: Partition) -> None:
        """Stop fetching ``partition``; records that were already handed over still arrive."""
        self._thread.set_paused(partition, self._joined.get(partition), paused=True)

    def resume(self, partition: Partition) -> None:
        """Fetch ``partition`` again, from the record after the last one handed over."""
        self._thread.set_paused(partition, self._joined.get(partition), paused=False)

    async def _look_on_timer(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            self._hold.look()

    async def _commit_on_timer(self) -> None:
        while True:
            await asyncio.sleep(self._commit_s)
            if self._hold.is_on:
                self._commits.clear()  # commit everything again, until there is an answer
            settled = self._owner.committable()
            news = {tp: commit for tp, commit in settled.items() if self._commits.get(tp) != commit}
            if news:
                self._commits.update(news)
                joins = {tp: self._joined[tp] for tp in news if tp in self._joined}
                self._thread.commit(news, joins, self._hold.committing())
            if not settled:  # nothing it owns now waits to be confirmed, so a hold would never end
                self._hold.end()

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
        self._end(partitions)
        self._owner.on_lost(partitions)
        self._hold.end()  # their commits will never be confirmed, so stop waiting for that

    def _crash(self, partitions: Sequence[Partition], error: BaseException) -> None:
        """Nobody can commit ``partitions`` any more: whatever is still done with them would be repeated by others."""
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
