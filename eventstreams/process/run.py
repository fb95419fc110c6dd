"""Runs one role: logging, health, signals and, at the end, a drain with a deadline."""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from eventstreams.errors import EventStreamsError
from eventstreams.process.health import Health, serve_admin
from eventstreams.process.listen import open_socket
from eventstreams.process.loop_watch import LoopWatch
from eventstreams.process.memory import give_back_by_the_clock
from eventstreams.settings import PREFIX, Settings
from eventstreams.telemetry.logging import Log, configure_logging, get_logger
from eventstreams.telemetry.metrics import Metrics
from eventstreams.telemetry.tracing import Tracing, open_tracing

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
# Host names are resolved in threads, one per lookup. The system's resolver takes ten seconds and more for a name whose
# servers are silent, and six such names would occupy all of asyncio's default threads (on two cores). Threads are
# created only as needed.
_THREADS: Final = 256
_CUT_S: Final = 3.0  # for cancelled work to end; less than any supervisor waits beyond the drain


@dataclass(slots=True)
class Process:
    """What a role gets from the process that runs it.

    Attributes:
        stopping: Set when the process should end; the role then drains and returns.
        crashed: The first error passed to ``crash``.
        tracing: Creates spans; None if tracing is off.
        limit: The timer that ends the process if draining takes too long.
    """

    settings: Settings
    log: Log
    metrics: Metrics = field(default_factory=Metrics)
    health: Health = field(default_factory=Health)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    crashed: BaseException | None = None
    tracing: Tracing | None = None
    limit: threading.Timer | None = None

    def crash(self, error: BaseException) -> None:
        """End the process because of ``error``: a vital part has failed for good. Only the first error counts."""
        self.crashed = self.crashed or error
        self.stopping.set()


RoleMain = Callable[[Process], Awaitable[None]]
"""A role's main function: works until ``process.stopping`` is set, then drains and returns."""


def run_role(role: str, main: RoleMain, settings: Settings) -> int:
    """Run ``main`` to its end and return the process's exit code: 0 after an orderly stop."""
    configure_logging(settings, role=role)
    return run_process(Process(settings, get_logger(role)), main)


def run_process(process: Process, main: RoleMain) -> int:
    """Like ``run_role``, but logging is configured already."""
    try:
        return asyncio.run(_run(process, main))
    finally:
        if process.limit is not None:
            process.limit.cancel()


async def _run(process: Process, main: RoleMain) -> int:
    settings = process.settings
    started = time.monotonic()
    process.metrics.control_age.set_function(lambda: time.monotonic() - started)  # until the role knows better
    process.metrics.ttl.set(settings.ttl.total_seconds())
    process.metrics.ready.set_function(lambda: float(process.health.not_ready() is None))
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="asyncio"))
    for number in _SIGNALS:
        loop.add_signal_handler(number, process.stopping.set)
    try:
        process.tracing = open_tracing(settings)
        listening = open_socket(settings.admin_listen, setting=f"{PREFIX}ADMIN_LISTEN")
        async with serve_admin(listening, process.health, process.metrics):
            process.log.info("process.started")
            with LoopWatch():
                await _run_and_drain(process, main)
    except EventStreamsError as error:
        process.crash(error)
    except Exception as error:  # noqa: BLE001 - the last seam: it is logged, and the exit code says it
        process.crash(error)
    if process.tracing is not None:
        await asyncio.to_thread(process.tracing.close)
    return _exit_code(process)


async def _run_and_drain(process: Process, main: RoleMain) -> None:
    async def work() -> None:
        await main(process)

    working = asyncio.create_task(work())
    stopping = asyncio.create_task(process.stopping.wait())
    looking = asyncio.create_task(process.health.keep_looking())
    giving = asyncio.create_task(give_back_by_the_clock())
    await asyncio.wait({working, stopping, looking}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if looking.done() and (bug := looking.exception()):
        process.crash(bug)
    looking.cancel()
    giving.cancel()
    process.health.draining = True
    drain_s = process.settings.drain_timeout.total_seconds()
    _end_within(drain_s + _CUT_S, process)
    done, _ = await asyncio.wait({working}, timeout=drain_s)
    if not done:
        process.log.warning("process.drain_cut", after_s=drain_s, follows="what is in flight is delivered again")
        working.cancel()
    await asyncio.gather(working, return_exceptions=not done)


def _end_within(seconds: float, process: Process) -> None:
    """End the process after ``seconds`` at the latest, whatever it still waits for.

    Closing a Kafka client while no broker answers waits for one, possibly forever, in a thread that nobody can cancel,
    and Python waits for its threads.
    """

    def end() -> None:
        process.log.warning("process.end_forced", after_s=seconds, follows="what is in flight is delivered again")
        os._exit(_exit_code(process))

    process.limit = threading.Timer(seconds, end)
    process.limit.daemon = True
    process.limit.start()


def _exit_code(process: Process) -> int:
    error = process.crashed
    if error is None:
        process.log.info("process.stopped")
        return 0
    if isinstance(error, EventStreamsError):
        # A person can fix it: one sentence, no traceback.
        print(f"eventstreams: {error}", file=sys.stderr)  # noqa: T201 - for the person who started it
        return error.exit_code
    process.log.error("process.crashed", exc_info=error)
    return 1
