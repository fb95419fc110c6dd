"""An event loop that does not turn, in a process that says where it stands."""

import asyncio
import os
import sys
import time
from collections.abc import Sequence

import aiohttp
import pytest
from structlog.testing import capture_logs

from eventstreams.process.listen import address_of, open_socket
from eventstreams.process.loop_watch import LoopWatch
from tests.support.topic import eventually


def block_until(*, logged: Sequence[object]) -> None:
    """A function that waits without letting the loop turn, as a plugin might."""
    while not logged:
        time.sleep(0.005)


async def test_a_loop_that_stands_is_told_with_the_line_where_and_that_it_goes_on() -> None:
    with capture_logs() as logs, LoopWatch(look_s=0.02):
        block_until(logged=logs)
        await eventually(lambda: len(logs) == 2)

    assert [each["event"] for each in logs] == ["loop.stuck", "loop.resumed"]
    assert logs[0]["log_level"] == "error"
    assert "block_until(logged=logs)" in logs[0]["stack"]


STUCK = """
import sys, time
from eventstreams.process import Process, run_role
from eventstreams.settings import Settings

async def wait_without_await(process: Process) -> None:
    while True:
        time.sleep(60)

sys.exit(run_role("test", wait_without_await, Settings.load()))
"""


async def test_a_process_whose_loop_is_stuck_answers_no_probe_and_logs_where_it_stands() -> None:
    with open_socket("127.0.0.1:0", setting="test") as listening:
        url = f"http://{address_of(listening)}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", STUCK),
            env={**os.environ, "EVENTSTREAMS_ADMIN_LISTEN": f"fd://{listening.fileno()}"},
            pass_fds=[listening.fileno()],
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stderr is not None
            while b"loop.stuck" not in (line := await process.stderr.readline()):
                assert line, "it ended"
            assert b"wait_without_await" in line
            assert b'"role": "test"' in line
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as session:
                for path in ("/livez", "/readyz"):
                    with pytest.raises(TimeoutError):
                        await session.get(url + path)
        finally:
            process.kill()
            await process.communicate()
