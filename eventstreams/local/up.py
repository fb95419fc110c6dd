"""Runs the whole system on this machine: decides which programs run, with which settings, in which order."""

import asyncio
import os
import shlex
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final

import aiohttp
import orjson
from pydantic import SecretStr

from eventstreams.errors import CatalogError, EventStreamsError, PluginError, PrerequisiteError, SettingsError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.local.demand import sink_types_in_use
from eventstreams.local.kafka import make_broker
from eventstreams.local.ports import LOOPBACK, free_ports, is_free, open_preferred
from eventstreams.local.state import State, shell_settings, write_private
from eventstreams.local.supervisor import Death, Program, Supervisor
from eventstreams.process.listen import local_url, open_socket
from eventstreams.settings import PREFIX, Settings
from eventstreams.sinks.registry import installed_sink_types, lacking, load_plugins

DEFAULT_PORT: Final = 8080
MOST_WORKERS: Final = 16  # of each sink type: what one machine can use
# Where every command looks for Kafka by default. Used only together with our default port, which only one installation
# can have: a broker starts to listen only a second after its port was found free.
_USUAL_KAFKA_PORT: Final = 9092
_KAFKA: Final = "kafka"
_ADMIN: Final = "admin-"
_LAST_PORT: Final = 65535
_POLL_S: Final = 0.1
_ASK_S: Final = 2.0
_SPARE_S: Final = 5.0  # what a role gets beyond its own drain time before it is killed
_BROKER_STOP_S: Final = 15.0
_MOST_REPLICAS: Final = 3
# Only a person can fix these, so the role is not restarted.
_HOPELESS: Final = frozenset(each.exit_code for each in (SettingsError, PrerequisiteError, CatalogError, PluginError))


@dataclass(frozen=True, slots=True)
class Role:
    """One of our processes.

    Attributes:
        arguments: Arguments of ``eventstreams``.
        listens: Name of the setting for the address that it serves, besides the admin one; None if it has none.
    """

    name: str
    arguments: Sequence[str]
    listens: str | None = None


API: Final = Role("api", ("api",), "API_LISTEN")
GATEWAY: Final = Role("gateway", ("gateway",), "GATEWAY_LISTEN")
ROUTER: Final = Role("router", ("router",))
_FIRST: Final = "webhook"  # the most common type; workers of other types start with the first sink of their type


@dataclass(frozen=True, slots=True)
class Options:
    """The options of ``eventstreams up``.

    Attributes:
        kafka: Bootstrap servers; None: it runs a broker of its own.
        workers: How many processes share the subscriptions of each sink type.
    """

    data_dir: Path
    host: str
    port: int
    kafka: str | None
    workers: int = 1

    @property
    def roles(self) -> Sequence[Role]:
        """What runs from the beginning."""
        return API, ROUTER, *self.workers_of(_FIRST), GATEWAY

    @property
    def later(self) -> Mapping[str, Sequence[Role]]:
        """By sink type, what starts with the first sink of that type."""
        return {each: self.workers_of(each) for each in installed_sink_types() if each != _FIRST}

    def workers_of(self, sink_type: str) -> Sequence[Role]:
        """The workers of one sink type; the second one's name ends with ``.2``."""
        names = [f"worker-{sink_type}", *(f"worker-{sink_type}.{number}" for number in range(2, self.workers + 1))]
        return [Role(name, ("worker", sink_type)) for name in names]


@dataclass(slots=True)
class _Installation:
    """Everything that is decided before anything starts."""

    options: Options
    folder: Path
    state: State
    settings: Settings
    say: Callable[[str], None]
    sockets: dict[str, socket.socket] = field(default_factory=dict)
    hopeless: asyncio.Future[Death] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def url(self, name: str) -> str:
        return local_url(self.sockets[name])

    def open_sockets(self) -> None:
        """Open every socket that a role listens on, so that a taken port is noticed before anything starts."""
        options = self.options
        self.sockets["api"] = open_socket(f"{options.host}:{options.port}", setting="--port", host_setting="--host")
        ports = self.state.ports
        beside = [options.port + 1] if 0 < options.port < _LAST_PORT else []
        self.sockets["gateway"] = open_preferred(options.host, _known(ports, "gateway") or beside)
        for role in (*options.roles, *chain(*options.later.values())):
            self.sockets[_admin(role)] = open_preferred(LOOPBACK, _known(ports, _admin(role)))
        for name, opened in self.sockets.items():
            self.state = self.state.with_port(name, opened.getsockname()[1])

    def shared(self, kafka: str, replicas: int) -> dict[str, str]:
        """The settings that all roles share, without their prefix."""
        return {
            "KAFKA": kafka,
            "REPLICATION_FACTOR": str(replicas),
            "SECRET_KEY": _secret(self.settings.secret_key) or self.state.secret_key,
            "ACCOUNT_SID": self.account_sid,
            "AUTH_TOKEN": self.auth_token,
            "PUBLIC_URL": self.settings.public_url or self.url("api"),
        }

    def of_commands(self, kafka: str, replicas: int) -> dict[str, str]:
        """The settings for a shell whose commands should use this installation."""
        ours = {
            **self.shared(kafka, replicas),
            "OPERATOR_TOKEN": self.operator_token,
            "GATEWAY_URL": self.settings.gateway_url or self.url("gateway"),
        }
        return {f"{PREFIX}{key}": value for key, value in ours.items()}

    def program(self, role: Role, kafka: str, replicas: int) -> Program:
        """How to run ``role``."""
        environ = {
            **self.shared(kafka, replicas),
            "INSTANCE": f"{self.state.instance}-{role.name}",
            "ADMIN_LISTEN": f"fd://{self.sockets[_admin(role)].fileno()}",
        }
        fds = [self.sockets[_admin(role)].fileno()]
        if role.listens is not None:
            fds.append(self.sockets[role.name].fileno())
            environ[role.listens] = f"fd://{fds[-1]}"
        if role is API:
            environ["OPERATOR_TOKEN"] = self.operator_token
            given = _secret(self.settings.delivery_log)
            environ["DELIVERY_LOG"] = str(self.folder / "delivery-log.db") if given is None else given
            environ["GATEWAY_URL"] = self.settings.gateway_url or self.url("gateway")
            others = [each for each in self.options.roles if each is not API]
            environ["READY_URLS"] = ",".join(f"{self.url(_admin(each))}/readyz" for each in others)
        if role is GATEWAY:
            environ["API_URL"] = self.settings.api_url or self.url("api")
        return Program(
            role.name,
            [sys.executable, "-m", "eventstreams", *role.arguments],
            log=self.folder / "logs" / f"{role.name}.log",
            environ={f"{PREFIX}{key}": value for key, value in environ.items()},
            fds=fds,
            stop_s=self.settings.drain_timeout.total_seconds() + _SPARE_S,
            hopeless=_HOPELESS,
            ends_with=" ".join(role.arguments),  # each worker may take its whole drain time
        )

    @property
    def account_sid(self) -> str:
        return self.settings.account_sid or self.state.account_sid

    @property
    def auth_token(self) -> str:
        return _secret(self.settings.auth_token) or self.state.auth_token

    @property
    def operator_token(self) -> str:
        return _secret(self.settings.operator_token) or self.state.operator_token

    def on_death(self, death: Death) -> None:
        if death.restart_s is None:
            if not self.hopeless.done():
                self.hopeless.set_result(death)
            return
        self.say(
            f"{death.program.name} exited ({death.how}): restarting it in {death.restart_s:g} s; its log is "
            f"{death.program.log}"
        )


async def up(options: Options, folder: Path, *, say: Callable[[str], None]) -> None:
    """Run everything until SIGINT or SIGTERM.

    Args:
        options: The command's options.
        folder: The data folder, which we have locked.
        say: Called with each line for the person who started it; ``ready`` once everything is.

    Raises:
        EventStreamsError: it cannot start, or a role reports that it can never run with these settings.
    """
    settings = Settings.load()
    installation = _Installation(options, folder, State.load(folder), settings, say)
    installation.open_sockets()
    stopping = asyncio.Event()
    async with AsyncExitStack() as stack:
        run_file, shell_file = folder / "run.json", folder / "env"
        stack.callback(run_file.unlink, missing_ok=True)
        stack.callback(shell_file.unlink, missing_ok=True)
        supervisor = Supervisor(
            on_death=installation.on_death, on_start=lambda: _write_run_file(run_file, installation, supervisor)
        )
        _on_signals(stopping, supervisor)
        await stack.enter_async_context(supervisor)
        stack.callback(say, "stopping")
        kafka, replicas = await _kafka(installation, supervisor)
        installation.state.save(folder)
        write_private(shell_file, shell_settings(installation.of_commands(kafka, replicas)))
        for role in options.roles:
            await supervisor.start(installation.program(role, kafka, replicas))
        _introduce(installation, kafka)
        await _watch(installation, stopping, partial(_start_later, installation, supervisor, kafka, replicas))
    if installation.hopeless.done():
        death = installation.hopeless.result()
        words = death.last_words.removeprefix("eventstreams: ")
        raise PrerequisiteError(f"{death.program.name} cannot run: {words}")


async def _start_later(installation: _Installation, supervisor: Supervisor, kafka: str, replicas: int) -> None:
    """Start the worker of each sink type with the first sink of that type. Never returns."""
    plugins, later = load_plugins(), installation.options.later
    settings = installation.settings.model_copy(update={"kafka": kafka})
    async with aclosing(sink_types_in_use(settings)) as sink_types:
        async for sink_type in sink_types:
            if sink_type not in later:
                continue
            name = later[sink_type][0].name
            for module, requirement in lacking(plugins[sink_type]).items():
                installation.say(f"{name} cannot run because it needs {module}: pip install '{requirement}'")
                break
            else:
                if plugins[sink_type].needs_mail and settings.mail_server is None:
                    installation.say(f"{name} cannot run: {PREFIX}SMTP_URL is not set")
                    continue
                for role in later[sink_type]:
                    await supervisor.start(installation.program(role, kafka, replicas))
                installation.say(f"{name} started: there is now a sink of its type")


async def _watch(
    installation: _Installation, stopping: asyncio.Event, start_later: Callable[[], Coroutine[None, None, None]]
) -> None:
    """Say when everything is ready, and then run ``start_later``; return once the system should end."""
    ready = asyncio.create_task(_ready(f"{installation.url('api')}/readyz"))
    ends = {asyncio.create_task(_set(stopping)), asyncio.create_task(_hopeless(installation))}
    await asyncio.wait({ready, *ends}, return_when=asyncio.FIRST_COMPLETED)
    if ready.done():
        installation.say("ready")
        later = asyncio.create_task(start_later())
        await asyncio.wait({later, *ends}, return_when=asyncio.FIRST_COMPLETED)
        if later.done() and (error := later.exception()):
            why = str(error) if isinstance(error, EventStreamsError) else type(error).__name__
            installation.say(f"no more workers are started: {why}")
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        later.cancel()
        await asyncio.wait({later})
    for task in (ready, *ends):
        task.cancel()


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def _hopeless(installation: _Installation) -> None:
    await asyncio.shield(installation.hopeless)


async def _kafka(installation: _Installation, supervisor: Supervisor) -> tuple[str, int]:
    """Start or find Kafka; returns its bootstrap servers and the replication factor to use."""
    given = installation.options.kafka
    if given is not None:
        admin = KafkaAdmin(
            installation.settings.model_copy(update={"kafka": given}), chosen_by="--kafka or EVENTSTREAMS_KAFKA"
        )
        await admin.wait_for_broker()
        wanted = installation.settings.replication_factor
        if "replication_factor" in installation.settings.model_fields_set:
            return given, wanted
        return given, min(await admin.brokers(), _MOST_REPLICAS)
    ports = _broker_ports(installation)
    for name, port in zip((_KAFKA, "controller"), ports, strict=True):
        installation.state = installation.state.with_port(name, port)
    broker = await asyncio.to_thread(
        make_broker,
        installation.folder / _KAFKA,
        port=ports[0],
        controller_port=ports[1],
        cache=installation.settings.cache_dir,
    )
    log = installation.folder / "logs" / "kafka.log"
    await supervisor.start(Program(_KAFKA, broker.command, log=log, stop_s=_BROKER_STOP_S))
    return broker.bootstrap, 1


def _broker_ports(installation: _Installation) -> Sequence[int]:
    """The ports for the broker's clients and for its controller: those of last time if they are free."""
    known = [installation.state.ports.get(name, 0) for name in (_KAFKA, "controller")]
    if all(port and is_free(port) for port in known):
        return known
    port, controller_port = free_ports(2)
    if installation.options.port == DEFAULT_PORT and is_free(_USUAL_KAFKA_PORT):
        port = _USUAL_KAFKA_PORT
    return port, controller_port


def _introduce(installation: _Installation, kafka: str) -> None:
    for name, value in (
        ("Console", f"{installation.url('api')}/"),
        ("API", f"{installation.url('api')}/v1"),
        ("Gateway", f"{installation.url('gateway')}/v1/Events"),
        ("Kafka", kafka),
        ("Data", str(installation.folder)),
        ("Logs", str(installation.folder / "logs")),
        ("Settings", f". {shlex.quote(str(installation.folder / 'env'))}"),
        ("Account SID", installation.account_sid),
        ("Auth token", installation.auth_token),
        ("Operator", f"operator:{installation.operator_token}"),
    ):
        installation.say(f"{name:<12} {value}")


def _write_run_file(file: Path, installation: _Installation, supervisor: Supervisor) -> None:
    """Write ``run.json``, which tells scripts what runs now and where it listens."""
    found = {
        "pid": os.getpid(),
        "pids": dict(supervisor.pids),
        "api": installation.url("api"),
        "gateway": installation.url("gateway"),
        "kafka": installation.options.kafka or f"{LOOPBACK}:{installation.state.ports.get(_KAFKA, 0)}",
        "admin": {
            name.removeprefix(_ADMIN): installation.url(name)
            for name in installation.sockets
            if name.startswith(_ADMIN)
        },
        "account_sid": installation.account_sid,
    }
    write_private(file, orjson.dumps(found, option=orjson.OPT_INDENT_2))


def _on_signals(stopping: asyncio.Event, supervisor: Supervisor) -> None:
    def on_signal() -> None:
        if stopping.is_set():
            supervisor.kill_soon()  # the second signal: do not wait any longer
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)


async def _ready(url: str) -> None:
    """Return once ``url`` answers 200."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ASK_S)) as session:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):  # not up yet, or busy
                async with session.get(url) as answer:
                    if answer.status == 200:  # noqa: PLR2004 - OK
                        return
            await asyncio.sleep(_POLL_S)


def _known(ports: Mapping[str, int], name: str) -> list[int]:
    return [ports[name]] if name in ports else []


def _admin(role: Role) -> str:
    return f"{_ADMIN}{role.name}"


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()
