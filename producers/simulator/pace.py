"""Hands out events at a rate, by a clock that does not drift."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Final

from eventstreams.events import Event

_MAX_BATCH: Final = 1000  # bounds memory where the taker is slower than the rate; it then catches up
_TICK_S: Final = 0.005  # above 200 events/s they come in batches


async def paced(events: Iterator[Event], *, rate: float, stopping: asyncio.Event) -> AsyncIterator[list[Event]]:
    """``events`` in batches, as they are due: event *i* ``i / rate`` seconds after the first.

    Ends with ``events``, or when ``stopping`` is set. A taker that was slow gets what is overdue at once.
    """
    clock = asyncio.get_running_loop().time
    began, given = clock(), 0
    while not stopping.is_set():
        due = int((clock() - began) * rate) + 1 - given
        if due > 0:
            batch = list(islice(events, min(due, _MAX_BATCH)))
            if not batch:
                return
            given += len(batch)
            yield batch
        else:
            await _wait(stopping, max(began + given / rate - clock(), _TICK_S))


async def _wait(stopping: asyncio.Event, delay_s: float) -> None:
    try:
        async with asyncio.timeout(delay_s):
            await stopping.wait()
    except TimeoutError:
        return
