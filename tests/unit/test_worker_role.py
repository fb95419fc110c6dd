"""How a worker ends."""

import asyncio
from types import TracebackType
from typing import Self

from sink_workers.role import together


class Member:
    """Takes its time to leave: as long as it takes all to begin."""

    def __init__(self, leaving: asyncio.Barrier) -> None:
        self._leaving = leaving
        self.left = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leaving.wait()
        self.left = True


async def test_the_consumers_of_a_worker_drain_side_by_side() -> None:
    leaving = asyncio.Barrier(2)
    members = Member(leaving), Member(leaving)

    async with asyncio.timeout(30), together(*members):
        assert not any(member.left for member in members)

    assert all(member.left for member in members)
