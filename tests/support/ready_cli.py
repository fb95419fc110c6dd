"""``eventstreams`` for tests that call it often: a process that has imported everything forks for each command.

To start an interpreter and import the commands takes a second of CPU; a fork takes some milliseconds. Whoever asks may
have a ``PYTHONPATH`` with more that is installed; what Python itself reads when it starts, such as a
``sitecustomize``, is that of the process which forks.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from eventstreams.cli.main import eventstreams, main

_MOST: Final = 1 << 20  # bytes of a command and its environment
_STREAMS: Final = 3
_READY_S: Final = 120.0
_PROGRAM: Final = """#!{python} -SE
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({path!r})
    signal.signal(signal.SIGTERM, lambda *_: server.shutdown(socket.SHUT_WR))
    told = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [len(told).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(told)
    sys.exit(int(server.makefile().read() or 1))
"""


@contextmanager
def ready_cli(folder: Path) -> Iterator[Path]:
    """A folder for ``PATH`` with an ``eventstreams`` in it that begins at once, meanwhile."""
    path = folder / "socket"
    program = folder / "eventstreams"
    program.write_text(_PROGRAM.format(python=sys.executable, path=str(path)))
    program.chmod(0o755)
    process = subprocess.Popen([sys.executable, "-m", __name__, str(path)], cwd=Path(__file__).parents[2])
    try:
        deadline = time.monotonic() + _READY_S
        while not path.exists():
            assert process.poll() is None, "it ended before it was ready"
            assert time.monotonic() < deadline, "it does not get ready"
            time.sleep(0.02)
        yield folder
    finally:
        process.terminate()
        process.wait()


def _serve(path: str) -> None:
    context = click.Context(eventstreams)
    for name in eventstreams.list_commands(context):
        eventstreams.get_command(context, name)  # imports it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}.new")
        listener.listen()
        Path(f"{path}.new").rename(path)
        while True:
            asked, _ = listener.accept()
            if not os.fork():
                _run(asked)
            asked.close()


def _run(asked: socket.socket) -> None:
    """In a process of its own: as the one who asked would run it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 1
    try:
        head, streams, _, _ = socket.recv_fds(asked, 4, _STREAMS)
        size = int.from_bytes(head, "big")
        assert size < _MOST
        told = asked.makefile("rb").read(size)
        arguments, cwd, environ = json.loads(told)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environ)
        more = [each for each in environ.get("PYTHONPATH", "").split(os.pathsep) if each and each not in sys.path]
        sys.path[1:1] = more
        threading.Thread(target=_end_with, args=(asked,), daemon=True).start()
        sys.argv = ["eventstreams", *arguments]
        main()
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
        asked.sendall(str(code).encode())
        os._exit(code)


def _end_with(asked: socket.socket) -> None:
    """Whoever asked was told to end: so is this process."""
    asked.recv(1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    _serve(sys.argv[1])
