"""A role as a separate process on the test's installation, to measure its memory or to end it."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from eventstreams.local.ports import free_ports
from eventstreams.settings import PREFIX, Settings

_READY_S = 90.0
_END_S = 90.0


class RoleProcess:
    """A role's process, which is ready."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._status = Path(f"/proc/{process.pid}/status")
        self._log = log

    def peak_mib(self) -> float:
        """Peak memory so far, in MiB."""
        return self._mib("VmHWM")

    def mib(self) -> float:
        """Current memory, in MiB."""
        return self._mib("VmRSS")

    def said(self) -> str:
        """Its log."""
        return self._log.read_text("utf-8", "replace")

    async def end(self) -> int:
        """Tell it to end; return the exit code. Raises ``TimeoutError`` if it does not end."""
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_END_S):
            return await self._process.wait()

    def _mib(self, name: str) -> float:
        found = re.search(rf"{name}:\s+(\d+) kB", self._status.read_text())
        assert found
        return int(found[1]) / 1024


@asynccontextmanager
async def running_role(
    settings: Settings, *command: str, folder: Path, site: Path | None = None, files: int | None = None, **more: str
) -> AsyncIterator[RoleProcess]:
    """Run ``eventstreams COMMAND`` on the installation of ``settings`` inside the block; yields it once it is ready.

    Args:
        settings: Of an installation in a test.
        command: Such as ``worker webhook``.
        folder: Where its log goes.
        site: A folder with distributions that are installed for it as well.
        files: Limit of its open files; None for that of this process.
        more: Further settings, without their prefix.
    """
    [admin_port] = free_ports(1)
    secret = settings.secret_key
    assert secret is not None
    given = {
        "KAFKA": settings.kafka,
        "TOPIC_PREFIX": settings.topic_prefix,
        "REPLICATION_FACTOR": "1",
        "EVENTS_PARTITIONS": str(settings.events_partitions),
        "ATTEMPTS_PARTITIONS": "1",
        "RETRY_PARTITIONS": str(settings.retry_partitions),
        "RETRY_DELAYS": "200ms,1s",
        "SECRET_KEY": secret.get_secret_value(),
        "ALLOWED_DESTINATIONS": "127.0.0.0/8",
        "DELIVERY_LOG": "off",
        "ADMIN_LISTEN": f"127.0.0.1:{admin_port}",
        **more,
    }
    environ = os.environ | {f"{PREFIX}{name}": text for name, text in given.items()}
    if site is not None:
        environ["PYTHONPATH"] = str(site)
    log = folder / f"{'-'.join(command)}.log"
    bounded = () if files is None else ("sh", "-c", f'ulimit -n {files}; exec "$@"', "sh")
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(*bounded, sys.executable, "-m", "eventstreams", *command), env=environ, stderr=out
        )
    try:
        await _until_ready(process, f"http://127.0.0.1:{admin_port}/readyz", log)
        yield RoleProcess(process, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _until_ready(process: asyncio.subprocess.Process, url: str, log: Path) -> None:
    async with asyncio.timeout(_READY_S), aiohttp.ClientSession() as session:
        while True:
            assert process.returncode is None, f"it ended: look at {log}"
            try:
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
