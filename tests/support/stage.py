"""Plain child processes as targets of a nemesis: each counts in a file of its own, about forty times a second."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from eventstreams.local.supervisor import Death, Program, Supervisor
from eventstreams.verify.nemesis.site import Copy
from tests.support.topic import eventually

COUNTS = """
import itertools, sys, time
for number in itertools.count(1):
    with open(sys.argv[1], "w") as file:
        file.write(str(number))
    time.sleep(0.025)
"""


@dataclass
class Stage:
    """What a ``Site`` is to the faults, without brokers and roles."""

    folder: Path
    supervisor: Supervisor
    deaths: list[Death]
    programs: dict[str, Program] = field(default_factory=dict)

    def pid(self, name: str) -> int | None:
        return self.supervisor.pids.get(name)

    def signal(self, name: str, number: signal.Signals) -> None:
        if (pid := self.pid(name)) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    async def start(self, copy: Copy) -> None:
        await self.play(copy.name)

    async def end(self, name: str, *, kill: bool = False) -> None:
        await self.supervisor.end(name, kill=kill)

    async def restore(self, name: str) -> None:
        await self.supervisor.start(self.programs[name])

    async def play(self, name: str, code: str = COUNTS, *, environ: Mapping[str, str] | None = None) -> None:
        """Start a program; returns once it counts."""
        log = self.folder / f"{name}.log"
        command = [sys.executable, "-c", code, str(self.folder / name)]
        self.programs[name] = Program(name, command, log=log, environ=environ or {})
        await self.supervisor.start(self.programs[name])
        await eventually(lambda: self.count(name) > 0, what=log.read_text)

    def count(self, name: str) -> float:
        """Return its current count, which it wrote last."""
        with suppress(FileNotFoundError, ValueError):  # it has not begun, or is just writing
            return float((self.folder / name).read_text())
        return 0

    async def advances(self, name: str) -> None:
        """Return once its count grows."""
        before = self.count(name)
        await eventually(lambda: self.count(name) not in {0, before}, what=lambda: f"{name} stands still")


@asynccontextmanager
async def open_stage(folder: Path) -> AsyncIterator[Stage]:
    deaths: list[Death] = []
    async with Supervisor(on_death=deaths.append) as supervisor:
        yield Stage(folder, supervisor, deaths)
