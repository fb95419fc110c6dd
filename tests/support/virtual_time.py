"""An event loop whose time is not ours: it jumps to the next timer as soon as nothing else is to be done."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import TypeVar

from typing_extensions import override

_TURNS = 30  # more than anything takes that waits for nothing

Result = TypeVar("Result")


class VirtualLoop(asyncio.SelectorEventLoop):
    """For code that waits for minutes, in tests that take none. Nothing real may be waited for."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumping(self))

    @override
    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        self._now += seconds

    def turn(self) -> None:
        """Let every task that can go on do so, and what follows from that; no time passes."""
        self.run_until_complete(_turn())

    def run(self, main: Coroutine[None, None, Result]) -> Result:
        """What ``main`` returns, however long it takes."""
        return self.run_until_complete(main)

    def end(self) -> None:
        """Cancel what is left, and close."""
        for task in asyncio.all_tasks(self):
            task.cancel()
        self.turn()
        self.close()


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    @override
    def select(self, timeout: float | None = None) -> "list[tuple[selectors.SelectorKey, int]]":
        if timeout is None:
            raise RuntimeError("nothing will ever happen any more")
        if timeout > 0:
            self._loop.jump(timeout)
        return super().select(0)


async def _turn() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)
