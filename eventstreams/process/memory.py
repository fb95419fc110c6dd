"""Returns free memory to the system, so that a process does not stay as large as it was at its peak."""

import asyncio
import ctypes
import sys
from collections.abc import Callable
from typing import Final

_EVERY_S: Final = 30.0


async def give_back_by_the_clock() -> None:
    """Return free memory every ``_EVERY_S`` seconds, forever. Without glibc, return at once.

    glibc releases only the end of its heaps, so one small surviving object near the end keeps everything before it. A
    worker that had been behind with ten sinks, with 16 arenas for its threads, thus held 193 MB with 28 MB in use.
    """
    if give_back is None:
        return
    while True:
        await asyncio.sleep(_EVERY_S)
        await asyncio.to_thread(give_back)


def _give_back() -> Callable[[], None] | None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None  # musl has none
    if trim is None:
        return None
    trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return lambda: trim(0) and None


give_back: Final = _give_back()
"""Returns every free page of every arena; None if the C library cannot.

Measured: 13 ms to return 180 MB, half a millisecond if there is nothing; allocations wait meanwhile.
"""
