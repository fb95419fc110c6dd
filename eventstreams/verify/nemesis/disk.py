"""A fault that makes a program's disk appear full."""

import asyncio
import resource
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from eventstreams.verify.nemesis.processes import Processes, ended

_LOOK_S: Final = 0.02
_FULL_AT: Final = 4096  # bytes; files that are already larger grow no more

IS_POSSIBLE: Final = sys.platform == "linux"  # elsewhere the limits of another process cannot be set


@dataclass(slots=True)
class DiskFull:
    """Keeps the files of a program from growing: each write fails, as on a full disk.

    It uses the kernel's limit on file sizes, which needs no privileges and no separate disk: the process gets EFBIG
    instead of ENOSPC. A process of the program that starts meanwhile is limited too.
    """

    processes: Processes
    name: str
    _task: "asyncio.Task[None] | None" = None

    @property
    def detail(self) -> str:
        return f"no file of {self.name} can grow"

    async def inflict(self) -> None:
        self._task = asyncio.create_task(self._fill())

    async def heal(self) -> None:
        await ended(self._task)
        self._limit(resource.RLIM_INFINITY)

    async def _fill(self) -> None:
        while True:
            self._limit(_FULL_AT)
            await asyncio.sleep(_LOOK_S)

    def _limit(self, size: int) -> None:
        """Set the soft limit; the hard limit is kept, because only root could raise it again."""
        if (pid := self.processes.pid(self.name)) is not None:
            with suppress(ProcessLookupError):  # it has just ended
                _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                wanted = most if size == resource.RLIM_INFINITY else size
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (wanted, most))
