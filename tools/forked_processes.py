"""Starts test processes that have already imported all tests: one process imports them, and forks for each.

Importing 8,000 tests and their dependencies takes 15 s of CPU, in each of six test processes; in a fork it takes three,
for pytest's own work (docs/adr/0041-what-is-imported-is-forked.md).
"""

import gc
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

_MOST: Final = 1 << 17  # bytes of code and environment; less than a socket takes at once
_TASKS: Final = Path("/proc/self/task")
# Takes the place of the Python that pytest-xdist starts with code to run, and talks to through its standard streams.
_PROGRAM: Final = """#!{python} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as forks:
    forks.connect({path!r})
    told = dict(code=sys.argv[-1], environ=dict(os.environ), cwd=os.getcwd())
    socket.send_fds(forks, [json.dumps(told).encode()], [0, 1, 2])
    os.closerange(0, 3)  # whoever listens is to see that the other one has ended
    forks.recv(1)
"""


@contextmanager
def forking() -> Iterator[str]:
    """A program to start instead of this Python that has already imported all tests; if impossible, this Python."""
    with TemporaryDirectory() as folder:
        path, program = Path(folder, "socket"), Path(folder, "python")
        program.write_text(_PROGRAM.format(python=sys.executable, path=str(path)))
        program.chmod(0o755)
        with subprocess.Popen(
            [sys.executable, "-m", __name__, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.read()  # to its end: the process listens now, or has ended
            try:
                yield str(program) if path.exists() else sys.executable
            finally:
                process.terminate()


def main(path: str) -> None:
    """Returns in each forked process, after it has run its code, and in this one, if it cannot fork or has to end."""
    said = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)  # the real test run will report what is wrong with the tests
    errors = os.dup(2)
    os.dup2(nothing, 2)
    read = pytest.main(["--collect-only", "-qq"])
    os.dup2(errors, 2)
    for each in (nothing, errors):
        os.close(each)
    if read != pytest.ExitCode.OK or len(list(_TASKS.iterdir())) > 1:  # a fork has only one thread
        return
    gc.collect()
    gc.freeze()  # the collector then does not write to this memory, so it stays shared
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen()
    os.close(said)
    while (
        0 not in select.select([listener.fileno(), 0], [], [])[0]
    ):  # stdin is readable, at its end, once the process that started this one has ended
        asked, _ = listener.accept()
        if not os.fork():
            listener.close()
            _run(asked)
            return
        asked.close()


def _run(asked: socket.socket) -> None:
    """Do what ``python -c CODE`` does; ``asked`` is closed when the process ends."""
    told, streams, _, _ = socket.recv_fds(asked, _MOST, 3)
    start = json.loads(told)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = os.fdopen(0, "r", closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    os.environ.clear()
    os.environ.update(start["environ"])
    os.chdir(start["cwd"])
    sys.argv = ["-c"]
    exec(start["code"], {"__name__": "__main__"})


if __name__ == "__main__":
    main(sys.argv[1])
