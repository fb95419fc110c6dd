"""Faust topics that hand an agent whole runs of records: one Faust message = what one fetch brought of a partition.

Faust spends two asyncio tasks, three queue hops and a counted ``Message`` on every message, about 110 µs. Here
that price is paid once a run. Membership, rebalances, flow control, tables, sensors and the web stay Faust's own;
ADR 0003 has the reasons and the figures. ``tests/unit/test_router_faust_inside.py`` fails when a Faust release
changes what is leaned on here.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, cast

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from faust import Schema
from faust.transport.conductor import Conductor
from faust.transport.drivers import aiokafka
from faust.types import TP, AppT, ConsumerMessage, Message
from typing_extensions import override

_TURN_S: Final = 0.01
_POSITION_S: Final = 2.0


class SupportsReadingOver(Protocol):
    """What the app of a ``RunConsumer`` offers beyond Faust's."""

    async def read_over(self, positions: Mapping[TP, int]) -> Mapping[TP, list[Any]]:
        """See ``router.unreadable.read_over``."""


class RunSchema(Schema[Any, Any]):
    """Marks a topic as one that is handed over in runs: the value of its events is a list of Kafka records."""

    @override
    def compile(self, app: AppT, **_: Any) -> Any:
        create_event = app.create_event

        async def decode(message: Message, *, propagate: bool = False) -> Any:  # noqa: ARG001 - Faust's signature
            return create_event(None, message.value, {}, message)

        return decode


class CommittedThread(aiokafka.AIOKafkaConsumerThread):
    """Reads no more of a producer's transaction than what was committed; stock Faust does so only in transactions."""

    @override
    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - handed on when it starts
        return consumer


class RunConsumer(aiokafka.Consumer):
    """Makes one message of each fetched run, and commits only finished prefixes of runs.

    A message carries its **last** offset. Unfinished runs wait in read order in ``_pending``; what may be committed
    is the end of the finished prefix, so acks may arrive in any order and nothing unfinished is ever passed.
    (Stock Faust can commit over a single unfinished message at the head: faust#606.)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._pending: defaultdict[TP, deque[Message]] = defaultdict(deque)
        self._following: dict[TP, int] = {}  # of what was handed out since the last seek: the next offset
        super().__init__(*args, **kwargs)

    def in_flight(self) -> int:
        """Records handed over and not acknowledged yet (a run's size stands where Faust has a value's)."""
        unfinished = (message for runs in self._pending.values() for message in runs if not message.acked)
        return sum(message.serialized_value_size or 0 for message in unfinished)

    async def positions(self, topic: str) -> dict[int, int | None]:
        """The next offset that is read of each partition of ``topic`` that is assigned; None where none is known."""
        ours = [tp for tp in self.assignment() if tp.topic == topic]
        return dict(zip((tp.partition for tp in ours), await asyncio.gather(*map(self._position, ours)), strict=True))

    async def _position(self, tp: TP) -> int | None:
        try:  # the client's own waits until there is one
            async with asyncio.timeout(_POSITION_S):
                return await self._thread.position(tp)
        except (TimeoutError, KafkaError):  # the latter: it was taken from us this moment
            return None

    @override
    def _new_consumer_thread(self) -> CommittedThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)

    def _is_run_topic(self, topic: str) -> bool:
        channels = cast(Conductor, self.app.topics)._topic_name_index.get(topic, ())  # noqa: SLF001 - no public way
        return any(isinstance(channel.schema, RunSchema) for channel in channels)

    @override
    async def _getmany(self, active_partitions: Any, timeout: float) -> Mapping[TP, list[Any]]:
        try:
            fetched = await super()._getmany(active_partitions, timeout)
        except UnicodeDecodeError:  # aiokafka's way to say that a header's name is not UTF-8
            fetched = await self._read_over(list(active_partitions or self.assignment()))
        return {
            tp: [records] if records and self._is_run_topic(tp.topic) else records for tp, records in fetched.items()
        }

    async def _read_over(self, partitions: Sequence[TP]) -> Mapping[TP, list[Any]]:
        """The records up to, and with, the first that aiokafka cannot read, of each partition that has one.

        The client has lost what it had at hand when it met that record, of the other partitions too, and its positions
        are behind that already. So all are read again from what was handed out last.
        """
        following = {tp: await self._following_of(TP(*tp)) for tp in partitions}
        found = await cast(SupportsReadingOver, self.app).read_over(following)
        following |= {tp: records[-1].offset + 1 for tp, records in found.items()}
        thread = self._thread

        async def seek() -> None:
            # Not the thread's own seek_wait, which also calls what lies before the offset read.
            for tp in thread.assignment() & following.keys():
                thread.seek(tp, following[tp])

        await thread.call_thread(seek)
        return found

    async def _following_of(self, tp: TP) -> int:
        """The next offset of ``tp`` to be handed out: after a seek it is the committed one, if there is one."""
        known = self._following.get(tp) or self._committed_offset[tp]
        return known if known is not None else (await self._thread.earliest_offsets(tp))[tp]

    @override
    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        if not isinstance(record, list):
            return super()._to_message(tp, record)
        last = record[-1]
        message = ConsumerMessage(
            last.topic,
            last.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            {},
            None,
            cast(bytes, record),  # what RunSchema hands to the agent as it is
            None,
            0,
            len(record),
            TP(*tp),
            generation_id=self.app.consumer_generation_id,
        )
        self._pending[message.tp].append(message)
        self._following[message.tp] = last.offset + 1
        return message

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
            offset = pending.popleft().offset + 1
        return offset

    def _forget(self, partitions: Iterable[TP]) -> None:
        for tp in partitions:
            self._pending.pop(TP(*tp), None)
            self._following.pop(TP(*tp), None)

    @override
    async def perform_seek(self) -> None:
        self._forget([*self._pending, *self._following])  # reading starts again at the committed offsets
        await super().perform_seek()

    @override
    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish and commit what was handed out; stock Faust drops these acks and so repeats the events."""
        await self.drain()
        self._forget(revoked)
        await super().on_partitions_revoked(revoked)

    async def drain(self) -> None:
        """Hand out no more runs, wait for those under way (at most half a session, then they repeat), commit."""
        self.stop_flow()
        deadline = time.monotonic() + self.app.conf.broker_session_timeout / 2
        while self.in_flight() and time.monotonic() < deadline:
            await self.sleep(_TURN_S)
        await self.commit()


class RunTransport(aiokafka.Transport):
    """Stock Faust's transport with ``RunConsumer``."""

    Consumer = RunConsumer
