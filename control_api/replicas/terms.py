"""The words in which replicas speak of who writes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from pydantic import TypeAdapter

from eventstreams.errors import EventStreamsError
from eventstreams.kafka.transaction import Outgoing

Duty = Callable[[], AbstractAsyncContextManager[object]]
"""Work that only the primary does, while it is entered."""


@dataclass(frozen=True, slots=True)
class Primary:
    """A process that is, or was, the primary: its id, new with each start, and the URL where replicas reach it."""

    replica: str
    url: str


PRIMARY: Final = TypeAdapter(Primary)


class NotPrimaryError(EventStreamsError):
    """This process may not write now. A write that it had begun was made or was not: the next primary knows."""

    def __init__(self) -> None:
        super().__init__("this process does not write the control topic now")


@dataclass(frozen=True, slots=True)
class Followed:
    """How a topic that the primary writes is followed.

    Attributes:
        catch_up: Returns once all that was written before is known.
        wait_until: Returns once what lies before an offset is known.
        position: The offset before which all is known.
    """

    catch_up: Callable[[], Awaitable[None]]
    wait_until: Callable[[int], Awaitable[None]]
    position: Callable[[], int]


class Terms(Protocol):
    """What a ``Primacy`` is to whoever writes."""

    @property
    def term(self) -> int | None: ...

    async def write(self, term: int | None, records: Sequence[Outgoing]) -> Mapping[str, int]: ...
