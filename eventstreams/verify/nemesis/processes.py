"""Faults of processes: killed, terminated, frozen, starved."""

import asyncio
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from eventstreams.errors import PrerequisiteError

_BACK_S: Final = 60.0  # a supervisor restarts a program after ten seconds at most, but the machine may be busy
_POLL_S: Final = 0.05
_PERIOD_S: Final = 0.1


class Processes(Protocol):
    """What these faults need of the attacked site."""

    def pid(self, name: str) -> int | None:
        """The process id of a program; None between its death and its next start."""
        ...

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send the signal to the program's process, if it has one now."""
        ...


@dataclass(slots=True)
class Ended:
    """Sends SIGKILL or SIGTERM to all of ``names`` at once. Their supervisor restarts them."""

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
        """Return once each has a new process."""
        deadline = time.monotonic() + _BACK_S
        for name, pid in self._before.items():
            while self.processes.pid(name) in {pid, None}:
                if time.monotonic() > deadline:
                    raise PrerequisiteError(f"{name} did not come back within {_BACK_S:g} s after {self.number.name}")
                await asyncio.sleep(_POLL_S)


@dataclass(slots=True)
class Frozen:
    """Sends SIGSTOP, and SIGCONT at the end: meanwhile the process is silent, but keeps its connections and state."""

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
    """Lets the program run only for a share of each tenth of a second, as on an overloaded machine."""

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
    """Cancel a fault's background task, and raise the error with which it failed, if any."""
    if task is None:
        return
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
