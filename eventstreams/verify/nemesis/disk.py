"""A disk that takes no more."""

import asyncio
import resource
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from eventstreams.verify.nemesis.processes import Processes, ended

_LOOK_S: Final = 0.02
_FULL_AT: Final = 4096  # bytes of a file: what is larger already grows no more

IS_POSSIBLE: Final = sys.platform == "linux"  # only there a process's limits can be set from outside


@dataclass(slots=True)
class DiskFull:
    """No file of a program's process can grow: each write fails, as where the disk is full.

    It is the kernel's limit on the size of files, which needs no rights and no disk of its own: the process gets EFBIG
    where it would get ENOSPC. A process that is started meanwhile is limited as well.
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
        """Set it; the other limit, up to which a process may raise it itself, stays: only root could bring it back."""
        if (pid := self.processes.pid(self.name)) is not None:
            with suppress(ProcessLookupError):  # it has just ended
                _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                wanted = most if size == resource.RLIM_INFINITY else size
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (wanted, most))
