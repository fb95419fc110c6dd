"""Units of writing: the writes of one request, and the round in which several requests share a transaction."""

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import Final

from eventstreams.kafka.transaction import Outgoing


class Unit:
    """The writes of one request, or of one section outside of a request.

    Attributes:
        deferred: Whether it is a request's, which is written only with its answer.
        ended: Whether the request is over.
        holds: Whether it has the turn to write.
        term: The term in which it got its turn.
        records: What it has put and not handed over to a round yet.
        changes: The resources that these records change, for those who come after it.
        ends: The next offset of each topic that it has written.
        saw: The round that was open when it had its turn: what it saw there may not be written after all.
        token: Resets the context variable.
    """

    __slots__ = ("changes", "deferred", "ended", "ends", "holds", "records", "saw", "term", "token")

    def __init__(self, *, deferred: bool) -> None:
        self.deferred = deferred
        self.ended = False
        self.holds = False
        self.term: int | None = None
        self.records: list[Outgoing] = []
        self.changes: dict[str, object] = {}
        self.ends: dict[str, int] = {}
        self.saw: Round | None = None
        self.token: Token[Unit | None] | None = None

    def forget(self) -> None:
        """Forget what it has put and not handed over yet."""
        self.records, self.changes = [], {}


class Round:
    """The writes of several units in one transaction.

    Attributes:
        term: The term in which it is written.
        records: What is written.
        changes: The resources that are changed.
        size: Bytes of the records.
        task: Ends once it is written and read back: with each topic's next offset, or with an error for all units.
    """

    __slots__ = ("changes", "records", "size", "task", "term")

    def __init__(self, term: int | None) -> None:
        self.term = term
        self.records: list[Outgoing] = []
        self.changes: dict[str, object] = {}
        self.size = 0
        self.task: asyncio.Task[Mapping[str, int]]

    def take(self, unit: Unit) -> None:
        self.records += unit.records
        self.changes |= unit.changes
        self.size += sum(size_of(each) for each in unit.records)
        unit.forget()


UNIT: Final[ContextVar[Unit | None]] = ContextVar("unit", default=None)


def current() -> Unit | None:
    """The unit of this task; None if there is none, or its request is over and the task has outlived it."""
    unit = UNIT.get()
    return None if unit is None or unit.ended else unit


def size_of(record: Outgoing) -> int:
    return len(record.value or b"") + len(record.key or b"")
