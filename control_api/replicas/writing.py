"""Writes of the primary: all of one request in one transaction, and what they were checked against still holds.

    async with plane.writing:          # alone, as primary: ``plane.snapshot`` has every write there is
        …                              # check
        await plane.writer.put(sink)   # not written yet

Outside of a request the end of the section writes. In a request nothing is written before its answer is known, since
the answer is part of the transaction: a request that is refused, or fails, has written nothing. A second section in the
same request first writes what the first one put.

Those who wait for their turn share a transaction, a **round**: each checks against what those before it have staged.
So all of them stand or fall together, also whoever found nothing to write, or was refused, for what is staged: its
answer waits for the round too. While a round is written nobody checks anything.
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

_MOST_WAITING: Final = 1_000  # each keeps its body, of up to 256 KiB
_TURN_S: Final = 20.0  # longer than a transaction that fails
_MOST_RECORD: Final = 1 << 20  # half of what the topics take: a record that Kafka refused would take its round with it
_MOST_ROUND: Final = 1 << 20  # bytes; some 300 sinks: all wait for the slowest, and nothing is gained beyond


class Writing:
    """The right to write: one section, or one request, at a time."""

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
            RefusedError: 503: too many wait, or it took too long.
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
        """Write ``records`` with the others of this request or section; outside of both, at once.

        Args:
            records: What to write.
            changes: What that means, for those who are to see it before it is written.

        Raises:
            RefusedError: 413: one is too large.
        """
        if any(size_of(each) > _MOST_RECORD for each in records):
            raise RefusedError("This is too large to be kept", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        unit = current()
        if unit is not None and unit.holds:
            unit.records += records
            unit.changes |= changes
            return
        async with self:
            await self.add(*records, changes=changes)

    def has_written(self) -> bool:
        """Whether this request has put anything so far."""
        unit = current()
        return unit is not None and bool(unit.records or unit.ends)

    def staged(self) -> Changes:
        """For whoever has the turn what others have put and nobody has written yet; else nothing."""
        unit = current()
        return NOTHING if unit is None or not unit.holds or self._round is None else self._round.changes

    async def write_now(self) -> None:
        """Write what this request has put so far, and let others write: for what must not begin before that.

        Where the primary dies before the answer is written the request is carried out once more, from its start.

        Raises:
            NotPrimaryError: it was made, or was not; the request is carried out again.
        """
        unit = current()
        if unit is not None:
            await self._commit(unit)

    # -- requests --------------------------------------------------------------------------------------------

    def begin_request(self) -> Unit:
        """From now on this task's writes belong to one request: ``end_request`` when it is over."""
        unit = Unit(deferred=True)
        unit.token = UNIT.set(unit)
        self._requests += 1
        self._idle.clear()
        return unit

    async def commit_request(self, unit: Unit) -> None:
        """Write what the request put; return once that, and what it was decided on, is written.

        Raises:
            NotPrimaryError: it was made, or was not; the next primary knows.
            TopicError: Kafka will never take it.
        """
        await self._commit(unit)

    async def drop_request(self, unit: Unit) -> None:
        """Write nothing of a request that was refused; return once what it was decided on is written.

        Raises:
            NotPrimaryError: that may not have come to be: the request is to be decided anew.
        """
        self._leave(unit)
        await self._commit(unit)

    def end_request(self, unit: Unit) -> None:
        """Forget what was not written."""
        self._leave(unit)
        unit.ended = True
        assert unit.token is not None
        UNIT.reset(unit.token)
        self._requests -= 1
        if not self._requests:
            self._idle.set()

    async def idle(self) -> None:
        """Return once no request is being answered that may write."""
        await self._idle.wait()

    # -- parts -----------------------------------------------------------------------------------------------

    async def _take(self, unit: Unit) -> None:
        await self._commit(unit)  # others may have waited for long
        if self._waiting >= self._most_waiting:
            raise unavailable("Too many writes wait for their turn: try again")
        self._waiting += 1
        try:
            async with asyncio.timeout(_TURN_S):
                await self._turn.acquire()
                while self._round is not None and self._round.size >= self._most_round:
                    self._turn.release()
                    await asyncio.sleep(0)  # so that the round queues, if it has just been begun
                    await self._turn.acquire()  # behind it
        except TimeoutError:
            raise unavailable("The service cannot write just now: try again") from None
        finally:
            self._waiting -= 1
        unit.holds = True
        unit.term, unit.saw = self._primacy.term, self._round
        if unit.term is None or (unit.saw is not None and unit.saw.term != unit.term):
            raise NotPrimaryError

    async def _commit(self, unit: Unit) -> None:
        """Have what ``unit`` put written with the round, or what it saw; return once it is, without the turn."""
        wanted, has_put = unit.saw, bool(unit.records)
        if has_put:
            wanted = self._round = self._round or self._begin_round(unit.term)
            wanted.take(unit)
        self._let_go(unit)
        if wanted is not None:
            # It goes on when whoever waits for it is cancelled: it is the others' too, and may be on the broker.
            ends = await asyncio.shield(wanted.task)
            unit.saw = None
            unit.ends |= ends if has_put else {}

    def _begin_round(self, term: int | None) -> Round:
        round_ = Round(term)
        # It queues behind those who wait already, and before those who come later.
        round_.task = asyncio.create_task(self._write(round_), name="write")
        # Nobody hears of its error where all who waited were cancelled: then it is nobody's matter.
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
    """Puts and removes resources, as part of what is being written."""

    def __init__(self, writing: Writing, topics: Topics) -> None:
        self._writing = writing
        self._topic = topics.control

    async def put(self, resource: Resource) -> None:
        """Create or replace ``resource``."""
        await self._writing.add(put_record(self._topic, resource), changes={resource.sid: resource})

    async def remove(self, sid: str) -> None:
        """Remove the resource ``sid``."""
        gone = Outgoing(self._topic, None, key_of(sid))  # null, so that compaction forgets it
        await self._writing.add(gone, changes={sid: None})


def put_record(topic: str, resource: Resource) -> Outgoing:
    return Outgoing(topic, encode(resource), key_of(resource.sid))
