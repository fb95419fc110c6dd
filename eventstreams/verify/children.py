"""Ends a process that was started for a run."""

import asyncio
from asyncio.subprocess import Process


async def ended(process: Process, *, within_s: float) -> None:
    """Return once ``process``, which was asked to end, has; kill it where it takes longer than that."""
    try:
        async with asyncio.timeout(within_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
