"""Types that the replicas' modules share."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from pydantic import TypeAdapter

from eventstreams.errors import EventStreamsError
from eventstreams.kafka.transaction import Outgoing

Duty = Callable[[], AbstractAsyncContextManager[object]]
"""Work that only the primary does, inside its ``async with`` block."""


@dataclass(frozen=True, slots=True)
class Primary:
    """A process that is or was the primary: its id, new at each start, and its URL for other replicas."""

    replica: str
    url: str


PRIMARY: Final = TypeAdapter(Primary)


class NotPrimaryError(EventStreamsError):
    """This process may not write now. A write that it had begun may or may not be made: the next primary knows."""

    def __init__(self) -> None:
        super().__init__("this process does not write the control topic at present")


@dataclass(frozen=True, slots=True)
class Followed:
    """How a topic that the primary writes is followed.

    Attributes:
        catch_up: Returns once everything that was written before is known.
        wait_until: Returns once everything below an offset is known.
        position: Returns the offset below which everything is known.
    """

    catch_up: Callable[[], Awaitable[None]]
    wait_until: Callable[[int], Awaitable[None]]
    position: Callable[[], int]


class Terms(Protocol):
    """What writing needs of a ``Primacy``."""

    @property
    def term(self) -> int | None: ...

    async def write(self, term: int | None, records: Sequence[Outgoing]) -> Mapping[str, int]: ...
