"""Faults that change what runs: copies of a role that come and go in a storm, brokers that stay away."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from eventstreams.verify.nemesis.fault import set_within
from eventstreams.verify.nemesis.site import Copy


class Programs(Protocol):
    """What these faults need of the attacked site."""

    async def start(self, copy: Copy) -> None:
        """Start one more copy of a role."""
        ...

    async def end(self, name: str, *, kill: bool = False) -> None:
        """End a program, which is not restarted."""
        ...

    async def restore(self, name: str) -> None:
        """Restart a program that was ended."""
        ...


@dataclass(slots=True)
class Storm:
    """Scales a role to one copy, to four and back to one, evenly over ``lasts_s`` seconds, to cause rebalances.

    Attributes:
        present: The number of copies before and after; all but the first of them are ended at first.
    """

    programs: Programs
    role: str
    present: int
    lasts_s: float
    most: int = 4
    _task: "asyncio.Task[None] | None" = None
    _ending: asyncio.Event = field(default_factory=asyncio.Event)
    _away: list[str] = field(default_factory=list)
    _more: list[str] = field(default_factory=list)

    @property
    def detail(self) -> str:
        return f"{self.role}: 1 copy, then {self.most}, then 1"

    async def inflict(self) -> None:
        self._task = asyncio.create_task(self._blow())

    async def heal(self) -> None:
        self._ending.set()  # no cancellation, as that could lose track of a copy that is being ended or started
        if self._task is not None:
            await self._task
        while self._more:
            await self.programs.end(self._more.pop())
        while self._away:
            await self.programs.restore(self._away.pop())

    async def _blow(self) -> None:
        pause_s = self.lasts_s / (self.present + 2 * (self.most - 1))
        present = [Copy(self.role, number + 1) for number in range(self.present)]
        more = [Copy(self.role, self.present + number) for number in range(1, self.most)]
        for copy in present[1:]:
            await self.programs.end(copy.name)
            self._away.append(copy.name)
            if await set_within(self._ending, pause_s):
                return
        for copy in more:
            await self.programs.start(copy)
            self._more.append(copy.name)
            if await set_within(self._ending, pause_s):
                return
        for copy in more:
            await self.programs.end(copy.name)
            self._more.remove(copy.name)
            if await set_within(self._ending, pause_s):
                return


@dataclass(slots=True)
class Gone:
    """Kills programs, such as brokers of a cluster, which then stay away."""

    programs: Programs
    names: Sequence[str]
    _gone: list[str] = field(default_factory=list)

    @property
    def detail(self) -> str:
        return f"{', '.join(self.names)} killed and not restarted"

    async def inflict(self) -> None:
        for name in self.names:
            await self.programs.end(name, kill=True)
            self._gone.append(name)

    async def heal(self) -> None:
        while self._gone:
            await self.programs.restore(self._gone.pop())
