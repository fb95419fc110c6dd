"""Yields events at a given rate, without drift."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Final

from eventstreams.events import Event

_MAX_BATCH: Final = 1000  # bounds memory if the consumer is slower than the rate; it catches up later
_FULL_SPEED_BATCH: Final = 5_000  # some tenths of a second of publishing, which is how late Ctrl-C is noticed
_TICK_S: Final = 0.005  # above 200 events/s, events come in batches


async def paced(
    events: Iterator[Event], *, rate: float | None, stopping: asyncio.Event, duration_s: float | None = None
) -> AsyncIterator[list[Event]]:
    """Yield ``events`` in batches as they are due: event *i* is due ``i / rate`` seconds after the start.

    Ends with ``events``, when ``stopping`` is set, or ``duration_s`` seconds after the start. A slow consumer gets
    overdue events at once, in batches of at most 1,000. If ``rate`` is None, events come as fast as they are consumed.
    """
    clock = asyncio.get_running_loop().time
    began, given = clock(), 0
    while not stopping.is_set() and (duration_s is None or clock() - began < duration_s):
        due = _FULL_SPEED_BATCH if rate is None else min(int((clock() - began) * rate) + 1 - given, _MAX_BATCH)
        if due > 0:
            batch = list(islice(events, due))
            if not batch:
                return
            given += len(batch)
            yield batch
        elif rate is not None:
            await _wait(stopping, max(began + given / rate - clock(), _TICK_S))


async def _wait(stopping: asyncio.Event, delay_s: float) -> None:
    try:
        async with asyncio.timeout(delay_s):
            await stopping.wait()
    except TimeoutError:
        return
