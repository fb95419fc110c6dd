"""A complete installation on this machine, with several copies of roles, and a link of ours on every connection."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp

from eventstreams.errors import PrerequisiteError
from eventstreams.local.ports import LOOPBACK
from eventstreams.local.state import State
from eventstreams.local.supervisor import Death, Program, Supervisor
from eventstreams.process.listen import address_of, open_socket
from eventstreams.settings import PREFIX, Settings
from eventstreams.verify.nemesis.brokers import BROKERS, CONTROLLERS, SiteBroker, plan_brokers
from eventstreams.verify.nemesis.proxy import Link, proxy

CLIENT: Final = "client"  # the caller name of whatever publishes and subscribes from outside
_STOP_S: Final = 30.0
_BROKER_STOP_S: Final = 20.0
_READY_S: Final = 180.0
_POLL_S: Final = 0.1
_ASK_S: Final = 2.0
_SERVES: Final = {"api": "API_LISTEN", "gateway": "GATEWAY_LISTEN"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a site consists of.

    Attributes:
        brokers: 1, or 3 for a cluster that continues with one of them gone.
        copies: The number of copies of each role. They keep their names in consumer groups (static membership).
        environ: Extra settings of all roles, without their prefix.
        preload: Returns extra environment variables for a program, such as those that preload a library.
    """

    brokers: int = 1
    copies: Mapping[str, int] = field(
        default_factory=lambda: {"api": 2, "router": 2, "worker-webhook": 2, "gateway": 1}
    )
    environ: Mapping[str, str] = field(default_factory=dict)
    preload: Callable[[str], Mapping[str, str]] = lambda _: {}


@dataclass(frozen=True, slots=True)
class Copy:
    """One process of a role. ``number`` counts from 1."""

    role: str
    number: int

    @property
    def name(self) -> str:
        return f"{self.role}-{self.number}"


@dataclass(slots=True)
class Site:
    """A running site, and what a nemesis can manipulate.

    Attributes:
        links: By the names of caller and called, such as ``router-1~kafka-1``.
        deaths: Programs that ended without being told to, including those that a nemesis killed.
        kafka: Bootstrap servers for whatever judges the run: the connection goes through no link.
        api, gateway: URLs without a path, over links from ``client``.
    """

    folder: Path
    layout: Layout
    state: State
    supervisor: Supervisor
    links: dict[str, Link] = field(default_factory=dict)
    deaths: list[Death] = field(default_factory=list)
    programs: dict[str, Program] = field(default_factory=dict)
    brokers: Sequence[SiteBroker] = ()
    api: str = ""
    gateway: str = ""
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _admin: dict[str, str] = field(default_factory=dict)

    @property
    def kafka(self) -> str:
        return ",".join(each.broker.bootstrap for each in self.brokers)

    @property
    def copies(self) -> Sequence[Copy]:
        """The copies of the layout."""
        return [Copy(role, number + 1) for role, count in self.layout.copies.items() for number in range(count)]

    def pid(self, name: str) -> int | None:
        """The process id of a program; None between its death and its next start."""
        return self.supervisor.pids.get(name)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send the signal to the program's process, if it has one now."""
        if (pid := self.pid(name)) is not None:
            with suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(pid, number)

    def links_to(self, called: str) -> Sequence[Link]:
        """The links over which ``called`` is called."""
        return [link for name, link in self.links.items() if name.endswith(f"~{called}")]

    async def start(self, copy: Copy) -> None:
        """Start an extra copy of a role, beyond the layout: without a name of its own in groups, and without links."""
        program = self._program(copy, {"KAFKA": self.kafka, "ADMIN_LISTEN": f"{LOOPBACK}:0"}, ())
        await self.supervisor.start(program)

    async def end(self, name: str, *, kill: bool = False) -> None:
        """End a program, which is not restarted."""
        await self.supervisor.end(name, kill=kill)

    async def restore(self, name: str) -> None:
        """Restart a program of the layout that was ended."""
        await self.supervisor.start(self.programs[name])

    async def front(self, caller: str, called: str, port: int) -> int:
        """Put a link in front of something that listens on ``port``; returns the port to call instead."""
        return await self._link(caller, called, port, open_socket(f"{LOOPBACK}:0", setting="a link"))

    async def until_ready(self) -> None:
        """Return once every copy of the layout is ready.

        Raises:
            PrerequisiteError: one is not ready within three minutes; the text says which, why, and where its log is.
        """
        deadline = time.monotonic() + _READY_S
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ASK_S)) as session:
            for name, url in self._admin.items():
                while (reason := await _not_ready(session, f"{url}/readyz")) is not None:
                    if time.monotonic() > deadline:
                        log = self.programs[name].log
                        raise PrerequisiteError(f"{name} is not ready ({reason}): see {log}")
                    await asyncio.sleep(_POLL_S)

    async def build(self) -> None:
        """Start everything, brokers first; returns once every copy is ready."""
        callers = [copy.name for copy in self.copies]
        if self.layout.brokers > 1:
            callers += [BROKERS, CONTROLLERS]
        fronts = [
            {caller: open_socket(f"{LOOPBACK}:0", setting="a link") for caller in callers}
            for _ in range(self.layout.brokers)
        ]
        outer = [{caller: _port(listening) for caller, listening in each.items()} for each in fronts]
        self.brokers = await asyncio.to_thread(
            plan_brokers, self.folder, self.layout.brokers, outer, cache=Settings.load().cache_dir
        )
        for broker, front in zip(self.brokers, fronts, strict=True):
            for caller, listening in front.items():
                await self._link(caller, broker.name, broker.inner[caller], listening)
        for broker in self.brokers:  # only now, as each connects to the others as soon as it starts
            log = self.folder / "logs" / f"{broker.name}.log"
            environ = dict(self.layout.preload(broker.name))
            program = Program(broker.name, broker.broker.command, log=log, environ=environ, stop_s=_BROKER_STOP_S)
            self.programs[broker.name] = program
            await self.supervisor.start(program)
        for copy in self.copies:
            bootstrap = ",".join(f"{LOOPBACK}:{ports[copy.name]}" for ports in outer)
            await self._start_copy(copy, bootstrap)
        await self.until_ready()

    async def _start_copy(self, copy: Copy, bootstrap: str) -> None:
        admin = self._opened()
        self._admin[copy.name] = f"http://{address_of(admin)}"
        environ = {"KAFKA": bootstrap, "INSTANCE": copy.name, "ADMIN_LISTEN": f"fd://{admin.fileno()}"}
        fds = [admin.fileno()]
        if (setting := _SERVES.get(copy.role)) is not None:
            serving = self._opened()
            fds.append(serving.fileno())
            environ[setting] = f"fd://{serving.fileno()}"
            if copy.role == "api":
                port = await self.front("api", copy.name, _port(serving))
                environ["API_ADVERTISED_URL"] = f"http://{LOOPBACK}:{port}"
                environ["DELIVERY_LOG"] = str(self.folder / f"{copy.name}.db")
            if copy.number == 1:
                port = await self.front(CLIENT, copy.name, _port(serving))
                setattr(self, copy.role, f"http://{LOOPBACK}:{port}")
        program = self._program(copy, environ, fds)
        self.programs[copy.name] = program
        await self.supervisor.start(program)

    def _program(self, copy: Copy, environ: Mapping[str, str], fds: Sequence[int]) -> Program:
        shared = {
            "SECRET_KEY": self.state.secret_key,
            "ACCOUNT_SID": self.state.account_sid,
            "AUTH_TOKEN": self.state.auth_token,
            "OPERATOR_TOKEN": self.state.operator_token,
            "REPLICATION_FACTOR": str(self.layout.brokers),
            "ALLOWED_DESTINATIONS": "127.0.0.0/8",
            **self.layout.environ,
        }
        role, _, sink_type = copy.role.partition("-")
        return Program(
            copy.name,
            [sys.executable, "-m", "eventstreams", role, *([sink_type] if sink_type else [])],
            log=self.folder / "logs" / f"{copy.name}.log",
            environ={
                **{f"{PREFIX}{key}": value for key, value in (shared | dict(environ)).items()},
                **self.layout.preload(copy.name),
            },
            fds=fds,
            stop_s=_STOP_S,
        )

    def _opened(self) -> socket.socket:
        """A listening socket to hand to programs, open until the end, so that callers can always connect."""
        opened = open_socket(f"{LOOPBACK}:0", setting="a role")
        self._stack.callback(opened.close)
        return opened

    async def _link(self, caller: str, called: str, port: int, listening: socket.socket) -> int:
        link = Link(f"{caller}~{called}")
        self.links[link.name] = link
        await self._stack.enter_async_context(proxy(link, to=port, listening=listening))
        return _port(listening)

    async def aclose(self) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def running_site(
    folder: Path, layout: Layout, *, say: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Site]:
    """Run a site with its data in ``folder`` while inside; on entry it is ready.

    Args:
        folder: Folder for its data.
        layout: What runs.
        say: Told of programs that end by themselves; the only fault that makes them do so is a full disk.

    Raises:
        PrerequisiteError: there is no Java, Kafka cannot be downloaded, or a role does not become ready.
    """
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    deaths: list[Death] = []

    def on_death(death: Death) -> None:
        deaths.append(death)
        if not death.was_killed:
            say(f"{death.program.name} exited unexpectedly ({death.how}): see {death.program.log}")

    supervisor = Supervisor(on_death=on_death)
    site = Site(folder, layout, State.new(), supervisor, deaths=deaths)
    try:
        async with supervisor:
            await site.build()
            yield site
            for link in site.links.values():
                link.mend()  # so that everything can shut down cleanly
    finally:
        await site.aclose()


async def _not_ready(session: aiohttp.ClientSession, url: str) -> str | None:
    """Why it is not ready, in its own words if it gives any; None if it is ready."""
    try:
        async with session.get(url) as answer:
            return None if answer.status == HTTPStatus.OK else (await answer.text()).strip()
    except (aiohttp.ClientError, TimeoutError) as error:  # not up yet, or busy
        return f"no answer: {type(error).__name__}"


def _port(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port
