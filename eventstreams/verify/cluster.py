"""Runs a cluster on this machine to verify: ``eventstreams up``, in a folder of its own."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from eventstreams.errors import PrerequisiteError
from eventstreams.local import parent_death
from eventstreams.local.kafka import fetch_with_progress
from eventstreams.local.state import State
from eventstreams.settings import PREFIX, Settings
from eventstreams.verify.children import ended
from eventstreams.verify.subscribing import Installation

_READY_S: Final = 300.0
_STOP_S: Final = 60.0
_READY: Final = b"ready\n"
# Short retry delays, so that a run ends soon; for those of the product, set the variable.
_UNLESS_SET: Final = {f"{PREFIX}RETRY_DELAYS": "500ms,2s,5s", f"{PREFIX}RETRY_PARTITIONS": "4"}
_ALWAYS: Final = {f"{PREFIX}ALLOWED_DESTINATIONS": "127.0.0.0/8"}  # where the receivers are, and nothing else


@dataclass(frozen=True, slots=True)
class Local:
    """A running cluster. ``kafka``: settings for connecting to its Kafka."""

    installation: Installation
    kafka: Settings


@asynccontextmanager
async def running_cluster(folder: Path) -> AsyncIterator[Local]:
    """Run a cluster with its data in ``folder`` while inside; on entry it is ready.

    Raises:
        PrerequisiteError: Kafka cannot be downloaded, or the cluster does not start; the text has its last line.
    """
    await asyncio.to_thread(fetch_with_progress, Settings.load().cache_dir)  # takes minutes the first time
    process = await asyncio.create_subprocess_exec(
        *[
            sys.executable,
            "-I",
            "-S",
            parent_death.__file__,
            str(os.getpid()),
        ],  # a verify that is killed leaves nothing behind
        *[sys.executable, "-m", "eventstreams", "up", "--data-dir", str(folder), "--port", "0"],
        env=_UNLESS_SET | {name: value for name, value in os.environ.items() if name not in _PLACES} | _ALWAYS,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,  # Ctrl-C should reach only us; we end it after cleaning up
    )
    try:
        await _until_ready(process)
        about = orjson.loads((folder / "run.json").read_bytes())
        state = State.load(folder)
        settings = Settings.load(kafka=about["kafka"])
        reading = asyncio.create_task(_read(process))
        try:
            yield Local(
                Installation(api=about["api"], gateway=about["gateway"], operator_token=state.operator_token), settings
            )
        finally:
            reading.cancel()
    finally:
        await _end(process)


_PLACES: Final = frozenset(
    f"{PREFIX}{name}" for name in ("KAFKA", "OPERATOR_TOKEN", "ACCOUNT_SID", "AUTH_TOKEN", "PROFILE")
)
"""Settings that would refer to another installation, and are not passed on."""


async def _until_ready(process: Process) -> None:
    assert process.stdout is not None
    last = b""
    try:
        async with asyncio.timeout(_READY_S):
            while line := await process.stdout.readline():
                if line == _READY:
                    return
                last = line
    except TimeoutError:
        raise PrerequisiteError(
            f"the cluster is not ready after {_READY_S:g} s; its output was: {last.decode()}"
        ) from None
    raise PrerequisiteError(f"the cluster did not start: {last.decode().strip()}")


async def _read(process: Process) -> None:
    """Consume its output, so that a full pipe never blocks it."""
    assert process.stdout is not None
    while await process.stdout.readline():
        pass


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    await ended(process, within_s=_STOP_S)
