"""What is written as one: what each request puts, and the round that several of them share."""

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import Final

from eventstreams.kafka.transaction import Outgoing


class Unit:
    """What one request, or one section outside of any, writes.

    Attributes:
        ends: Of each topic that it has written the next offset.
        changes: What it puts, as those will see it who come after it.
        saw: The round that was open when it had its turn: what it found there may not come to be.
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
        """Forget what it has put and not handed over."""
        self.records, self.changes = [], {}


class Round:
    """What some units write as one.

    Attributes:
        task: Ends once it is written and read back, with each topic's next offset, or with the error that they all get.
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
    """The unit of this task; None also where it was a request's, which the task has outlived."""
    unit = UNIT.get()
    return None if unit is None or unit.ended else unit


def size_of(record: Outgoing) -> int:
    return len(record.value or b"") + len(record.key or b"")
