"""Faust topics that hand an agent whole runs of records: one Faust message = what one fetch brought, or a part of it.

Faust spends two asyncio tasks, three queue hops and a counted ``Message`` on every message, about 110 µs. Here
that price is paid once for all that a fetch brought, or for each MiB of it. Membership, rebalances, flow control,
tables, sensors and the web stay Faust's own; ADR 0003 has the reasons and the figures.
``tests/unit/test_router_faust_inside.py`` fails when a Faust release changes the internals that this module uses.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.consumer import fetcher
from aiokafka.errors import KafkaError
from faust import Schema
from faust.transport.conductor import Conductor
from faust.transport.drivers import aiokafka
from faust.types import TP, AppT, ConsumerMessage, Message
from typing_extensions import override

from eventstreams.kafka.refusals import Refusals
from router.batches import Batch, Batches
from router.faust_app.control_end import Routes, catch_up, end_of
from router.faust_app.fetch_pace import pace_fetches
from router.faust_app.membership import Member, Name, watch_names
from router.planning.plan import Run

watch_names()
pace_fetches()
fetcher.MemoryRecords = Batches  # aiokafka has no option for it: applies to all this process fetches
_TURN_S: Final = 0.01
_POSITION_S: Final = 2.0
_NO_GENERATION: Final = -1  # of the group: Faust's streams skip such messages
_MESSAGE_BYTES: Final = 1 << 20  # as much as a fetch brings of one partition, so Faust's buffers are bounded as usual


class RunSchema(Schema[Any, Any]):
    """Marks a topic as handed over in runs: the value of its events is a sequence of ``Taken``."""

    @override
    def compile(self, app: AppT, **_: Any) -> Any:
        create_event = app.create_event

        async def decode(message: Message, *, propagate: bool = False) -> Any:  # noqa: ARG001 - Faust's signature
            return create_event(None, message.value, {}, message)

        return decode


class CommittedThread(aiokafka.AIOKafkaConsumerThread):
    """Reads only committed records of transactions, and from the committed offset of a partition, or its beginning.

    Stock Faust reads committed records only if it uses transactions itself. And on a seek to the committed offsets the
    client leaves a partition where it is if none was ever committed: what was read and not finished would be skipped
    for good.
    """

    @override
    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - handed on when it starts
        return consumer

    async def fetch(self, partitions: set[TP], wait_s: float) -> tuple[Mapping[TP, list[Any]], int | None]:
        """Return what arrived within ``wait_s`` seconds, and the control topic's end after that; None if unknown."""
        # Bypasses Faust's method queue, which takes longer than a fetch.
        fetching = asyncio.run_coroutine_threadsafe(self._fetch(partitions, wait_s), self.thread_loop)
        return await asyncio.wrap_future(fetching)

    async def _fetch(self, partitions: set[TP], wait_s: float) -> tuple[Mapping[TP, list[Any]], int | None]:
        consumer, control = self._ensure_consumer(), cast(RunTransport, self.transport).control
        found = await self._fetch_records(consumer, partitions, wait_s, consumer._max_poll_records)  # noqa: SLF001 - as its caller in Faust
        return found, await end_of(consumer._client, control) if found else None  # noqa: SLF001 - no public way

    async def confirmed(self) -> None:
        """Return once Kafka has confirmed that this is a member of its group; see ``Member.confirmed``."""
        member = cast(Member, self._ensure_consumer()._coordinator)  # noqa: SLF001 - no public way
        if not member.is_confirmed():
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(member.confirmed(), self.thread_loop))

    @override
    async def on_start(self) -> None:
        await super().on_start()
        member, transport = self._ensure_consumer()._coordinator, cast(RunTransport, self.transport)  # noqa: SLF001 - a Member
        member.name, member.refusals = transport.name, transport.refusals

    @override
    async def seek_to_committed(self) -> Mapping[TP, int]:
        return cast(Mapping[TP, int], await self.call_thread(self._go_back))

    async def _go_back(self) -> Mapping[TP, int | None]:
        consumer = self._ensure_consumer()
        committed: Mapping[TP, int | None] = await consumer.seek_to_committed()
        for tp, offset in committed.items():
            if not offset:
                consumer.seek(tp, 0)  # if 0 has expired, the offset reset goes to the first that is left
        return committed


@dataclass(slots=True, eq=False)
class Taken:
    """A run that was handed over; ``ack`` it once the brokers have all its copies and its offsets may be committed."""

    value: Run
    acked: bool = field(default=False, init=False)

    def ack(self) -> None:
        self.acked = True


class RunConsumer(aiokafka.Consumer):
    """Makes one message of the runs that were fetched together, and commits only finished prefixes of runs.

    A message carries the partition and the **last** offset of its first run. Unfinished runs wait in read order in
    ``_pending``; only the end of the finished prefix may be committed, so acks may arrive in any order and nothing
    unfinished is ever skipped. Faust's own acks, one for each message, commit nothing. (Stock Faust can commit past a
    single unfinished message at the head: faust#606.)

    When the flow stops, Faust drops what was fetched and not handed over, and relies on a seek before the flow resumes;
    but it also resumes after a seek that failed or took too long. Here nothing is fetched before the seek has
    succeeded, and nothing that was fetched before it is handed over.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._pending: defaultdict[TP, deque[Taken]] = defaultdict(deque)
        self._seeks_due = 0
        self._seeks_done = 0  # number of the last one that succeeded
        super().__init__(*args, **kwargs)

    def in_flight(self) -> int:
        """Return the number of records handed over and not acknowledged yet."""
        return sum(len(taken.value) for runs in self._pending.values() for taken in runs if not taken.acked)

    async def positions(self, topic: str) -> dict[int, int | None]:
        """Return the next offset to read of each assigned partition of ``topic``; None if it is not known."""
        ours = [tp for tp in self.assignment() if tp.topic == topic]
        return dict(zip((tp.partition for tp in ours), await asyncio.gather(*map(self._position, ours)), strict=True))

    async def _position(self, tp: TP) -> int | None:
        try:  # the client's own call waits until there is a position
            async with asyncio.timeout(_POSITION_S):
                return await self._thread.position(tp)
        except (TimeoutError, KafkaError):  # the latter: just revoked
            return None

    @override
    def _new_consumer_thread(self) -> CommittedThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)

    def _is_run_topic(self, topic: str) -> bool:
        channels = cast(Conductor, self.app.topics)._topic_name_index.get(topic, ())  # noqa: SLF001 - no public way
        return any(isinstance(channel.schema, RunSchema) for channel in channels)

    @override
    async def _getmany(self, active_partitions: Any, timeout: float) -> Mapping[TP, list[Any]]:
        if self._seeks_done != self._seeks_due:
            try:
                await self.perform_seek()
            except (KafkaError, AssertionError) as error:  # the latter: nothing is assigned at this moment
                self.log.warning("cannot seek back to the committed offsets, retrying: %r", error)
                await self.sleep(timeout)
                return {}
        seek = self._seeks_due
        try:
            thread = cast(CommittedThread, self._thread)
            fetched, end = await thread.fetch(active_partitions, timeout)
            if fetched:
                await catch_up(cast(RunTransport, self.transport).routes, end)
                await thread.confirmed()  # last, for a freeze may fall into any of these waits
        except BaseException:
            self._seeks_due += 1  # what it may have fetched is lost with it
            raise
        if self._seeks_due != seek:  # unknown whether this was fetched before or after it
            self._seeks_due += 1
            return {}
        of_runs = [tp for tp, batches in fetched.items() if batches and self._is_run_topic(tp.topic)]
        runs = [_run(tp, fetched[tp], seek, is_last=tp == of_runs[-1]) for tp in of_runs]
        others = {tp: [*_one_by_one(tp, batches)] for tp, batches in fetched.items() if batches and tp not in of_runs}
        return {TP(together[0].topic, together[0].partition): [together] for together in _in_messages(runs)} | others

    @override
    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        if not isinstance(record, tuple):  # of runs
            return super()._to_message(tp, record)
        runs = [Taken(run) for run in record]
        last = record[0].batches[-1]
        stale = record[0].seek != self._seeks_due  # is read again
        if not stale:
            now, came = time.monotonic(), self.app.monitor.stream_inbound_time
            for taken in runs:
                each = TP(taken.value.topic, taken.value.partition)
                self._pending[each].append(taken)
                came[each] = now  # or Faust would take the partitions of runs that are not first for stuck
            # Or Faust would skip what it takes for read already: after a partition lost its end and continues at lower
            # offsets, all that came in the same message. What was read before the last seek is stale anyway.
            self._read_offset[tp] = None
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            {},
            None,
            cast(bytes, runs),  # RunSchema hands it to the agent as is
            None,
            0,
            sum(map(len, record)),
            TP(*tp),
            generation_id=_NO_GENERATION if stale else self.app.consumer_generation_id,
        )

    @override
    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if not self._is_run_topic(tp.topic):  # offsets inside a run are no gaps
            await super()._add_gap(tp, offset_from, offset_to)

    @override
    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        yield from super()._filter_tps_with_pending_acks(topics)
        yield from (tp for tp, runs in self._pending.items() if runs and tp not in self._acked)

    @override
    def _new_offset(self, tp: TP) -> int | None:
        if not self._is_run_topic(tp.topic):
            return super()._new_offset(tp)
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        pending, offset = self._pending[tp], None
        while pending and pending[0].acked:
            offset = pending.popleft().value.batches[-1].next_offset
        return offset

    def _forget(self, partitions: Iterable[TP]) -> None:
        for tp in partitions:
            self._pending.pop(TP(*tp), None)

    @override
    def stop_flow(self) -> None:
        self._seeks_due += 1
        super().stop_flow()

    @override
    async def perform_seek(self) -> None:
        self._seeks_due += 1
        seek = self._seeks_due
        self._forget(list(self._pending))  # reading starts again at the committed offsets
        await super().perform_seek()
        self._seeks_done = seek

    @override
    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish and commit what was handed over; stock Faust drops these acks and so repeats the events."""
        await self.drain()
        self._forget(revoked)
        await super().on_partitions_revoked(revoked)

    async def drain(self) -> None:
        """Hand over no more runs, wait for those under way (at most half a session, then they repeat), and commit."""
        self.stop_flow()
        deadline = time.monotonic() + self.app.conf.broker_session_timeout / 2
        while self.in_flight() and time.monotonic() < deadline:
            await self.sleep(_TURN_S)
        while await self.maybe_wait_for_commit_to_finish():
            pass  # a commit under way does not include the last runs, and until it ends Faust begins no other
        await self.commit()


def _run(tp: TP, fetched: Sequence[ConsumerRecord[None, Batch]], seek: int, *, is_last: bool) -> Run:
    return Run(tp.topic, tp.partition, _batches(fetched), is_last, seek)


def _in_messages(runs: Sequence[Run]) -> Iterator[tuple[Run, ...]]:
    """Group ``runs`` in their order, as many together as fit in a message."""
    together: list[Run] = []
    size = 0
    for run in runs:
        if together and size + run.size > _MESSAGE_BYTES:
            yield tuple(together)
            together, size = [], 0
        together.append(run)
        size += run.size
    if together:
        yield tuple(together)


def _batches(fetched: Sequence[ConsumerRecord[None, Batch]]) -> Sequence[Batch]:
    return [each.value for each in fetched if each.value is not None]


def _one_by_one(tp: TP, fetched: Sequence[ConsumerRecord[None, Batch]]) -> Iterator[ConsumerRecord[bytes, bytes]]:
    """Yield the records of a topic that is not handed over in runs, like stock aiokafka."""
    for batch in _batches(fetched):
        for record in batch.records():
            key, value = record.key, record.value
            yield ConsumerRecord(
                tp.topic,
                tp.partition,
                record.offset,
                record.timestamp,
                batch.timestamp_type,
                key,
                value,
                None,
                -1 if key is None else len(key),
                -1 if value is None else len(value),
                tuple(record.headers),
            )


class RunTransport(aiokafka.Transport):
    """Stock Faust's transport with ``RunConsumer``.

    Attributes:
        control: The control topic's partition.
        name: This router's name in its group, if it has one.
        refusals: Told what Kafka's ACLs do not allow.
        routes: Brought up to date after each fetch, before its runs are handed over: a client that was told that its
            subscription exists gets every event accepted from then on.
    """

    Consumer = RunConsumer
    control: TP
    name: Name | None = None
    refusals: Refusals
    routes: Routes
