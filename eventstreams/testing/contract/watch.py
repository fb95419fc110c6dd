"""Runs a test's coroutine and records everything that becomes visible, so that it can be searched for secrets."""

import asyncio
import io
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine, Iterable
from contextlib import redirect_stderr, redirect_stdout
from typing import Final

from typing_extensions import override

_TURN_S: Final = 2.0  # a loop that does not respond for so long is blocked
_LEFT_S: Final = 3.0  # for closed connections to end


class Watch(logging.Handler):
    """Records what is logged at any level, printed, or visible in another way (``saw``)."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._seen: list[tuple[str, str]] = []
        self._secrets: set[str] = set()

    def hide(self, secrets: Iterable[str]) -> None:
        """Declare that none of ``secrets`` may be visible anywhere, before or after this call."""
        self._secrets |= {secret for secret in secrets if secret}

    def saw(self, where: str, text: str) -> None:
        """Record that ``text`` was visible. ``where`` is part of a sentence, such as "repr() of the sink"."""
        self._seen.append((where, text))

    def saw_error(self, where: str, error: BaseException) -> None:
        self.saw(where, "".join(traceback.format_exception(error)))

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.saw(f"a log line of {record.name}", f"{self.format(record)} {record.__dict__}")

    def leaks(self) -> list[str]:
        """Where secrets were visible. Does not say which."""
        return sorted({where for where, text in self._seen if any(secret in text for secret in self._secrets)})


def run_watched(main: Callable[[Watch], Coroutine[None, None, None]], *, deadline_s: float) -> None:
    """Run ``main`` in an event loop and thread of its own, for at most ``deadline_s`` seconds.

    Raises:
        AssertionError: it raised that, blocked the loop, did not end, left tasks behind or leaked a secret.
    """
    __tracebackhide__ = True
    watch, root = Watch(), logging.getLogger()
    out, errors = io.StringIO(), io.StringIO()
    level = root.level
    root.addHandler(watch)
    root.setLevel(logging.DEBUG)
    try:
        with redirect_stdout(out), redirect_stderr(errors):
            _in_thread(lambda: _with_nothing_left(main(watch)), deadline_s)
    finally:
        root.setLevel(level)
        root.removeHandler(watch)
        watch.saw("what was printed", out.getvalue() + errors.getvalue())
        sys.stdout.write(out.getvalue())
        sys.stderr.write(errors.getvalue())
    if found := watch.leaks():
        raise AssertionError(f"a secret, or the data of an event, can be seen in {', '.join(found)}")


def _in_thread(main: Callable[[], Coroutine[None, None, None]], deadline_s: float) -> None:
    """Run ``main`` in a thread, so that a sink that blocks its loop fails the test instead of the whole run."""
    __tracebackhide__ = True
    failures: list[BaseException] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def noted() -> None:
        loops.append(asyncio.get_running_loop())
        await main()

    def work() -> None:
        try:
            asyncio.run(noted())
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread of the test
            failures.append(error)

    thread = threading.Thread(target=work, name="sink-contract", daemon=True)
    thread.start()
    thread.join(deadline_s)
    if thread.is_alive():
        turned = threading.Event()
        for loop in loops:
            loop.call_soon_threadsafe(turned.set)
        if turned.wait(_TURN_S):
            raise AssertionError(f"not over within {deadline_s:g} s: something waits for an event that never happens")
        raise AssertionError("the sink blocks the event loop: use an async client, or asyncio.to_thread")
    for failure in failures:
        raise failure


async def _with_nothing_left(main: Coroutine[None, None, None]) -> None:
    """Run ``main``; afterwards every task that it started must have ended, and no error may be left unhandled."""
    unheard: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(str(context.get("message"))))
    await main
    others = asyncio.all_tasks() - {task for task in (asyncio.current_task(),) if task}
    if others:
        _, others = await asyncio.wait(others, timeout=_LEFT_S)
    if others:
        names = ", ".join(sorted(getattr(task.get_coro(), "__qualname__", "a task") for task in others))
        raise AssertionError(f"aclose() left tasks running: {names}")
    if unheard:
        raise AssertionError(f"unhandled errors: {'; '.join(unheard)}")
