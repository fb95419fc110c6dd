"""Measures how old a process's copy of the control topic may be: the time since it was last known to be complete.

Also a sign of a broker that does not answer: then this age grows in every process.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

from eventstreams.telemetry.metrics import Metrics

_ASK_S: Final = 15.0  # one small request per process; alerts wait for minutes


class Followed(Protocol):
    """What can be brought up to date; see ``ControlFeed``."""

    async def catch_up(self) -> None: ...


@asynccontextmanager
async def telling_age(
    feed: Followed, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic, every_s: float = _ASK_S
) -> AsyncIterator[None]:
    """Keep the age metric up to date while inside. ``feed`` must be up to date on entry, as after entering it."""
    whole_at = clock()
    metrics.control_age.set_function(lambda: clock() - whole_at)

    async def keep_asking() -> None:
        nonlocal whole_at
        while True:
            await asyncio.sleep(every_s)
            asked_at = clock()
            await feed.catch_up()  # retries until a broker answers
            whole_at = asked_at

    asking = asyncio.create_task(keep_asking(), name="control-age")
    try:
        yield
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
