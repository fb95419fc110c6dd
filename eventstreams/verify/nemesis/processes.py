"""Faults of processes: killed, told to end, frozen, starved, and come and gone in a storm."""

import asyncio
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from eventstreams.errors import PrerequisiteError

_BACK_S: Final = 60.0  # a supervisor starts a program again after ten seconds at most, on a machine that is busy
_POLL_S: Final = 0.05
_PERIOD_S: Final = 0.1


class Processes(Protocol):
    """What these faults need of the thing that is attacked."""

    def pid(self, name: str) -> int | None:
        """The process of a program now; None between its death and its next start."""
        ...

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send it to the program's process, where there is one now."""
        ...


@dataclass(slots=True)
class Ended:
    """SIGKILL or SIGTERM to each of ``names`` at once. Whoever supervises them starts them again."""

    processes: Processes
    names: Sequence[str]
    number: signal.Signals
    _before: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def detail(self) -> str:
        return f"{self.number.name} to {', '.join(self.names)}"

    async def inflict(self) -> None:
        self._before = {name: self.processes.pid(name) for name in self.names}
        for name in self.names:
            self.processes.signal(name, self.number)

    async def heal(self) -> None:
        """Return once each has a process again that is another one."""
        deadline = time.monotonic() + _BACK_S
        for name, pid in self._before.items():
            while self.processes.pid(name) in {pid, None}:
                if time.monotonic() > deadline:
                    raise PrerequisiteError(f"{name} did not come back within {_BACK_S:g} s after {self.number.name}")
                await asyncio.sleep(_POLL_S)


@dataclass(slots=True)
class Frozen:
    """SIGSTOP, and SIGCONT at the end: it says nothing more, and keeps its connections and what it believes."""

    processes: Processes
    name: str

    @property
    def detail(self) -> str:
        return f"SIGSTOP to {self.name}, then SIGCONT"

    async def inflict(self) -> None:
        self.processes.signal(self.name, signal.SIGSTOP)

    async def heal(self) -> None:
        self.processes.signal(self.name, signal.SIGCONT)


@dataclass(slots=True)
class Starved:
    """Gets a share of each tenth of a second and stands still for the rest, as on a machine that is overloaded."""

    processes: Processes
    name: str
    share: float
    _task: "asyncio.Task[None] | None" = None

    @property
    def detail(self) -> str:
        return f"{self.name} runs for {self.share:.0%} of the time"

    async def inflict(self) -> None:
        self._task = asyncio.create_task(self._starve())

    async def heal(self) -> None:
        await ended(self._task)
        self.processes.signal(self.name, signal.SIGCONT)

    async def _starve(self) -> None:
        while True:
            self.processes.signal(self.name, signal.SIGSTOP)
            await asyncio.sleep(_PERIOD_S * (1 - self.share))
            self.processes.signal(self.name, signal.SIGCONT)
            await asyncio.sleep(_PERIOD_S * self.share)


async def ended(task: "asyncio.Task[None] | None") -> None:
    """Cancel what a fault does in between, and raise what it had failed with."""
    if task is None:
        return
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
