"""``eventstreams`` for tests that start it often: a process that has imported everything forks for each start.

To start an interpreter and import a role takes one to two seconds of CPU; a fork takes some hundredths. What comes of
it is a process as any other, from ``__main__`` on: a child of the one that asked, with a process id, an environment,
streams, signals and an exit code of its own. What Python itself reads when it starts, such as a ``sitecustomize``, is
that of the process which forks: who asks with another ``PYTHON…`` variable gets a true start. Each role is started
truly by tests/system/test_up.py and test_readme.py, and by what takes tests/support/role_process.py.
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

MOST: Final = 1 << 17  # bytes of a command and its environment: less than a socket takes at once
_MODULES: Final = ("eventstreams", "tests.support.doomed")  # what ``python -m`` is given
_PARENT_DEATH: Final = [sys.executable, "-I", "-S", str(Path(parent_death.__file__))]  # as the supervisor has it
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
        fds: The numbers that the file descriptors which come with it are to have; streams first.
        parent: Whose child it is to be; None: nobody waits for it, and its exit code is told instead.
        session: Whether it begins one.
        dies_with_parent: As ``eventstreams.local.parent_death`` has it.
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
    """As ``subprocess.Popen``, where ``command`` is ours by a fork."""
    return popen_by(_server().forker)(command, env=env, stdout=stdout, stderr=stderr)


def program() -> Path:
    """A program ``eventstreams``, alone in its folder, that begins at once.

    SIGTERM reaches the command; any other signal ends only the program, which stands for it.
    """
    return _server().program


def end() -> None:
    """End the process that forks, where there is one; those that it has forked stay."""
    if _server.cache_info().currsize:
        _server().close()
        _server.cache_clear()


class Forker:
    """One end of a socket; whoever holds the other end forks (tests/support/forking.py)."""

    def __init__(self, ours: socket.socket) -> None:
        self._socket = ours
        self._lock = threading.Lock()
        self._prctl = ctypes.CDLL(None).prctl

    def ask(self, asked: Start, fds: Sequence[int]) -> int:
        """The process id of a new child of this process."""
        told = json.dumps(asdict(asked)).encode()
        assert len(told) < MOST
        with self._lock:
            self._prctl(_PR_SET_CHILD_SUBREAPER, 1)  # who loses its parent meanwhile is our child
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
    """A ``subprocess.Popen`` that has ``forker`` start what is ours."""
    real = subprocess.Popen
    signature = inspect.signature(real._execute_child)  # type: ignore[attr-defined]

    class Popen(real):  # type: ignore[valid-type, misc]
        """Another in what ``fork`` and ``exec`` do alone: streams, waiting and signals stay what they are."""

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
    """What ``subprocess.Popen`` was told, where it is ours to start."""
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
    """The process that forks for this one."""

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
