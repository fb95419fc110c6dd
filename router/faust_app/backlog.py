"""How much waits for this router on the events topic, as the brokers see it: a client that is stuck would not know."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from eventstreams.errors import BrokerUnreachableError, TopicError
from eventstreams.kafka.ranges import Range

_ASK_S: Final = 15.0


class Asked(Protocol):
    """Returns topics' offset ranges; see ``KafkaAdmin``."""

    async def ranges(self, topics: Sequence[str], *, committed: bool) -> Sequence[Range]: ...


class Backlog:
    """Counts the records of this router's partitions that it has not read yet. ``waiting`` is as of the last look."""

    def __init__(self, admin: Asked, *, topic: str, positions: Callable[[], Awaitable[dict[int, int | None]]]) -> None:
        """Start at zero.

        Args:
            admin: Asked for the ends of ``topic``.
            topic: The events topic.
            positions: Returns the next offset to read of each assigned partition; None if it is not known.
        """
        self._admin = admin
        self._topic = topic
        self._positions = positions
        self.waiting = 0

    async def keep_looking(self) -> None:
        """Look four times a minute, forever."""
        while True:
            await asyncio.sleep(_ASK_S)
            await self.look()

    async def look(self) -> None:
        """Update ``waiting``; while no broker answers, it keeps its value."""
        try:
            # Before the positions, so that what is read meanwhile does not seem to wait.
            # Committed only: what a producer's open transaction holds back is no work yet.
            found = await self._admin.ranges([self._topic], committed=True)
        except (BrokerUnreachableError, TopicError):
            return
        ranges = {each.partition: each for each in found}
        positions = await self._positions()
        self.waiting = sum(
            max(ranges[number].end - (ranges[number].first if position is None else position), 0)
            for number, position in positions.items()
            if number in ranges
        )
