"""Writes of the primary: all of one request are one transaction, and what they were checked against still holds.

    async with plane.writing:          # alone, as primary: the snapshot has every write there is
        …                              # check
        await plane.writer.put(sink)   # not written yet

Outside of a request the end of the section writes. In a request nothing is written before its answer is known, since
the answer is part of the transaction: a request that is refused, or fails, has written nothing. A second section in the
same request first writes what the first one put.
"""

import asyncio
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final

from control_api.replicas.terms import NotPrimaryError, Terms
from eventstreams.control.records import Resource, encode, key_of
from eventstreams.http import unavailable
from eventstreams.kafka.transaction import Outgoing
from eventstreams.topics import Topics

_MOST_WAITING: Final = 1_000  # each keeps its body, of up to 256 KiB; a write takes some 10 ms
_TURN_S: Final = 20.0  # longer than a transaction that fails


class Unit:
    """What one request, or one section outside of any, writes.

    Attributes:
        ends: Of each topic that it has written the next offset.
    """

    __slots__ = ("deferred", "ended", "ends", "holds", "records", "term", "token")

    def __init__(self, *, deferred: bool) -> None:
        self.deferred = deferred
        self.ended = False
        self.holds = False
        self.term: int | None = None
        self.records: list[Outgoing] = []
        self.ends: dict[str, int] = {}
        self.token: Token[Unit | None] | None = None


_UNIT: Final[ContextVar[Unit | None]] = ContextVar("unit", default=None)


def _current() -> Unit | None:
    """The unit of this task; None also where it was a request's, which the task has outlived."""
    unit = _UNIT.get()
    return None if unit is None or unit.ended else unit


class Writing:
    """The right to write: one section, or one request, at a time."""

    def __init__(self, primacy: Terms, *, most_waiting: int = _MOST_WAITING) -> None:
        self._primacy = primacy
        self._most_waiting = most_waiting
        self._waiting = 0
        self._lock = asyncio.Lock()
        self._commits: set[asyncio.Task[None]] = set()
        self._requests = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def __aenter__(self) -> None:
        """Wait for the turn.

        Raises:
            NotPrimaryError: this process is not the primary.
            RefusedError: 503: too many wait, or it took too long.
        """
        unit = _current()
        if unit is None:
            unit = Unit(deferred=False)
            unit.token = _UNIT.set(unit)
        try:
            await self._take(unit)
        except BaseException:
            self._leave(unit)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        unit = _current()
        assert unit is not None
        if kind is not None:
            self._leave(unit)
        elif not unit.deferred:
            try:
                await self._commit(unit)
            finally:
                self._leave(unit)

    async def add(self, *records: Outgoing) -> None:
        """Write ``records`` with the others of this request or section; outside of both, at once."""
        unit = _current()
        if unit is not None and unit.holds:
            unit.records += records
            return
        async with self:
            await self.add(*records)

    def has_written(self) -> bool:
        """Whether this request has put anything so far."""
        unit = _current()
        return unit is not None and bool(unit.records or unit.ends)

    async def write_now(self) -> None:
        """Write what this request has put so far, and let others write: for what must not begin before that.

        Where the primary dies before the answer is written the request is carried out once more, from its start.

        Raises:
            NotPrimaryError: it was made, or was not; the request is carried out again.
        """
        unit = _current()
        if unit is not None and unit.holds:
            await self._commit(unit)
            self._let_go(unit)

    # -- requests --------------------------------------------------------------------------------------------

    def begin_request(self) -> Unit:
        """From now on this task's writes belong to one request: ``end_request`` when it is over."""
        unit = Unit(deferred=True)
        unit.token = _UNIT.set(unit)
        self._requests += 1
        self._idle.clear()
        return unit

    async def commit_request(self, unit: Unit) -> None:
        """Write what the request put.

        Raises:
            NotPrimaryError: it was made, or was not; the next primary knows.
            TopicError: Kafka will never take it.
        """
        await self._commit(unit)

    def end_request(self, unit: Unit) -> None:
        """Forget what was not written."""
        self._leave(unit)
        unit.ended = True
        assert unit.token is not None
        _UNIT.reset(unit.token)
        self._requests -= 1
        if not self._requests:
            self._idle.set()

    async def idle(self) -> None:
        """Return once no request is being answered that may write."""
        await self._idle.wait()

    # -- parts -----------------------------------------------------------------------------------------------

    async def _take(self, unit: Unit) -> None:
        if unit.holds:
            await self._commit(unit)
            self._let_go(unit)  # others may have waited for long
        if self._waiting >= self._most_waiting:
            raise unavailable("Too many writes wait for their turn: try again")
        self._waiting += 1
        try:
            async with asyncio.timeout(_TURN_S):
                await self._lock.acquire()
        except TimeoutError:
            raise unavailable("The service cannot write just now: try again") from None
        finally:
            self._waiting -= 1
        unit.holds = True
        unit.term = self._primacy.term
        if unit.term is None:
            raise NotPrimaryError

    async def _commit(self, unit: Unit) -> None:
        if not unit.records:
            return
        # A task of its own: a transaction that has begun goes on when whoever waits for it is cancelled, and
        # nobody may write on what was known before it.
        task = asyncio.create_task(self._write(unit, unit.records), name="write")
        unit.records = []
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                unit.holds = False
                task.add_done_callback(self._release)
            raise

    async def _write(self, unit: Unit, records: list[Outgoing]) -> None:
        unit.ends |= await self._primacy.write(unit.term, records)

    def _leave(self, unit: Unit) -> None:
        unit.records = []
        self._let_go(unit)
        if not unit.deferred and unit.token is not None:
            _UNIT.reset(unit.token)
            unit.token = None

    def _let_go(self, unit: Unit) -> None:
        if unit.holds:
            unit.holds = False
            self._lock.release()

    def _release(self, task: "asyncio.Task[None]") -> None:
        self._lock.release()
        if not task.cancelled():
            task.exception()  # nobody is left to hear of it


class ResourceWriter:
    """Puts and removes resources, as part of what is being written."""

    def __init__(self, writing: Writing, topics: Topics) -> None:
        self._writing = writing
        self._topic = topics.control

    async def put(self, resource: Resource) -> None:
        """Create or replace ``resource``."""
        await self._writing.add(put_record(self._topic, resource))

    async def remove(self, sid: str) -> None:
        """Remove the resource ``sid``."""
        await self._writing.add(Outgoing(self._topic, None, key_of(sid)))  # null, so that compaction forgets it

    async def add(self, record: Outgoing) -> None:
        """Write ``record``, of whatever topic, in the same transaction."""
        await self._writing.add(record)


def put_record(topic: str, resource: Resource) -> Outgoing:
    return Outgoing(topic, encode(resource), key_of(resource.sid))
