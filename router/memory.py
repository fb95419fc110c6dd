"""Memory and thread settings of the router's process, tuned for hundreds of thousands of events."""

import asyncio
import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from eventstreams.memory import what_is_there_out_of_sight

_COLLECT_S: Final = 60.0
_M_ARENA_MAX: Final = -8  # glibc's numbers for mallopt()
_M_MMAP_THRESHOLD: Final = -3
_M_TRIM_THRESHOLD: Final = -1
_SWITCH_S: Final = 2e-3
_KEPT_BYTES: Final = 32 << 20  # keep the memory of a fetch for the next, as it is needed again at once


def allocate_in_one_arena() -> None:
    """Make glibc use one arena for all threads; does nothing with other C libraries.

    Records are allocated by one thread and freed by another. With one arena per thread, glibc constantly moves between
    them, and returns memory to the system that is needed again at once.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, 1)
            mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
            mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def take_turns() -> None:
    """Make a busy thread give up the interpreter's lock after ``_SWITCH_S``, two fifths of Python's default.

    The lane computes nearly all the time, and the threads that send and fetch wait for the lock before each step. No
    thread computes while it is handed over, so with 0.5 ms the router is a fifth slower. With 5 ms its copies to ten
    topics become slower, as the brokers wait for the sending thread. ADR 0044 has the figures.
    """
    sys.setswitchinterval(_SWITCH_S)


@contextmanager
def collecting_nothing() -> Iterator[None]:
    """Disable cyclic garbage collection while the context is open.

    A hundred thousand subscriptions loaded at the start are no garbage, yet Python would traverse them again and again
    as their number grows.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def collect_by_the_clock() -> None:
    """Collect cyclic garbage every ``_COLLECT_S`` instead of every few hundred allocations. Runs forever.

    Records and copies form no cycles, so the collections that Python does whenever enough of them were allocated find
    nothing and take a third of the router's time. What exists now (modules, the catalogue, the routes) is frozen, that
    is, not traversed any more.
    """
    with what_is_there_out_of_sight():
        gc.disable()
        try:
            while True:
                await asyncio.sleep(_COLLECT_S)
                gc.collect()
        finally:
            gc.enable()
