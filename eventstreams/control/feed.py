"""Keeps this process's snapshot current from the control topic."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

from eventstreams.control.snapshot import Change, Snapshot
from eventstreams.kafka.follower import PartitionFollower
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings
from eventstreams.topics import Topics

Listener = Callable[[Change], None]

PRIMARY_KEY: Final = b"primary/api"
"""Key of the record that names the process that writes the topic. Not a resource; only the API's replicas use it."""
BEHIND_KEY: Final = b"behind/api"
"""Key of records without meaning, written after a transaction's marker. Markers are not records, so a reader of a topic
that ends with one learns that it has reached the end only from an empty fetch, half a second later."""

_FETCH_WAIT_MS: Final = 500  # every process follows the topic, and it is mostly idle


class ControlFeed:
    """Follows the control topic. Use as ``async with``: on entry, the snapshot is brought up to date."""

    def __init__(self, settings: Settings, *, on_crash: Callable[[BaseException], None]) -> None:
        self.snapshot = Snapshot()
        self._listeners: list[Listener] = []
        self._primary_listeners: list[Callable[[bytes], None]] = []
        self._follower = PartitionFollower(
            settings,
            Topics(settings).control,
            on_records=self._apply,
            on_crash=on_crash,
            committed_end=True,
            fetch_wait_ms=_FETCH_WAIT_MS,
        )
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._follower)
        await self.catch_up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` after every change, in the order of the control topic, on the event loop."""
        self._listeners.append(listener)

    def listen_to_primary(self, listener: Callable[[bytes], None]) -> None:
        """Call ``listener`` with the value of each record that names the writer of the topic, in the topic's order."""
        self._primary_listeners.append(listener)

    async def catch_up(self) -> None:
        """Return once the snapshot holds every write that was acknowledged before this was called."""
        await self._follower.catch_up()

    @property
    def position(self) -> int:
        """Every control record before this offset is in the snapshot."""
        return self._follower.position

    async def wait_until(self, offset: int) -> None:
        """Return once the control record before ``offset`` is in the snapshot."""
        await self._follower.wait_until(offset)

    def _apply(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.key == PRIMARY_KEY:
                for told in self._primary_listeners:
                    told(record.value)
                continue
            if record.key == BEHIND_KEY:
                continue
            change = self.snapshot.apply(record)
            if change is not None:
                for listener in self._listeners:
                    listener(change)
