"""Retries leave for their topic together: what fails within a moment shares a slot of the wheel, and so a request.

A record that leaves by itself costs a request to Kafka of its own, as a client puts records of one partition into a
request, and an answer to whoever reads the retry topics, of all their partitions. Both cost several times the record.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Final

_GAP_S: Final = 0.05  # between two departures: so much longer is an event not settled whose attempt has failed
_MOST: Final = 32  # of one: many failures of a moment are to come back over the whole delay, and not together


class Departures:
    """When a retry leaves, and its share of the delay that it is to wait.

    Where none has left for a moment one leaves at once: so a failure now and then waits for nobody. All that leave
    together get shares of one part of the delay, a slot of the wheel; which one is drawn, and within it they are
    spread evenly, in order. So the wait of each is spread evenly over the whole delay, as if it were drawn by itself.
    """

    def __init__(self, parts: int, *, draw: Callable[[], float] = random.random) -> None:
        """No departure yet.

        Args:
            parts: Into which a delay is divided: as many as a retry topic has partitions.
            draw: Evenly from [0, 1).
        """
        self._parts = parts
        self._draw = draw
        self._waiting: list[asyncio.Future[float]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._left_s = float("-inf")

    async def next(self) -> float:
        """Return when this retry leaves, with what stands for its chance: evenly from [0, 1)."""
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
            # Who leaves first waits least, as a slot's records come back one after the other: of a delay the wait is
            # what the chance leaves of it.
            within = (count - 1 - place + self._draw()) / count
            turn.set_result((part + within) / self._parts)
