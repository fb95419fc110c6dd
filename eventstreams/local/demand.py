"""Finds the sink types in use, so that ``eventstreams up`` starts a type's worker with the first sink of that type."""

import asyncio
from collections.abc import AsyncGenerator

from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import SinkRecord
from eventstreams.control.snapshot import Change
from eventstreams.settings import Settings


async def sink_types_in_use(settings: Settings) -> AsyncGenerator[str, None]:
    """Yield each sink type once, as soon as there is a sink of it. Never ends.

    Raises:
        BaseException: the error that ended following the control topic.
    """
    found: asyncio.Queue[str | BaseException] = asyncio.Queue()  # holds each type once, and one error
    seen: set[str] = set()

    def on_change(change: Change) -> None:
        sink = change.after
        if isinstance(sink, SinkRecord) and sink.sink_type not in seen:
            seen.add(sink.sink_type)
            found.put_nowait(sink.sink_type)

    feed = ControlFeed(settings, on_crash=found.put_nowait)
    feed.listen(on_change)
    async with feed:
        while True:
            each = await found.get()
            if isinstance(each, BaseException):
                raise each
            yield each
