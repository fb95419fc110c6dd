"""What waits for this router on the events topic, as the brokers have it: a client that is stuck knows of nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from eventstreams.errors import BrokerUnreachableError, TopicError
from eventstreams.kafka.ranges import Range

_ASK_S: Final = 15.0


class Asked(Protocol):
    """Whoever can be asked about offsets; see ``KafkaAdmin``."""

    async def ranges(self, topics: Sequence[str], *, committed: bool) -> Sequence[Range]: ...


class Backlog:
    """How many records of the partitions that are ours were not read yet. ``waiting`` is as old as the last look."""

    def __init__(self, admin: Asked, *, topic: str, positions: Callable[[], Awaitable[dict[int, int | None]]]) -> None:
        """A backlog of nothing yet.

        Args:
            admin: Asked where ``topic`` ends.
            topic: The events topic.
            positions: The next offset that this process reads of each partition that it is assigned; None: not known.
        """
        self._admin = admin
        self._topic = topic
        self._positions = positions
        self.waiting = 0

    async def keep_looking(self) -> None:
        """Look four times a minute, for ever."""
        while True:
            await asyncio.sleep(_ASK_S)
            await self.look()

    async def look(self) -> None:
        """Ask; while no broker answers, what was known last stays."""
        try:
            # Asked before the positions, so that what is read meanwhile does not seem to wait.
            # What a producer's open transaction holds back is no work yet.
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
