"""Runs one role: settings, logging, health, signals, and a drain with a deadline at the end."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from eventstreams.errors import EventStreamsError
from eventstreams.process.health import Health, serve_admin
from eventstreams.process.listen import open_socket
from eventstreams.process.loop_watch import LoopWatch
from eventstreams.settings import PREFIX, Settings
from eventstreams.telemetry.logging import Log, configure_logging, get_logger
from eventstreams.telemetry.metrics import Metrics

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@dataclass(slots=True)
class Process:
    """What a role is given.

    Attributes:
        stopping: Set when the process is to end; the role then drains and returns.
    """

    settings: Settings
    log: Log
    metrics: Metrics = field(default_factory=Metrics)
    health: Health = field(default_factory=Health)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    crashed: BaseException | None = None

    def crash(self, error: BaseException) -> None:
        """End the process with ``error``: a part that it cannot do without has failed for good. First one counts."""
        self.crashed = self.crashed or error
        self.stopping.set()


RoleMain = Callable[[Process], Awaitable[None]]
"""A role: works until ``process.stopping`` is set, drains, returns."""


def run_role(role: str, main: RoleMain, settings: Settings) -> int:
    """Run ``main`` to its end and return the process's exit code: 0 after an orderly stop."""
    configure_logging(settings, role=role)
    return asyncio.run(_run(role, main, settings))


async def _run(role: str, main: RoleMain, settings: Settings) -> int:
    process = Process(settings, get_logger(role))
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, process.stopping.set)
    try:
        listening = open_socket(settings.admin_listen, setting=f"{PREFIX}ADMIN_LISTEN")
        async with serve_admin(listening, process.health, process.metrics):
            process.log.info("process.started")
            with LoopWatch():
                await _run_and_drain(process, main)
    except EventStreamsError as error:
        process.crash(error)
    except Exception as error:  # noqa: BLE001 - the last seam: it is logged, and the exit code says it
        process.crash(error)
    return _exit_code(process)


async def _run_and_drain(process: Process, main: RoleMain) -> None:
    async def work() -> None:
        await main(process)

    working = asyncio.create_task(work())
    stopping = asyncio.create_task(process.stopping.wait())
    looking = asyncio.create_task(process.health.keep_looking())
    await asyncio.wait({working, stopping, looking}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if looking.done() and (bug := looking.exception()):
        process.crash(bug)
    looking.cancel()
    process.health.draining = True
    drain_s = process.settings.drain_timeout.total_seconds()
    done, _ = await asyncio.wait({working}, timeout=drain_s)
    if not done:
        process.log.warning("process.drain_cut", after_s=drain_s, follows="what is in flight is delivered again")
        working.cancel()
    await asyncio.gather(working, return_exceptions=not done)


def _exit_code(process: Process) -> int:
    error = process.crashed
    if error is None:
        process.log.info("process.stopped")
        return 0
    if isinstance(error, EventStreamsError):
        # A person can mend it: one sentence, no traceback.
        print(f"eventstreams: {error}", file=sys.stderr)  # noqa: T201 - for the person who started it
        return error.exit_code
    process.log.error("process.crashed", exc_info=error)
    return 1
