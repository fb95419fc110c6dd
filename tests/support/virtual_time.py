"""An event loop with virtual time: its clock jumps to the next timer as soon as nothing else can run."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import TypeVar

from typing_extensions import override

_TURNS = 30  # iterations: more than any code takes that waits for no timer

Result = TypeVar("Result")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs code that waits for minutes in no time. The code must not wait for anything real, such as I/O."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumping(self))

    @override
    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        self._now += seconds

    def turn(self) -> None:
        """Run every task that can continue, and whatever follows from that, without time passing."""
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
