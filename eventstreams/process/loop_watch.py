"""Logs where an event loop is stuck: in a plugin that blocks without ``await``, or in a bug of ours.

Such a process does not answer /livez either, so it will be restarted anyway; the log is for whoever has to fix it.
"""

import asyncio
import contextvars
import sys
import threading
import traceback
from types import TracebackType
from typing import Final, Self

from eventstreams.telemetry.logging import get_logger

_LOOK_S: Final = 1.0
_STILL: Final = 5  # checks; not seconds, so that a machine that was suspended is not mistaken for a stuck loop

_log = get_logger(__name__)


class LoopWatch:
    """Watches the running loop while inside. Use as ``with``."""

    def __init__(self, *, look_s: float = _LOOK_S) -> None:
        self._look_s = look_s
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        self._turns = 0
        self._timer: asyncio.TimerHandle | None = None
        self._ending = threading.Event()
        told = contextvars.copy_context()  # has the role, for the log
        self._thread = threading.Thread(target=told.run, args=(self._watch,), name="loop-watch", daemon=True)

    def __enter__(self) -> Self:
        self._turn()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._ending.set()
        self._thread.join()

    def _turn(self) -> None:
        self._turns += 1
        self._timer = self._loop.call_later(self._look_s / 2, self._turn)

    def _watch(self) -> None:
        seen = still = 0
        while not self._ending.wait(self._look_s):
            if self._turns != seen:
                if still >= _STILL:
                    _log.warning("loop.resumed", stood_s=round(still * self._look_s, 1))
                seen, still = self._turns, 0
                continue
            still += 1
            if still == _STILL:
                _log.error(
                    "loop.stuck", stack=self._stack(), follows="the process answers no requests until it runs again"
                )

    def _stack(self) -> str:
        """The stack of the loop's thread: code only, no values."""
        frame = sys._current_frames().get(self._watched)  # noqa: SLF001 - its documented name
        return "".join(traceback.format_stack(frame)[-8:])
