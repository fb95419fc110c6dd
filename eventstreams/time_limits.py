"""Enforces time limits on foreign code on our loop, even if it ignores its cancellation.

``asyncio.timeout`` only cancels: code that catches ``CancelledError`` and waits again would hold up its caller, and the
caller's events, forever. Here it is cancelled once and has a moment to clean up; then it is abandoned.
"""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Final, Generic, TypeVar

from eventstreams.telemetry.logging import get_logger

GRACE_S: Final = 2.0
"""How long cancelled code gets to close what it had open: longer than a close on the same continent takes."""

_TICK_S: Final = 0.001  # the resolution that a loop's clock may have

T = TypeVar("T")

_log = get_logger(__name__)


class OverdueError(TimeoutError):
    """The time limit was exceeded; not a ``TimeoutError`` raised by the foreign code itself."""


class Watch:
    """Cancels tasks whose time is up, with one timer for all: one for each would cost more than encoding an event."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ends_s: dict[asyncio.Task[object], float] = {}  # by the loop's clock
        self._told: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, task: "asyncio.Task[object]", timeout_s: float) -> None:
        """Cancel ``task`` after ``timeout_s`` seconds. Call ``end`` before the next ``begin`` of the same task."""
        end_s = self._ends_s[task] = self._loop.time() + timeout_s
        if self._timer is None or self._timer.when() > end_s:
            self._look_at(end_s)

    def is_over(self, task: "asyncio.Task[object]") -> bool:
        """Whether ``task`` was cancelled because its time was up."""
        return task in self._told

    def end(self, task: "asyncio.Task[object]") -> bool:
        """Stop watching ``task``; returns whether it was cancelled, after undoing that cancellation."""
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
        if self._ends_s:  # tasks begun since the timer was set; usually there are some, in order
            self._look_at(min(self._ends_s.values()))

    def _look_at(self, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at_s, self._look)


async def within(
    work: Coroutine[object, object, T], *, timeout_s: float, grace_s: float = GRACE_S, watch: Watch | None = None
) -> T:
    """Run ``work`` for ``timeout_s + grace_s`` seconds at most, unless it blocks the whole loop; return its result.

    If it does not end when it is cancelled, it is closed where it waits: it runs no further, and what it held is freed.
    Callers that use this often should share a ``watch``. A task can run only one ``work`` at a time.

    Raises:
        OverdueError: it took longer.
        CancelledError: this task was cancelled, whatever ``work`` made of that; or ``work`` raised its own, see
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
    """Whether this task is being cancelled.

    If not, a ``CancelledError`` is the foreign code's own: it waited for a task or future of its own that was
    cancelled. Letting that propagate would end a task of ours and leave its work undone.
    """
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


class _Held(Generic[T]):
    """Runs a coroutine step by step, as ``await`` does, so that it can be abandoned at any step."""

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
        raised: list[BaseException] = []  # popped, so that no frame in an error's traceback refers to the error
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
                    if self._patience is None and self._watch.is_over(self._task):  # other cancellations are not ours
                        self._patience = asyncio.get_running_loop().call_later(self._grace_s, self._over)
                    raised.append(error)
                except Exception as error:  # noqa: BLE001 - from what it waits for: `work` has to handle it
                    raised.append(error)
        finally:
            if self._patience is not None:
                self._patience.cancel()

    def _over(self) -> None:
        self._is_over = True
        self._task.cancel()

    def _let_go(self) -> None:
        self._task.uncancel()  # the second cancellation was ours
        _log.error("plugin.let_go", follows="it was cancelled but kept running: it is closed where it waits")
        try:
            self._work.close()
        except Exception as error:  # noqa: BLE001 - the seam to foreign code: it waits even now, or its clean-up fails
            _log.error("plugin.not_closed", error=type(error).__name__, follows="it is dropped where it waits")


def _me() -> "asyncio.Task[object]":
    task = asyncio.current_task()
    assert task is not None
    return task
