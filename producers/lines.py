"""Reads lines of a file, a pipe or a terminal as they arrive, without a thread."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from eventstreams.topics import MAX_EVENT_BYTES

MAX_LINE_BYTES: Final = 4 * MAX_EVENT_BYTES  # an event is larger as JSON than as Avro, but not four times
_CHUNK_BYTES: Final = 256 << 10  # some hundred events: enough to fill requests, little to hold in memory


@dataclass(frozen=True, slots=True)
class Line:
    """One line, numbered from 1, without its newline. ``text`` is None if it is longer than ``MAX_LINE_BYTES``."""

    number: int
    text: bytes | None


class LineSplitter:
    """Splits chunks into lines. Holds at most one incomplete line."""

    def __init__(self, *, max_bytes: int = MAX_LINE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._number = 0
        self._rest = b""
        self._too_long = False

    def feed(self, chunk: bytes) -> list[Line]:
        """The lines that end in ``chunk``."""
        *ended, rest = (self._rest + chunk).split(b"\n")
        lines = [self._line(text) for text in ended]
        self._too_long = self._too_long or len(rest) > self._max_bytes
        self._rest = b"" if self._too_long else rest
        return lines

    def end(self) -> list[Line]:
        """The last line, if it does not end with a newline."""
        return [self._line(self._rest)] if self._rest or self._too_long else []

    def _line(self, text: bytes) -> Line:
        too_long, self._too_long = self._too_long or len(text) > self._max_bytes, False
        self._number += 1
        return Line(self._number, None if too_long else text)


async def read_lines(descriptor: int) -> AsyncIterator[list[Line]]:
    """The lines of a file descriptor, in batches as they arrive; from an interactive user, one by one."""
    splitter = LineSplitter()
    while True:
        await _readable(descriptor)
        chunk = os.read(descriptor, _CHUNK_BYTES)
        if not chunk:
            break
        if lines := splitter.feed(chunk):
            yield lines
    if lines := splitter.end():
        yield lines


async def _readable(descriptor: int) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except PermissionError:  # what epoll raises for a regular file, which is always readable
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
