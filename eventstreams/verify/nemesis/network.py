"""Faults of the network between programs: cut, slow, narrow, refused, reset."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from eventstreams.verify.nemesis.processes import ended
from eventstreams.verify.nemesis.proxy import Link

_RESETS_EVERY_S: Final = 0.5


@dataclass(slots=True)
class _OnLinks:
    links: Sequence[Link]

    @property
    def _where(self) -> str:
        return ", ".join(link.name for link in self.links)

    async def heal(self) -> None:
        for link in self.links:
            link.mend()


@dataclass(slots=True)
class Cut(_OnLinks):
    """Drops everything silently: nothing gets through, and connections stay open."""

    @property
    def detail(self) -> str:
        return f"nothing gets through {self._where}"

    async def inflict(self) -> None:
        for link in self.links:
            link.cut()


@dataclass(slots=True)
class Slow(_OnLinks):
    """Delays everything, each way, by ``delay_s`` plus up to as much jitter."""

    delay_s: float

    @property
    def detail(self) -> str:
        return f"{self.delay_s * 1000:.0f} to {self.delay_s * 2000:.0f} ms longer, one way, on {self._where}"

    async def inflict(self) -> None:
        for link in self.links:
            link.delay_s = link.jitter_s = self.delay_s


@dataclass(slots=True)
class Narrow(_OnLinks):
    """Limits the bandwidth of each connection to ``bytes_per_s``."""

    bytes_per_s: float

    @property
    def detail(self) -> str:
        return f"{self.bytes_per_s / 1024:.0f} KiB/s on {self._where}"

    async def inflict(self) -> None:
        for link in self.links:
            link.bytes_per_s = self.bytes_per_s


@dataclass(slots=True)
class Refused(_OnLinks):
    """Refuses new connections, and resets those that are open."""

    @property
    def detail(self) -> str:
        return f"connections are refused on {self._where}"

    async def inflict(self) -> None:
        for link in self.links:
            link.is_refused = True
            link.reset()


@dataclass(slots=True)
class Resets(_OnLinks):
    """Resets all connections twice a second."""

    _task: "asyncio.Task[None] | None" = None

    @property
    def detail(self) -> str:
        return f"resets twice a second on {self._where}"

    async def inflict(self) -> None:
        self._task = asyncio.create_task(self._reset())

    @override
    async def heal(self) -> None:
        await ended(self._task)

    async def _reset(self) -> None:
        while True:
            for link in self.links:
                link.reset()
            await asyncio.sleep(_RESETS_EVERY_S)
