"""Fast starts of ``eventstreams`` for tests: a process that has already imported everything forks for each start.

Starting an interpreter and importing a role takes one to two seconds of CPU, a fork some hundredths. The result is a
process like any other, from ``__main__`` on: a child of the process that asked, with its own process id, environment,
streams, signals and exit code. Only what Python reads at its own start, such as a ``sitecustomize``, is inherited from
the forking process; so a request with different ``PYTHON…`` variables gets a real start. Each role is really started by
tests/system/test_up.py and test_readme.py, and by users of tests/support/role_process.py.
"""

import ctypes
import functools
import inspect
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Final

from eventstreams.local import parent_death

MOST: Final = 1 << 17  # bytes of a command and its environment: less than a socket accepts at once
_MODULES: Final = (
    "eventstreams",
    "tests.support.doomed",
    "tests.support.slow_heartbeats",
)  # started with ``python -m``
_PARENT_DEATH: Final = [sys.executable, "-I", "-S", str(Path(parent_death.__file__))]  # as the supervisor starts it
_PR_SET_CHILD_SUBREAPER: Final = 36  # <linux/prctl.h>
_READY_S: Final = 200.0
_PIPES: Final = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
_PROGRAM: Final = """#!{python} -SE
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.connect({path!r})
    signal.signal(signal.SIGTERM, lambda *_: server.shutdown(socket.SHUT_WR))
    told = dict(module="eventstreams", arguments=sys.argv[1:], environ=dict(os.environ), cwd=os.getcwd(), fds=[0, 1, 2])
    socket.send_fds(server, [json.dumps(told).encode()], [0, 1, 2])
    sys.exit(int(server.recv(16) or 1))
"""


@dataclass(frozen=True, slots=True)
class Start:
    """What is to be started: ``python -m MODULE ARGUMENTS``.

    Attributes:
        fds: Numbers that the file descriptors sent along are to have; standard streams first.
        parent: Process id of its parent; None if nobody waits for it and its exit code is reported instead.
        session: Whether it starts a new session.
        dies_with_parent: See ``eventstreams.local.parent_death``.
    """

    module: str
    arguments: Sequence[str]
    environ: Mapping[str, str]
    cwd: str
    fds: Sequence[int]
    parent: int | None = None
    session: bool = False
    dies_with_parent: bool = False


def popen(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    stdout: IO[bytes] | None = None,
    stderr: IO[bytes] | int | None = None,
) -> "subprocess.Popen[bytes]":
    """Do as ``subprocess.Popen``, but by a fork if ``command`` is ours."""
    return popen_by(_server().forker)(command, env=env, stdout=stdout, stderr=stderr)


def program() -> Path:
    """Return a program ``eventstreams``, alone in its folder, that starts the command by a fork.

    SIGTERM is passed on to the command; any other signal ends only the program that stands in for it.
    """
    return _server().program


def end() -> None:
    """End the forking process, if there is one; processes that it has forked go on."""
    if _server.cache_info().currsize:
        _server().close()
        _server.cache_clear()


class Forker:
    """One end of a socket; the process at the other end forks (tests/support/forking.py)."""

    def __init__(self, ours: socket.socket) -> None:
        self._socket = ours
        self._lock = threading.Lock()
        self._prctl = ctypes.CDLL(None).prctl

    def ask(self, asked: Start, fds: Sequence[int]) -> int:
        """Have a process started as ``asked``; return the process id of this new child of ours."""
        told = json.dumps(asdict(asked)).encode()
        assert len(told) < MOST
        with self._lock:
            self._prctl(_PR_SET_CHILD_SUBREAPER, 1)  # a process orphaned meanwhile becomes our child
            try:
                socket.send_fds(self._socket, [told], list(fds))
                pid = self._socket.recv(16)
            finally:
                self._prctl(_PR_SET_CHILD_SUBREAPER, 0)
        assert pid, "the process that forks has ended"
        return int(pid)

    def close(self) -> None:
        self._socket.close()


def popen_by(forker: Forker) -> "type[subprocess.Popen[Any]]":
    """Return a ``subprocess.Popen`` that has ``forker`` start our own commands."""
    real = subprocess.Popen
    signature = inspect.signature(real._execute_child)  # type: ignore[attr-defined]

    class Popen(real):  # type: ignore[valid-type, misc]
        """Differs only in place of ``fork`` and ``exec``; streams, waiting and signals are as always."""

        def _execute_child(self, *given: Any) -> None:
            told = signature.bind(self, *given).arguments
            asked = _start(told)
            if asked is None:
                super()._execute_child(*given)
                return
            streams = [told["p2cread"], told["c2pwrite"], told["errwrite"]]
            ours = [number if each == -1 else each for number, each in enumerate(streams)]
            self.pid = forker.ask(asked, [*ours, *told["pass_fds"]])
            self._child_created = True
            self._close_pipe_fds(*(told[each] for each in _PIPES))

    return Popen


def _start(told: Mapping[str, Any]) -> Start | None:
    """Return what ``subprocess.Popen`` was called with, if it is a command of ours; else None."""
    if not isinstance(told["args"], list | tuple) or sys.platform != "linux":
        return None
    command = [os.fspath(each) for each in told["args"]]
    dies_with_parent = command[: len(_PARENT_DEATH)] == _PARENT_DEATH
    if dies_with_parent:
        command = command[len(_PARENT_DEATH) + 1 :]
    environ = dict(os.environ if told["env"] is None else told["env"])
    if command[:2] != [sys.executable, "-m"] or command[2] not in _MODULES:
        return None
    if _of_python(environ) != _of_python(os.environ):
        return None
    return Start(
        module=command[2],
        arguments=command[3:],
        environ=environ,
        cwd=os.fspath(told["cwd"] or Path.cwd()),
        fds=[0, 1, 2, *told["pass_fds"]],
        parent=os.getpid(),
        session=told["start_new_session"],
        dies_with_parent=dies_with_parent,
    )


def _of_python(environ: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in environ.items() if name.startswith("PYTHON")}


class _Server:
    """The forking process that belongs to this one."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory()
        path = Path(self._folder.name, "socket")
        self.program = Path(self._folder.name, "bin", "eventstreams")
        self.program.parent.mkdir()
        self.program.write_text(_PROGRAM.format(python=sys.executable, path=str(path)))
        self.program.chmod(0o755)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forking", str(theirs.fileno()), str(path)],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=Path(__file__).parents[2],
            )
        self.forker = Forker(ours)
        deadline = time.monotonic() + _READY_S
        while not path.exists():
            assert self._process.poll() is None, "it ended before it was ready"
            assert time.monotonic() < deadline, "it does not get ready"
            time.sleep(0.02)

    def close(self) -> None:
        self.forker.close()
        self._process.wait(_READY_S)
        self._folder.cleanup()


@functools.cache
def _server() -> _Server:
    return _Server()
