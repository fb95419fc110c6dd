"""Writes of the primary: those of a request are one transaction, and what they were checked against still holds.

    async with plane.writing:          # exclusive, as the primary: ``plane.snapshot`` has every write so far
        …                              # check
        await plane.writer.put(sink)   # not written yet

Outside of a request, the end of the section writes. In a request, nothing is written before its answer is known,
because the answer is part of the transaction: a request that is refused or fails writes nothing. A second section in
the same request first writes what the first one has put.

Requests that wait for their turn share a transaction, a **round**: each is checked against what those before it have
staged. So they succeed or fail together. That includes a request that wrote nothing or was refused because of something
staged: its answer waits for the round, too. While a round is being written, nothing is checked.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Final

from control_api.replicas.rounds import UNIT, Round, Unit, current, size_of
from control_api.replicas.snapshot_overlay import NOTHING, Changes
from control_api.replicas.terms import NotPrimaryError, Terms
from eventstreams.control.records import Resource, encode, key_of
from eventstreams.http import RefusedError, unavailable
from eventstreams.kafka.transaction import Outgoing
from eventstreams.topics import Topics

_MOST_WAITING: Final = 1_000  # each holds its body, of up to 256 KiB
_TURN_S: Final = 20.0  # longer than a failing transaction takes
_MOST_RECORD: Final = 1 << 20  # half of what the topics take: a record that Kafka refuses would fail its whole round
_MOST_ROUND: Final = 1 << 20  # bytes, some 300 sinks: all wait for the slowest, and larger rounds gain nothing


class Writing:
    """The right to write, for one section or request at a time."""

    def __init__(self, primacy: Terms, *, most_waiting: int = _MOST_WAITING, most_round: int = _MOST_ROUND) -> None:
        self._primacy = primacy
        self._most_waiting = most_waiting
        self._most_round = most_round
        self._waiting = 0
        self._turn = asyncio.Lock()  # fair: first come, first served
        self._round: Round | None = None
        self._requests = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def __aenter__(self) -> None:
        """Wait for the turn.

        Raises:
            NotPrimaryError: this process is not the primary.
            RefusedError: 503: too many requests wait, or it took too long.
        """
        unit = current()
        if unit is None:
            unit = Unit(deferred=False)
            unit.token = UNIT.set(unit)
        try:
            await self._take(unit)
        except BaseException:
            self._leave(unit)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        unit = current()
        assert unit is not None
        if kind is not None:
            self._leave(unit)
        elif not unit.deferred:
            try:
                await self._commit(unit)
            finally:
                self._leave(unit)
        elif not unit.records:
            self._let_go(unit)

    async def add(self, *records: Outgoing, changes: Changes = NOTHING) -> None:
        """Write ``records`` together with the others of this request or section; outside of both, at once.

        Args:
            records: The records to write.
            changes: The resources that they change, for requests that are checked before the round is written.

        Raises:
            RefusedError: 413: one is too large.
        """
        if any(size_of(each) > _MOST_RECORD for each in records):
            raise RefusedError("This is too large to be stored", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        unit = current()
        if unit is not None and unit.holds:
            unit.records += records
            unit.changes |= changes
            return
        async with self:
            await self.add(*records, changes=changes)

    def has_written(self) -> bool:
        """Whether this request has put or written anything so far."""
        unit = current()
        return unit is not None and bool(unit.records or unit.ends)

    def staged(self) -> Changes:
        """What others have put and is not written yet, if this task has the turn to write; else nothing."""
        unit = current()
        return NOTHING if unit is None or not unit.holds or self._round is None else self._round.changes

    async def write_now(self) -> None:
        """Write what this request has put so far, and give up the turn, before doing something that needs it written.

        If the primary dies before the answer is written, the request is carried out again from its start.

        Raises:
            NotPrimaryError: the write may or may not be made; the request is carried out again.
        """
        unit = current()
        if unit is not None:
            await self._commit(unit)

    # -- requests --------------------------------------------------------------------------------------------

    def begin_request(self) -> Unit:
        """From now on, this task's writes belong to one request, until ``end_request``."""
        unit = Unit(deferred=True)
        unit.token = UNIT.set(unit)
        self._requests += 1
        self._idle.clear()
        return unit

    async def commit_request(self, unit: Unit) -> None:
        """Write what the request has put; return once that, and what its decision was based on, is written.

        Raises:
            NotPrimaryError: the write may or may not be made; the next primary knows.
            TopicError: Kafka will never take it.
        """
        await self._commit(unit)

    async def drop_request(self, unit: Unit) -> None:
        """Discard the writes of a refused request; return once what the refusal was based on is written.

        Raises:
            NotPrimaryError: that may not be written, so the request must be decided again.
        """
        self._leave(unit)
        await self._commit(unit)

    def end_request(self, unit: Unit) -> None:
        """End the request, and forget what it has put and not written."""
        self._leave(unit)
        unit.ended = True
        assert unit.token is not None
        UNIT.reset(unit.token)
        self._requests -= 1
        if not self._requests:
            self._idle.set()

    async def idle(self) -> None:
        """Return once no request that may write is being answered."""
        await self._idle.wait()

    # -- parts -----------------------------------------------------------------------------------------------

    async def _take(self, unit: Unit) -> None:
        await self._commit(unit)  # what it has put before: others may have waited long
        if self._waiting >= self._most_waiting:
            raise unavailable("Too many writes are waiting: try again")
        self._waiting += 1
        try:
            async with asyncio.timeout(_TURN_S):
                await self._turn.acquire()
                while self._round is not None and self._round.size >= self._most_round:
                    self._turn.release()
                    await asyncio.sleep(0)  # so that the round queues for the turn, if it was only just begun
                    await self._turn.acquire()  # after the round
        except TimeoutError:
            raise unavailable("The service cannot write right now: try again") from None
        finally:
            self._waiting -= 1
        unit.holds = True
        unit.term, unit.saw = self._primacy.term, self._round
        if unit.term is None or (unit.saw is not None and unit.saw.term != unit.term):
            raise NotPrimaryError

    async def _commit(self, unit: Unit) -> None:
        """Hand over what ``unit`` has put to the round, give up the turn, and wait until that round is written.

        A unit without records waits for the round that it saw.
        """
        wanted, has_put = unit.saw, bool(unit.records)
        if has_put:
            wanted = self._round = self._round or self._begin_round(unit.term)
            wanted.take(unit)
        self._let_go(unit)
        if wanted is not None:
            # Shielded: the round is also that of others, and may be on the broker already.
            ends = await asyncio.shield(wanted.task)
            unit.saw = None
            unit.ends |= ends if has_put else {}

    def _begin_round(self, term: int | None) -> Round:
        round_ = Round(term)
        # It queues after those that wait already, and before those that come later.
        round_.task = asyncio.create_task(self._write(round_), name="write")
        # Retrieves its error: if all that waited were cancelled, nobody else does.
        round_.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return round_

    async def _write(self, round_: Round) -> Mapping[str, int]:
        async with self._turn:
            try:
                return await self._primacy.write(round_.term, round_.records)
            finally:
                self._round = None

    def _leave(self, unit: Unit) -> None:
        unit.forget()
        self._let_go(unit)
        if not unit.deferred and unit.token is not None:
            UNIT.reset(unit.token)
            unit.token = None

    def _let_go(self, unit: Unit) -> None:
        if unit.holds:
            unit.holds = False
            self._turn.release()


class ResourceWriter:
    """Puts and removes resources, as part of the current write."""

    def __init__(self, writing: Writing, topics: Topics) -> None:
        self._writing = writing
        self._topic = topics.control

    async def put(self, resource: Resource) -> None:
        """Create or replace ``resource``."""
        await self._writing.add(put_record(self._topic, resource), changes={resource.sid: resource})

    async def remove(self, sid: str) -> None:
        """Remove the resource ``sid``."""
        gone = Outgoing(self._topic, None, key_of(sid))  # a tombstone for compaction
        await self._writing.add(gone, changes={sid: None})


def put_record(topic: str, resource: Resource) -> Outgoing:
    return Outgoing(topic, encode(resource), key_of(resource.sid))
