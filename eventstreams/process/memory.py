"""Gives free memory back to the system: a process is not to stay as large as it was in its worst minute."""

import asyncio
import ctypes
import sys
from collections.abc import Callable
from typing import Final

_EVERY_S: Final = 30.0


async def give_back_by_the_clock() -> None:
    """Give back what is free every ``_EVERY_S``. Works for ever; where there is no glibc it returns at once.

    glibc gives back the end of its memory alone, and one small object that lives on near the end keeps all before it. A
    worker that had been behind ten sinks, with 16 arenas for its threads, held 193 MB like that for 28 MB in use.
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
"""Gives back every free page of every arena; None where the C library cannot.

Measured: 13 ms where it finds 180 MB, half a millisecond where it finds nothing; who allocates meanwhile waits.
"""
