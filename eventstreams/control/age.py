"""How sure a process is that its copy of the control topic is whole: it asks now and then, and tells when it last was.

Also the sign of a broker that does not answer: then the age grows in every process.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

from eventstreams.telemetry.metrics import Metrics

_ASK_S: Final = 15.0  # one small question of each process; alerts wait for minutes


class Followed(Protocol):
    """What can be brought up to date; see ``ControlFeed``."""

    async def catch_up(self) -> None: ...


@asynccontextmanager
async def telling_age(
    feed: Followed, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic, every_s: float = _ASK_S
) -> AsyncIterator[None]:
    """Ask meanwhile. ``feed`` is up to date when this is entered, as it is once it has been entered itself."""
    whole_at = clock()
    metrics.control_age.set_function(lambda: clock() - whole_at)

    async def keep_asking() -> None:
        nonlocal whole_at
        while True:
            await asyncio.sleep(every_s)
            asked_at = clock()
            await feed.catch_up()  # asks until a broker answers
            whole_at = asked_at

    asking = asyncio.create_task(keep_asking(), name="control-age")
    try:
        yield
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
