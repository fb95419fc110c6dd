"""Reads topics for tests, and waits for conditions."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from eventstreams.kafka.follower import PartitionFollower
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings

PATIENCE_S: Final = 90.0
"""A virtual machine may stall for seconds while several test processes share it; shorter waits fail because of that."""


def _raise(error: BaseException) -> None:
    raise error


async def read_topic(settings: Settings, topic: str, count: int, *, timeout_s: float = PATIENCE_S) -> list[Record]:
    """Wait for the first ``count`` records of the only partition of ``topic``, and return them.

    Raises:
        TimeoutError: There were fewer; the text says which.
    """
    found = await read_topic_until(settings, topic, lambda records: len(records) >= count, timeout_s=timeout_s)
    return found[:count]


async def read_topic_until(
    settings: Settings, topic: str, enough: Callable[[Sequence[Record]], bool], *, timeout_s: float = PATIENCE_S
) -> list[Record]:
    """Return the records of the only partition of ``topic`` once ``enough`` accepts them."""
    found: list[Record] = []
    async with PartitionFollower(settings, topic, on_records=found.extend, on_crash=_raise):
        await eventually(lambda: enough(found), timeout_s=timeout_s, what=lambda: f"{topic}: {found}")
    return found


async def eventually(
    condition: Callable[[], bool],
    *,
    timeout_s: float = PATIENCE_S,
    every_s: float = 0.02,
    what: Callable[[], str] = lambda: "",
) -> None:
    """Return once ``condition()`` holds; checked every ``every_s``: choose it longer if that asks Kafka or a server.

    Raises:
        TimeoutError: It did not within ``timeout_s``; the text is ``what()``, and where all tasks of the loop wait.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:g} s: {what()}\n{_where_tasks_stand()}")
        await asyncio.sleep(every_s)


def _where_tasks_stand() -> str:
    """Return a line per task, which shows what a role that hangs is waiting for."""
    lines = []
    for task in asyncio.all_tasks():
        stack = [f"{Path(each.f_code.co_filename).name}:{each.f_lineno}" for each in _frames(task)]
        lines.append(f"  {task.get_name()}: {' > '.join(stack)}")
    return "\n".join(sorted(lines))


def _frames(task: "asyncio.Task[object]") -> Iterator[FrameType]:
    """Yield the frames of what the task awaits, outermost first; ``Task.get_stack`` has only the outermost."""
    awaited: object = task.get_coro()
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            return
        yield frame
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
