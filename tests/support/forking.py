"""The process that forks for tests: ``python -m tests.support.forking FD PATH`` (tests/support/forks.py).

Requests come on the socket ``FD`` from the process that started it, with which it ends, and on ``PATH`` from programs
that stand in for a command and are told its exit code.
"""

import ctypes
import fcntl
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, NoReturn

import click

from eventstreams.cli.main import eventstreams
from eventstreams.cli.main import main as command_line
from eventstreams.sinks.registry import load_plugins
from tests.support.forks import MOST, Forker, Start, popen_by

# Modules that commands and tests import when they start.
_LATER: Final = ("producers.gateway.role", "producers.publish_lines", "producers.simulator", "pytest")
_MOST_FDS: Final = 64
_HIGH: Final = 512  # file descriptors from here on cannot clash with requested ones
_PR_SET_PDEATHSIG: Final = 1  # <linux/prctl.h>
_ADOPTED_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Forked:
    """What a forked process is to become.

    Attributes:
        fds: The file descriptors received for it, as numbered in this process.
        told: Socket that gets its exit code, if nobody can wait for it.
    """

    start: Start
    fds: Sequence[int]
    told: socket.socket | None = None


def main() -> None:
    context = click.Context(eventstreams)
    for name in eventstreams.list_commands(context):
        eventstreams.get_command(context, name)  # imports it
    load_plugins()
    for name in _LATER:
        import_module(name)
    gc.collect()
    gc.freeze()  # the collector does not write to it any more, so the pages stay shared
    path = Path(sys.argv[2])
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"{path}.new")
    listener.listen()
    Path(f"{path}.new").rename(path)
    if forked := _serve(socket.socket(fileno=int(sys.argv[1])), listener):
        _become(forked)


def _serve(ours: socket.socket, listener: socket.socket | None = None) -> _Forked | None:
    """Fork on request; returns in each forked process, and None in this one once ``ours`` is closed."""
    with selectors.DefaultSelector() as selector, ours:
        selector.register(ours, selectors.EVENT_READ)
        if listener is not None:
            selector.register(listener, selectors.EVENT_READ)
        while True:
            [(key, _), *_] = selector.select()
            _reap()
            if key.fileobj is listener and listener is not None:
                asked, _ = listener.accept()
                if not os.fork():
                    listener.close()
                    return _Forked(*_received(asked), told=asked)
                asked.close()
                continue
            told, fds, _, _ = socket.recv_fds(ours, MOST, _MOST_FDS)
            if not told:
                return None
            if not (pid := _fork_orphan()):
                return _Forked(Start(**json.loads(told)), fds)
            ours.send(str(pid).encode())
            for each in fds:
                os.close(each)


def _received(asked: socket.socket) -> tuple[Start, Sequence[int]]:
    told, fds, _, _ = socket.recv_fds(asked, MOST, _MOST_FDS)
    return Start(**json.loads(told)), fds


def _reap() -> None:
    """Reap commands that have ended; their exit codes were already reported."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return


def _fork_orphan() -> int:
    """Fork a process whose parent ends at once, so that a subreaper adopts it; return its process id, 0 within it."""
    heard, said = os.pipe()
    if between := os.fork():
        os.close(said)
        pid = int(os.read(heard, 16))
        os.close(heard)
        os.waitpid(between, 0)
        return pid
    if pid := os.fork():
        os.write(said, str(pid).encode())
        os._exit(0)
    os.close(heard)
    os.close(said)
    return 0


# -- in a process that was forked ------------------------------------------------------------------------------


def _become(forked: _Forked) -> None:
    start = forked.start
    told = forked.told and socket.socket(fileno=_out_of_the_way(forked.told.detach()))
    mine = [_out_of_the_way(each) for each in forked.fds]
    os.closerange(3, _HIGH)
    for each, number in zip(mine, start.fds, strict=True):
        os.dup2(each, number)
        os.close(each)
    os.chdir(start.cwd)
    os.environ.clear()
    os.environ.update(start.environ)
    if start.session:
        os.setsid()
    if start.parent is not None:
        _wait_for(start.parent)
    if start.dies_with_parent:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != start.parent:
            os._exit(0)
    more = start.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[1:1] = [each for each in more if each and each not in sys.path]
    sys.argv = ["eventstreams", *start.arguments]
    if told is not None:
        _command(told)
    if start.arguments[:1] == ["up"] and (role := _fork_for_up()):
        _become(role)
        return
    runpy.run_module(start.module, run_name="__main__", alter_sys=True)


def _out_of_the_way(fd: int) -> int:
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    os.close(fd)
    return moved


def _wait_for(parent: int) -> None:
    deadline = time.monotonic() + _ADOPTED_S
    while os.getppid() != parent:
        if time.monotonic() > deadline:
            os._exit(1)
        time.sleep(0.001)


def _fork_for_up() -> _Forked | None:
    """Have ``eventstreams up`` fork its roles. Returns in each of those, and None in itself."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork():
        theirs.close()
        subprocess.Popen = popen_by(Forker(ours))  # type: ignore[assignment, misc]
        return None
    ours.close()
    theirs = socket.socket(fileno=_out_of_the_way(theirs.detach()))
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    os.closerange(3, _HIGH)
    forked = _serve(theirs)
    if forked is None:
        os._exit(0)
    return forked


def _command(told: socket.socket) -> NoReturn:
    """Run the command as the program that asked for it would, and report its exit code on ``told``."""
    threading.Thread(target=_end_with, args=(told,), daemon=True).start()
    code = 1
    try:
        command_line()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            sys.stderr.write(f"{error.code}\n")
    except BaseException:  # noqa: BLE001 - nobody else tells it before ``_exit``, and tests look for it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        told.sendall(str(code).encode())
        os._exit(code)


def _end_with(told: socket.socket) -> None:
    """Once the program that asked is told to end, end this process likewise."""
    told.recv(1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
