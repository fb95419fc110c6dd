"""An installation on this machine like the chart's default: two copies of each role, behind one address.

As pods of a Deployment get a new name each time, no copy keeps a name in its groups. Each copy of the API and of the
gateway listens on a port of its own, and one address forwards to those that are ready, like a Kubernetes Service.
"""

import asyncio
import itertools
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp

from eventstreams.errors import PrerequisiteError
from eventstreams.local.kafka import make_broker
from eventstreams.local.ports import LOOPBACK, free_ports
from eventstreams.local.state import State
from eventstreams.local.supervisor import Program, Supervisor
from eventstreams.process.listen import address_of, open_socket
from eventstreams.settings import PREFIX, Settings
from eventstreams.verify.nemesis.proxy import Link, proxy

ROLES: Final = ("api", "gateway", "router", "worker-webhook")
COPIES: Final = 2
GRACE_S: Final = 45.0  # terminationGracePeriodSeconds of the chart
_SERVES: Final = {"api": "API_LISTEN", "gateway": "GATEWAY_LISTEN"}
_READY_S: Final = 180.0
_BROKER_STOP_S: Final = 20.0
_POLL_S: Final = 0.1
_ASK_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Copy:
    """One process of a role.

    Attributes:
        number: Counts from 1; never reused.
        admin: URL of its admin port.
        sockets: The sockets that it was handed.
        serving: The port on which it is called; None if it serves nothing.
    """

    role: str
    number: int
    admin: str
    sockets: tuple[socket.socket, ...]
    serving: int | None

    @property
    def name(self) -> str:
        return f"{self.role}-{self.number}"


@dataclass(frozen=True, slots=True)
class Replaced:
    """One copy was replaced by another.

    Attributes:
        by: Name of the new copy.
        ready_s: Seconds until the new copy was ready.
        ended_s: Seconds from SIGTERM until the old copy had ended.
    """

    by: str
    ready_s: float
    ended_s: float


class Service:
    """One address for the copies of a role: new connections go to the included ones in turn."""

    def __init__(self) -> None:
        self._ports: list[int] = []
        self._turn = itertools.count()

    def include(self, port: int) -> None:
        self._ports.append(port)

    def leave_out(self, port: int) -> None:
        """Send no new connections to ``port``; open ones stay."""
        self._ports.remove(port)

    def next(self) -> int | None:
        """The port for a new connection; None if there is none."""
        return self._ports[next(self._turn) % len(self._ports)] if self._ports else None


@dataclass(slots=True)
class Fleet:
    """A running fleet.

    Attributes:
        kafka: Kafka's bootstrap servers.
        urls: URLs of the API and of the gateway, by role, without a path.
    """

    folder: Path
    state: State
    supervisor: Supervisor
    kafka: str = ""
    urls: dict[str, str] = field(default_factory=dict)
    copies: list[Copy] = field(default_factory=list)
    _services: dict[str, Service] = field(default_factory=dict)
    _numbers: dict[str, Iterator[int]] = field(default_factory=lambda: {role: itertools.count(1) for role in ROLES})
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def build(self) -> None:
        """Start everything; returns once every copy is ready.

        Raises:
            PrerequisiteError: there is no Java, Kafka cannot be downloaded, or a copy does not become ready.
        """
        port, controller_port = free_ports(2)
        broker = await asyncio.to_thread(
            make_broker,
            self.folder / "kafka",
            port=port,
            controller_port=controller_port,
            cache=Settings.load().cache_dir,
        )
        self.kafka = broker.bootstrap
        log = self.folder / "logs" / "kafka.log"
        await self.supervisor.start(Program("kafka", broker.command, log=log, stop_s=_BROKER_STOP_S))
        for role in _SERVES:
            listening = open_socket(f"{LOOPBACK}:0", setting="a service")
            self.urls[role] = f"http://{address_of(listening)}"
            service = self._services[role] = Service()
            await self._stack.enter_async_context(proxy(Link(role), to=service.next, listening=listening))
        started = [await self._start(role) for role in ROLES for _ in range(COPIES)]
        for copy in started:
            await self._until_ready(copy)
            self._include(copy)

    async def replace(self, copy: Copy) -> Replaced:
        """Start another copy beside ``copy``, and end ``copy`` with SIGTERM once that one is ready."""
        began = time.monotonic()
        other = await self._start(copy.role)
        await self._until_ready(other)
        self._include(other)
        ready = time.monotonic()
        if copy.serving is not None:
            self._services[copy.role].leave_out(copy.serving)
        self.copies.remove(copy)
        await self.supervisor.end(copy.name)
        for each in copy.sockets:
            each.close()
        return Replaced(other.name, ready_s=ready - began, ended_s=time.monotonic() - ready)

    def _include(self, copy: Copy) -> None:
        self.copies.append(copy)
        if copy.serving is not None:
            self._services[copy.role].include(copy.serving)

    async def _start(self, role: str) -> Copy:
        admin = self._opened()
        sockets, serving = [admin], None
        environ = {"ADMIN_LISTEN": f"fd://{admin.fileno()}"}
        if (setting := _SERVES.get(role)) is not None:
            opened = self._opened()
            sockets.append(opened)
            serving = int(opened.getsockname()[1])
            environ[setting] = f"fd://{opened.fileno()}"
        copy = Copy(role, next(self._numbers[role]), f"http://{address_of(admin)}", tuple(sockets), serving)
        if role == "api":
            environ["API_ADVERTISED_URL"] = f"http://{LOOPBACK}:{serving}"
            environ["DELIVERY_LOG"] = str(self.folder / f"{copy.name}.db")
        await self.supervisor.start(self._program(copy, environ))
        return copy

    def _opened(self) -> socket.socket:
        """A listening socket for a role, closed at the end at the latest, even if the copy never becomes ready."""
        opened = open_socket(f"{LOOPBACK}:0", setting="a role")
        self._stack.callback(opened.close)
        return opened

    def _program(self, copy: Copy, environ: Mapping[str, str]) -> Program:
        shared = {
            "KAFKA": self.kafka,
            "REPLICATION_FACTOR": "1",
            "SECRET_KEY": self.state.secret_key,
            "ACCOUNT_SID": self.state.account_sid,
            "AUTH_TOKEN": self.state.auth_token,
            "OPERATOR_TOKEN": self.state.operator_token,
            "GATEWAY_URL": self.urls["gateway"],
            "ALLOWED_DESTINATIONS": "127.0.0.0/8",
        }
        role, _, sink_type = copy.role.partition("-")
        return Program(
            copy.name,
            [sys.executable, "-m", "eventstreams", role, *([sink_type] if sink_type else [])],
            log=self.folder / "logs" / f"{copy.name}.log",
            environ={f"{PREFIX}{name}": value for name, value in (shared | dict(environ)).items()},
            fds=[each.fileno() for each in copy.sockets],
            stop_s=GRACE_S,
        )

    async def _until_ready(self, copy: Copy) -> None:
        deadline = time.monotonic() + _READY_S
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ASK_S)) as session:
            while (reason := await _not_ready(session, f"{copy.admin}/readyz")) is not None:
                if time.monotonic() > deadline:
                    log = self.folder / "logs" / f"{copy.name}.log"
                    raise PrerequisiteError(f"{copy.name} is not ready ({reason}): see {log}")
                await asyncio.sleep(_POLL_S)

    async def aclose(self) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def running_fleet(folder: Path, *, say: Callable[[str], None]) -> AsyncIterator[Fleet]:
    """Run a fleet with its data in ``folder`` while inside; on entry it is ready.

    Args:
        folder: Folder for its data.
        say: Told of each process that ended without being told to; it is restarted.

    Raises:
        PrerequisiteError: there is no Java, Kafka cannot be downloaded, or a copy does not become ready.
    """
    await asyncio.to_thread((folder / "logs").mkdir, parents=True, exist_ok=True)
    supervisor = Supervisor(
        on_death=lambda death: say(f"{death.program.name} exited ({death.how}): see {death.program.log}")
    )
    fleet = Fleet(folder, State.new(), supervisor)
    try:
        async with supervisor:
            await fleet.build()
            yield fleet
    finally:
        await fleet.aclose()


async def _not_ready(session: aiohttp.ClientSession, url: str) -> str | None:
    """Why it is not ready, in its own words if it gives any; None if it is ready."""
    try:
        async with session.get(url) as answer:
            return None if answer.status == HTTPStatus.OK else (await answer.text()).strip()
    except (aiohttp.ClientError, TimeoutError) as error:  # not up yet, or busy
        return f"no answer: {type(error).__name__}"
