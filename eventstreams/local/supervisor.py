"""Keeps programs running: starts them, restarts those that die, ends all in reverse order. Knows nothing of Kafka.

start ─► running ─► died ─► pause (0.2 s, doubling up to 10 s) ─► start …
"""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final, Self

from eventstreams.errors import PrerequisiteError

_PARENT_DEATH: Final = Path(__file__).with_name("parent_death.py")
_LARGEST_LOG: Final = 10 << 20  # beyond this, the next start begins a new file and keeps the old one beside it
_LAST_BYTES: Final = 64 << 10  # of a log, searched for its last line: a program that ran for weeks wrote gigabytes
_SIGNAL: Final = "signal "
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 10.0
_STEADY_S: Final = 30.0  # a program that ran for longer starts a new count of deaths


@dataclass(frozen=True, slots=True)
class Program:
    """A program to run.

    Attributes:
        environ: Environment variables added to ours.
        log: File to which its output is appended.
        fds: File descriptors that it inherits.
        stop_s: How many seconds it may take to end after SIGTERM, before it is killed.
        hopeless: Exit codes after which a restart is pointless.
        ends_with: Programs started one after the other with the same are ended together; empty: it ends alone.
    """

    name: str
    command: Sequence[str]
    log: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    fds: Sequence[int] = ()
    stop_s: float = 30.0
    hopeless: frozenset[int] = frozenset()
    ends_with: str = ""


@dataclass(frozen=True, slots=True)
class Death:
    """A program ended without being told to, or could not be started again.

    Attributes:
        how: Such as ``exit code 1``, ``signal SIGKILL``, or why it could not be started again.
        restart_s: In how many seconds it is restarted; None: a restart would be pointless.
        last_words: The last line that it wrote since its start.
    """

    program: Program
    how: str
    restart_s: float | None
    last_words: str

    @property
    def was_killed(self) -> bool:
        """Whether a signal ended it."""
        return self.how.startswith(_SIGNAL)


def next_pause(deaths: int) -> float:
    """Seconds to wait before the restart after ``deaths`` deaths in a row."""
    return float(min(_FIRST_PAUSE_S * 2 ** (deaths - 1), _LONGEST_PAUSE_S))


@dataclass(slots=True)
class _Kept:
    program: Program
    process: Process | None = None
    task: "asyncio.Task[None] | None" = None
    started: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Supervisor:
    """Runs programs. Use as ``async with``; leaving ends them all, the last started first."""

    def __init__(self, *, on_death: Callable[[Death], None], on_start: Callable[[], None] = lambda: None) -> None:
        """A supervisor without programs.

        Args:
            on_death: Called when a program ended without being told to, or could not be started again.
            on_start: Called after each start, when ``pids`` has changed.
        """
        self._on_death = on_death
        self._on_start = on_start
        self._kept: list[_Kept] = []
        self._stopping = False
        self._killing = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        for _, together in groupby(reversed(self._kept), lambda each: each.program.ends_with or each.program.name):
            await asyncio.gather(*map(self._end, together))

    @property
    def pids(self) -> Mapping[str, int]:
        """The process id of each program that runs now, by its name."""
        return {
            kept.program.name: kept.process.pid
            for kept in self._kept
            if kept.process is not None and kept.process.returncode is None
        }

    def kill_soon(self) -> None:
        """Stop waiting for programs to end: those that are being ended are killed at once."""
        self._killing.set()

    async def start(self, program: Program) -> None:
        """Start ``program`` and keep it running; returns once it runs.

        Raises:
            PrerequisiteError: it cannot be started, or its log cannot be written. (If that happens when it is to be
                started again, it counts as another death.)
        """
        kept = _Kept(program)
        self._kept.append(kept)
        kept.task = asyncio.create_task(self._keep(kept), name=f"keep-{program.name}")
        await kept.started

    async def end(self, name: str, *, kill: bool = False) -> None:
        """End the program ``name``, with SIGKILL if ``kill``, and do not restart it; returns once it is gone."""
        [kept] = [each for each in self._kept if each.program.name == name]
        if kept.task is not None:
            kept.task.cancel()  # it would restart the program
            await asyncio.gather(kept.task, return_exceptions=True)
        if kill and kept.process is not None and kept.process.returncode is None:
            kept.process.kill()
        await self._end(kept)
        self._kept.remove(kept)

    async def _keep(self, kept: _Kept) -> None:
        deaths = 0
        while True:
            began = time.monotonic()
            try:
                offset = _rotate(kept.program.log)
                process = kept.process = await _spawn(kept.program)
            except OSError as error:
                how = f"cannot be started: {error.filename or kept.program.command[0]}: {error.strerror}"
                if not kept.started.done():
                    kept.started.set_exception(PrerequisiteError(f"{kept.program.name} {how}"))
                    return
                code, last_words = None, ""
            else:
                if not kept.started.done():
                    kept.started.set_result(None)
                self._on_start()
                code = await process.wait()
                how, last_words = _how(code), _last_words(kept.program.log, offset)
            if self._stopping:
                return
            deaths = 1 if time.monotonic() - began > _STEADY_S else deaths + 1
            pause_s = None if code in kept.program.hopeless else next_pause(deaths)
            self._on_death(Death(kept.program, how, pause_s, last_words))
            if pause_s is None:
                return
            await asyncio.sleep(pause_s)

    async def _end(self, kept: _Kept) -> None:
        process, task = kept.process, kept.task
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGTERM)
            ended = asyncio.create_task(process.wait())
            killing = asyncio.create_task(self._killing.wait())
            await asyncio.wait({ended, killing}, timeout=kept.program.stop_s, return_when=asyncio.FIRST_COMPLETED)
            killing.cancel()
            if process.returncode is None:
                process.kill()
            await ended
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _spawn(program: Program) -> Process:
    parent_death = [sys.executable, "-I", "-S", str(_PARENT_DEATH), str(os.getpid())]
    with program.log.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *parent_death,
            *program.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **program.environ},
            pass_fds=program.fds,
            start_new_session=True,  # Ctrl-C should reach only us; we end the programs in order
        )


def _rotate(log: Path) -> int:
    """Rotate ``log`` if it is too large; return its length."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if not log.exists():
        return 0
    if log.stat().st_size > _LARGEST_LOG:
        log.replace(log.with_suffix(".log.1"))
        return 0
    return log.stat().st_size


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"{_SIGNAL}{signal.Signals(-code).name}"
    except ValueError:  # most real-time signals have no name
        return f"{_SIGNAL}{-code}"


def _last_words(log: Path, offset: int) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(offset, file.seek(0, os.SEEK_END) - _LAST_BYTES))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:  # somebody has removed it; the next start makes a new one
        return ""
    return lines[-1] if lines else ""
