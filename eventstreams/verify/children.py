"""Ends processes that were started for a run."""

import asyncio
from asyncio.subprocess import Process


async def ended(process: Process, *, within_s: float) -> None:
    """Wait for ``process``, which was told to end; kill it if it takes longer than ``within_s`` seconds."""
    try:
        async with asyncio.timeout(within_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
