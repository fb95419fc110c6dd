"""Reads topics as a test wants to see them."""

import asyncio
import time
from collections.abc import Callable, Sequence

from eventstreams.kafka.follower import PartitionFollower
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings


def _raise(error: BaseException) -> None:
    raise error


async def read_topic(settings: Settings, topic: str, count: int, *, timeout_s: float = 30.0) -> list[Record]:
    """The first ``count`` records of the only partition of ``topic``, waited for.

    Raises:
        TimeoutError: there were fewer; the text says which.
    """
    found = await read_topic_until(settings, topic, lambda records: len(records) >= count, timeout_s=timeout_s)
    return found[:count]


async def read_topic_until(
    settings: Settings, topic: str, enough: Callable[[Sequence[Record]], bool], *, timeout_s: float = 30.0
) -> list[Record]:
    """The records of the only partition of ``topic``, once they are ``enough``."""
    found: list[Record] = []
    async with PartitionFollower(settings, topic, on_records=found.extend, on_crash=_raise):
        await eventually(lambda: enough(found), timeout_s=timeout_s, what=lambda: f"{topic}: {found}")
    return found


async def eventually(
    condition: Callable[[], bool], *, timeout_s: float = 30.0, what: Callable[[], str] = lambda: ""
) -> None:
    """Return once ``condition()`` holds.

    Raises:
        TimeoutError: it did not within ``timeout_s``; the text is ``what()``.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:g} s: {what()}")
        await asyncio.sleep(0.02)
