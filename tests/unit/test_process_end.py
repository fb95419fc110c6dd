"""A process that is told to end does so in its time, whatever it still waits for."""

import asyncio
import os
import sys

import pytest

HANGS = """
import asyncio, sys, threading
from eventstreams.process import Process, run_role
from eventstreams.settings import Settings

async def main(process: Process) -> None:
    {work}
    await process.stopping.wait()
    {end}

sys.exit(run_role("test", main, Settings.load()))
"""
CRASHES = "process.crash(RuntimeError('a bug'))"
# As a client does that is closed while no broker answers: in a thread, which no cancellation reaches.
FOR_EVER = "await asyncio.to_thread(threading.Event().wait)"


@pytest.mark.parametrize(
    ("work", "end", "code"), [("", FOR_EVER, 0), (CRASHES, FOR_EVER, 1), ("", "", 0)], ids=["hangs", "crashed", "ends"]
)
async def test_a_process_ends_soon_after_its_drain_whatever_it_waits_for(work: str, end: str, code: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HANGS.format(work=work, end=end)),
        env={
            **os.environ,
            "EVENTSTREAMS_ADMIN_LISTEN": "127.0.0.1:0",
            "EVENTSTREAMS_DRAIN_TIMEOUT": "500ms",
        },
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        assert b"process.started" in await process.stderr.readline()
        if not work:
            process.terminate()
        async with asyncio.timeout(60):
            told = await process.stderr.read()
            found = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert found == code, told.decode()
    assert (b"process.end_forced" in told) == bool(end)
    assert (b"process.crashed" in told) == (code == 1)
