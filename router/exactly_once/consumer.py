"""The consumer of a router that copies exactly once: commits nothing itself, and seeks to settled offsets only."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from aiokafka.errors import KafkaError
from faust.types import TP
from typing_extensions import override

from eventstreams.errors import TopicError
from eventstreams.kafka.records import Partition
from router.exactly_once.lane import TransactionalLane
from router.exactly_once.transactions import Seat
from router.faust_app.transport import CommittedThread, RunConsumer, RunTransport


class SettledThread(CommittedThread):
    """Seeks to offsets that no pending transaction can still change, which aiokafka does not ask Kafka for."""

    seat: Seat | None = None
    """This member's seat at its last seek."""

    @override
    async def _go_back(self) -> Mapping[TP, int | None]:
        consumer, parent = self._ensure_consumer(), cast(TransactionalConsumer, self.consumer)
        coordinator = consumer._coordinator  # noqa: SLF001 - no public way to the seat
        seek, assigned = parent.seeks_due, consumer.assignment()
        assert assigned, "nothing is assigned"
        self.seat = None
        # Taken before the offsets are read: if the group moves on meanwhile, Kafka refuses this seat.
        seat = Seat(
            coordinator.group_id,
            coordinator.generation,
            coordinator.member_id,
            coordinator._group_instance_id,  # noqa: SLF001
        )
        if seat.generation < 0 or not seat.member:  # Kafka would take it for a client outside the group, and accept it
            raise KafkaError("not in the group at the moment")
        try:
            found = await cast(TransactionalTransport, self.transport).committed([Partition(*tp) for tp in assigned])
        except TopicError as error:
            raise KafkaError(str(error)) from error
        if seek != parent.seeks_due:
            raise KafkaError("another seek is due")  # these offsets may be old by now
        for tp in assigned:
            consumer.seek(tp, found.get(Partition(*tp), 0))  # the first there is, where 0 has expired
        self.seat = seat
        return {TP(*tp): found.get(Partition(*tp)) for tp in assigned}


class TransactionalConsumer(RunConsumer):
    """Like ``RunConsumer``, but acks only free their runs, as the lane commits the offsets together with the copies.

    After each seek the lane gets its number and this member's place in the group. Runs fetched before the seek are no
    longer routed: the seek went back to the end of what was committed, so the rest is fetched again.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._seeking = asyncio.Lock()
        super().__init__(*args, **kwargs)

    @property
    def seeks_due(self) -> int:
        """Number of the latest seek that is due."""
        return self._seeks_due

    @override
    def _new_consumer_thread(self) -> CommittedThread:
        return SettledThread(self, loop=self.loop, beacon=self.beacon)

    @override
    async def _getmany(self, active_partitions: Any, timeout: float) -> Mapping[TP, list[Any]]:
        if self._seeks_done != self._seeks_due:
            with suppress(AssertionError):  # nothing is assigned at this moment
                await self.perform_seek()
        if self._seeks_done != self._seeks_due:  # it failed, or another is due by now
            await self.sleep(timeout)
            return {}
        return await super()._getmany(active_partitions, timeout)

    @override
    async def perform_seek(self) -> None:
        lane = cast(TransactionalTransport, self.transport).lane
        async with self._seeking:
            await lane.leave()
            try:
                await super().perform_seek()
            except KafkaError as error:  # it would end Faust's recovery; the next fetch seeks again first
                self.log.warning("cannot seek back to the settled offsets, retrying: %r", error)
                return
            seat = cast(SettledThread, self._thread).seat
            if seat is not None and self._seeks_done == self._seeks_due:
                lane.take(self._seeks_done, seat)

    @override
    def _new_offset(self, tp: TP) -> int | None:
        super()._new_offset(tp)  # forgets finished runs
        return None


class TransactionalTransport(RunTransport):
    """Stock Faust's transport with ``TransactionalConsumer``.

    Attributes:
        lane: Commits the offsets.
        committed: Returns the group's committed offsets of partitions, once no transaction can change them any more.
    """

    Consumer = TransactionalConsumer
    lane: TransactionalLane
    committed: Callable[[Sequence[Partition]], Awaitable[Mapping[Partition, int]]]
