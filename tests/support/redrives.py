"""Redrives and replays asked for by a test, also from a terminal."""

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime

from eventstreams.times import now_ms
from tests.support import forks
from tests.support.bare_api import BareApi
from tests.support.installation import TOKEN
from tests.support.topic import PATIENCE_S

FAST = {"Rate": "5000"}


def after(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat()


async def redrive(api: BareApi, form: Mapping[str, str], *, path: str = "/v1/Redrives") -> dict[str, object]:
    """Preview a redrive or replay, then do it; both must report the same."""
    preview = await api.post(f"{path}/Preview", {**FAST, **form}, expect=200)
    job = await api.post(path, {**FAST, **form})
    done = await api.until(job["url"], "completed", "failed")
    assert (done["status"], done["looked_through"]) == ("completed", 1.0), done
    assert preview["complete"] is True
    for name in ("selected", "skipped", "redriven", "replayed"):
        assert preview.get(name) == done.get(name), name
    return done


async def clock_past(time_ms: int) -> None:
    """Return once the clock, which the broker shares, is past ``time_ms``: later records have later timestamps."""
    async with asyncio.timeout(PATIENCE_S):
        while now_ms() <= time_ms:
            await asyncio.sleep(0.001)


async def run_cli(api: BareApi, *arguments: str, answer: str = "") -> tuple[int, str]:
    """Exit code and all that the command line says."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("EVENTSTREAMS_")},
        "EVENTSTREAMS_ACCOUNT_SID": api.account_sid,
        "EVENTSTREAMS_AUTH_TOKEN": TOKEN,
    }
    process = await asyncio.create_subprocess_exec(
        *(str(forks.program()), *arguments, "--url", api.url),
        env=env,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL if "json" in arguments else asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(answer.encode())
    return process.returncode or 0, said.decode()
