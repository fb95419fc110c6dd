"""TCP ports on loopback: those of last time if they are free, else others."""

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from eventstreams.errors import PrerequisiteError
from eventstreams.process.listen import open_socket

LOOPBACK: Final = "127.0.0.1"


def free_ports(count: int) -> Sequence[int]:
    """Ports that nobody listens on now, for programs that cannot be handed a socket."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]


def is_free(port: int) -> bool:
    """Whether a program could listen on ``port`` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def open_preferred(host: str, preferred: Sequence[int]) -> socket.socket:
    """A listening socket on the first of ``preferred`` ports that is free, else on any."""
    for port in (*preferred, 0):
        try:
            return open_socket(f"{host}:{port}", setting="--host")
        except PrerequisiteError:
            if port == 0:
                raise
    raise AssertionError("port 0 is always tried")
