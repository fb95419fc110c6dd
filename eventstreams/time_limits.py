"""Foreign code on our loop: held to its time, also where it takes its cancellation and goes on.

``asyncio.timeout`` alone asks: whoever catches ``CancelledError`` and waits again holds its caller for ever, and with
it the caller's events and place. Here it is asked once and has a moment to clear up; then it is let go of.
"""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Final, Generic, TypeVar

from eventstreams.telemetry.logging import get_logger

GRACE_S: Final = 2.0
"""For whoever was cancelled to close what it had open. It is longer than a close on the same continent takes."""

_TICK_S: Final = 0.001  # a loop's clock may be so coarse

T = TypeVar("T")

_log = get_logger(__name__)


class OverdueError(TimeoutError):
    """The time was over; not a ``TimeoutError`` of the foreign code's own."""


class Watch:
    """Tells tasks that their time is over: with one timer for all, as one for each costs more than an event's JSON."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ends_s: dict[asyncio.Task[object], float] = {}  # by the loop's clock
        self._told: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, task: "asyncio.Task[object]", timeout_s: float) -> None:
        """Cancel ``task`` once ``timeout_s`` seconds are over; it must ``end`` this first."""
        end_s = self._ends_s[task] = self._loop.time() + timeout_s
        if self._timer is None or self._timer.when() > end_s:
            self._look_at(end_s)

    def is_over(self, task: "asyncio.Task[object]") -> bool:
        """Whether ``task`` was cancelled for what it began."""
        return task in self._told

    def end(self, task: "asyncio.Task[object]") -> bool:
        """``task`` is done with what it began; whether it was cancelled for it. That is taken back."""
        if self._ends_s.pop(task, None) is not None:
            return False
        self._told.remove(task)
        task.uncancel()
        return True

    def _look(self) -> None:
        self._timer = None
        now_s = self._loop.time() + _TICK_S
        for task in [task for task, end_s in self._ends_s.items() if end_s <= now_s]:
            del self._ends_s[task]
            self._told.add(task)
            task.cancel()
        if self._ends_s:  # of what has begun since the timer was set; mostly there is some, and it is in order
            self._look_at(min(self._ends_s.values()))

    def _look_at(self, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at_s, self._look)


async def within(
    work: Coroutine[object, object, T], *, timeout_s: float, grace_s: float = GRACE_S, watch: Watch | None = None
) -> T:
    """What ``work`` returns, in ``timeout_s + grace_s`` seconds at most, unless it blocks the whole loop.

    What does not end once it is cancelled is closed where it waits: it runs no further, and what it held is freed.
    Whoever calls this often has a ``watch`` for all. A task is within one piece of foreign code at a time.

    Raises:
        OverdueError: it took longer.
        CancelledError: this task is to end, whatever ``work`` made of that; or it is ``work``'s own, see
            ``is_cancelled``.
        BaseException: what ``work`` raised.
    """
    task, watch, was_over = _me(), watch or Watch(), False
    watch.begin(task, timeout_s)
    try:
        try:
            returned = await _Held(work, task, watch, grace_s)
        finally:
            was_over = watch.end(task)
    except (Exception, asyncio.CancelledError):
        if was_over and not is_cancelled():
            raise OverdueError from None
        raise
    if task.cancelling():
        raise asyncio.CancelledError
    return returned


def is_cancelled() -> bool:
    """Whether somebody wants this task to end.

    If not, a ``CancelledError`` is the foreign code's own: it waited for a task or future of its own that was
    cancelled. To let that pass would end a task of ours, and leave its work to nobody.
    """
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


class _Held(Generic[T]):
    """Runs a coroutine as ``await`` does, step by step, so that it can be let go of at any of them."""

    def __init__(
        self, work: Coroutine[object, object, T], task: "asyncio.Task[object]", watch: Watch, grace_s: float
    ) -> None:
        self._work = work
        self._task = task
        self._watch = watch
        self._grace_s = grace_s
        self._patience: asyncio.TimerHandle | None = None
        self._is_over = False

    def __await__(self) -> Generator[object, object, T]:
        answer: object = None
        raised: list[BaseException] = []  # popped, so that no frame that an error's traceback has refers to the error
        try:
            while True:
                try:
                    waits_for = self._work.throw(raised.pop()) if raised else self._work.send(answer)
                except StopIteration as ended:
                    returned: T = ended.value
                    return returned
                try:
                    answer = yield waits_for
                except asyncio.CancelledError as error:
                    if self._is_over:
                        self._let_go()
                        raise
                    if self._patience is None and self._watch.is_over(self._task):  # others' are others' matter
                        self._patience = asyncio.get_running_loop().call_later(self._grace_s, self._over)
                    raised.append(error)
                except Exception as error:  # noqa: BLE001 - of what it waits for: its matter
                    raised.append(error)
        finally:
            if self._patience is not None:
                self._patience.cancel()

    def _over(self) -> None:
        self._is_over = True
        self._task.cancel()

    def _let_go(self) -> None:
        self._task.uncancel()  # it was we who asked the second time
        _log.error("plugin.let_go", follows="it was cancelled but kept running: it is closed where it waits")
        try:
            self._work.close()
        except Exception as error:  # noqa: BLE001 - the seam to foreign code: it waits even now, or clears up badly
            _log.error("plugin.not_closed", error=type(error).__name__, follows="it is dropped where it waits")


def _me() -> "asyncio.Task[object]":
    task = asyncio.current_task()
    assert task is not None
    return task
