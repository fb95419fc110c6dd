"""Several API processes of one installation, for a test to kill, stop and count."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import aiohttp
import orjson

from eventstreams.local.ports import free_ports
from eventstreams.settings import PREFIX, Settings
from tests.support import forks
from tests.support.api import WEBHOOK
from tests.support.installation import TOKEN, Installation
from tests.support.topic import eventually

SINK = {"Description": "a sink", "SinkType": "webhook", "SinkConfiguration": orjson.dumps(WEBHOOK).decode()}
_READY_S = 120.0  # generous, for a busy machine


class ApiProcess:
    """``eventstreams api`` as a process of its own, on a port of its own."""

    def __init__(self, settings: Settings, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / f"api-{port}.log"
        assert settings.secret_key is not None
        given = {
            "KAFKA": settings.kafka,
            "TOPIC_PREFIX": settings.topic_prefix,
            "REPLICATION_FACTOR": "1",
            "EVENTS_PARTITIONS": "3",
            "SECRET_KEY": settings.secret_key.get_secret_value(),
            "DELIVERY_LOG": "off",
            "API_LISTEN": f"127.0.0.1:{port}",
            "ADMIN_LISTEN": "127.0.0.1:0",
        }
        self._env = {**os.environ, **{f"{PREFIX}{name}": value for name, value in given.items()}}
        self._process: subprocess.Popen[bytes]

    def start(self) -> Self:
        with self.log.open("ab") as out:
            self._process = forks.popen(
                [sys.executable, "-m", "eventstreams", "api"], env=self._env, stdout=out, stderr=out
            )
        return self

    async def until_ready(self) -> None:
        deadline = time.monotonic() + _READY_S
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while True:
                try:
                    async with session.get(f"{self.url}/readyz") as answer:
                        if answer.status == HTTPStatus.OK:
                            return
                except (aiohttp.ClientError, TimeoutError):
                    pass  # asked again
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"{self.url} is not ready: {self.log.read_text()[-3000:]}")
                await asyncio.sleep(0.05)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send signal ``number``; wait for the end and return the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        return await asyncio.to_thread(self._process.wait, 60)


class Replicas:
    """The processes, and which of them is primary according to the control topic."""

    def __init__(
        self, installation: Installation, processes: Sequence[ApiProcess], session: aiohttp.ClientSession
    ) -> None:
        self.installation = installation
        self.processes = processes
        self.primaries: list[str] = []
        self._session = session
        installation.feed.listen_to_primary(lambda value: self.primaries.append(orjson.loads(value)["url"]))

    @property
    def primary(self) -> ApiProcess:
        return next(each for each in self.processes if each.url == self.primaries[-1])

    @property
    def others(self) -> Sequence[ApiProcess]:
        return [each for each in self.processes if each is not self.primary]

    async def another_primary(self, than: ApiProcess) -> ApiProcess:
        await eventually(lambda: self.primary is not than, what=lambda: str(self.primaries))
        return self.primary

    async def ask(
        self,
        at: ApiProcess,
        method: str,
        path: str,
        form: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        sent = {"Authorization": aiohttp.encode_basic_auth(self.installation.account_sid, TOKEN), **(headers or {})}
        async with self._session.request(method, f"{at.url}{path}", data=form, headers=sent) as answer:
            body = await answer.read()
            return answer.status, orjson.loads(body) if body else None

    async def all_sinks(self, at: ApiProcess) -> set[str]:
        status, body = await self.ask(at, "GET", "/v1/Sinks?PageSize=1000")
        assert status == HTTPStatus.OK, body
        return {each["sid"] for each in body["sinks"]}


@asynccontextmanager
async def running_replicas(settings: Settings, folder: Path, count: int) -> AsyncIterator[Replicas]:
    """Run ``count`` API processes; yields them once they are ready."""
    async with AsyncExitStack() as stack:
        installation = await stack.enter_async_context(Installation(settings))
        timeout = aiohttp.ClientTimeout(total=60)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        processes = [ApiProcess(settings, folder, port) for port in free_ports(count)]
        replicas = Replicas(installation, processes, session)
        for process in processes:
            process.start()
            stack.push_async_callback(process.end, signal.SIGKILL)
        for process in processes:
            await process.until_ready()
        await installation.feed.catch_up()
        yield replicas
