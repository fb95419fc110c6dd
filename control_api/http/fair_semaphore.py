"""Limits concurrent expensive requests, in total and per customer; customers get free slots in rotation.

Also lets long computations yield to other tasks.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from eventstreams.http import unavailable
from eventstreams.http.limits import too_often

_MOST_WAITING: Final = 16  # per customer: as many as a page of a console requests at once
_WAIT_S: Final = 20.0  # after that, clients and proxies begin to give up by themselves
_AGAIN_S: Final = 1.0  # about as long as a request takes
_SLICE_S: Final = 0.01  # work this long at a time; one record of 1 MiB can take ten times as long


class FairSemaphore:
    """Slots that are shared fairly.

    With ``of_one`` below ``most``, there is room for others however slow one customer's requests are; and if all slots
    are taken, the next goes to the customer who was served longest ago, however many requests others have waiting.
    """

    def __init__(
        self, *, most: int, of_one: int, customer_of: Callable[[str], str] = str, wait_s: float = _WAIT_S
    ) -> None:
        """Start with all slots free.

        Args:
            most: The number of slots.
            of_one: The most slots that one customer can have.
            customer_of: Maps an account's SID to its customer, for example a subaccount's to its owner's.
            wait_s: How long a request waits for a slot, in seconds.
        """
        self._most = most
        self._of_one = of_one
        self._customer_of = customer_of
        self._wait_s = wait_s
        self._taken: dict[str, int] = {}
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def slot(self, sid: str) -> AsyncIterator[None]:
        """Hold a slot inside the block, for the account ``sid`` or the operator.

        Raises:
            RefusedError: 429: too many requests of the same customer wait already; 503: no slot became free in time.
        """
        who = self._customer_of(sid)
        await self._take(who)
        try:
            yield
        finally:
            self._release(who)

    async def _take(self, who: str) -> None:
        if self._has_room(who):  # any customer with waiting requests then has the maximum already
            self._start(who)
            return
        queue = self._waiting.setdefault(who, deque())
        if len(queue) >= _MOST_WAITING:
            raise too_often(
                f"{self._of_one} long-running requests of this account are answered concurrently, and "
                f"{_MOST_WAITING} more are already waiting: send them one at a time",
                wait_s=_AGAIN_S,
            )
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(place)
        try:
            async with asyncio.timeout(self._wait_s):
                await place
        except TimeoutError:
            self._give_up(who, place)
            raise unavailable("Too many long-running requests right now: try again") from None
        except asyncio.CancelledError:
            self._give_up(who, place)
            raise

    def _give_up(self, who: str, place: "asyncio.Future[None]") -> None:
        if not place.cancelled():  # the slot was granted at the same moment
            self._release(who)
            return
        queue = self._waiting.get(who)
        if queue is not None and place in queue:  # else it was skipped already
            queue.remove(place)
            if not queue:
                del self._waiting[who]

    def _release(self, who: str) -> None:
        self._taken[who] -= 1
        if not self._taken[who]:
            del self._taken[who]
        while (following := next((each for each in self._waiting if self._has_room(each)), None)) is not None:
            queue = self._waiting[following]
            place = queue.popleft()
            if queue:
                self._waiting.move_to_end(following)
            else:
                del self._waiting[following]
            if not place.done():
                self._start(following)
                place.set_result(None)

    def _has_room(self, who: str) -> bool:
        return sum(self._taken.values()) < self._most and self._taken.get(who, 0) < self._of_one

    def _start(self, who: str) -> None:
        self._taken[who] = self._taken.get(who, 0) + 1


class Slices:
    """Cuts CPU-bound work on many records into slices, so that other requests are answered in between."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began_s = clock()

    async def pause(self) -> None:
        """Yield to other tasks if a slice is over. Call it after each record."""
        if self._clock() - self._began_s > _SLICE_S:
            await asyncio.sleep(0)
            self._began_s = self._clock()
