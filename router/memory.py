"""How the router's process deals with memory and threads: what is right for events by the hundred thousand."""

import asyncio
import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_COLLECT_S: Final = 60.0
_M_ARENA_MAX: Final = -8  # glibc's numbers for mallopt()
_M_MMAP_THRESHOLD: Final = -3
_M_TRIM_THRESHOLD: Final = -1
_SWITCH_S: Final = 5e-4
_KEPT_BYTES: Final = 32 << 20  # what a fetch brings at once comes and goes: it is kept, not asked for again each time


def allocate_in_one_arena() -> None:
    """Have glibc give all threads the same memory; nothing elsewhere.

    Records are allocated by one thread and freed by another. With an arena for each, glibc moves between them all the
    time and gives memory back that is wanted again at once.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, 1)
            mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
            mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def take_turns() -> None:
    """Have a thread that computes give way after ``_SWITCH_S``, where Python waits ten times as long.

    The lane computes nearly all the time. Beside it brokers wait for the thread that sends, which has little to do for
    each request, and which waits for its turn before each of its steps. With the usual 5 ms the lane waited for
    brokers for 30 % of the time at 85,000 events/s, with this for 5 %.
    """
    sys.setswitchinterval(_SWITCH_S)


@contextmanager
def collecting_nothing() -> Iterator[None]:
    """Look for no cyclic garbage meanwhile.

    A hundred thousand subscriptions that are loaded at the start are none, and Python would look through them again
    and again as they become more.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def collect_by_the_clock() -> None:
    """Look for cyclic garbage every ``_COLLECT_S`` instead of every few hundred allocations. Works for ever.

    Records and copies are in no cycles, so looking through them, which Python does whenever enough of them were made,
    finds nothing and takes a third of the router's time. What is there now (modules, the catalogue, the routes) is
    not looked at any more.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        while True:
            await asyncio.sleep(_COLLECT_S)
            gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()
