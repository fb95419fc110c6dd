"""Sends retries to their topic in groups: those that fail within 50 ms share a slot of the wheel, and so a request.

A retry that is sent by itself costs a produce request, because a Kafka client puts only records of one partition into
a batch, and a fetch response to the consumer of the retry topics' partitions. Both cost several times the record.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Final

_GAP_S: Final = 0.05  # between two departures: a failed event is settled at most this much later
_MOST: Final = 32  # in a group: many failures at once must come back over the whole delay, and not together


class Departures:
    """Decides when each retry leaves for its topic, and what share of the delay it waits.

    If none has left in the last 50 ms, a retry leaves at once, so an occasional failure does not wait. A group that
    leaves together shares one part of the delay, which is one slot of the wheel: the part is drawn at random, and the
    group is spread evenly over it, in order. So each wait is distributed evenly over the whole delay, as if it had been
    drawn by itself.
    """

    def __init__(self, parts: int, *, draw: Callable[[], float] = random.random) -> None:
        """Nothing has departed yet.

        Args:
            parts: How many parts a delay is divided into: the number of partitions of a retry topic.
            draw: Draws from the uniform distribution over [0, 1).
        """
        self._parts = parts
        self._draw = draw
        self._waiting: list[asyncio.Future[float]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._left_s = float("-inf")

    async def next(self) -> float:
        """Wait until this retry leaves, and return the random number to use for its wait: uniform over [0, 1)."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[float] = loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) >= _MOST or loop.time() - self._left_s >= _GAP_S:
            self._leave(loop)
        elif self._timer is None:
            self._timer = loop.call_at(self._left_s + _GAP_S, self._leave, loop)
        return await turn

    def _leave(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        turns = [turn for turn in self._waiting if not turn.done()]  # else its task was cancelled
        self._waiting.clear()
        self._left_s = loop.time()
        part, count = int(self._draw() * self._parts), len(turns)
        for place, turn in enumerate(turns):
            # The first to leave waits least, because a slot's records come back one after another. The larger the
            # number, the shorter the wait: see next_attempt_ms.
            within = (count - 1 - place + self._draw()) / count
            turn.set_result((part + within) / self._parts)
