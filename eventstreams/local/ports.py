"""Finds free TCP ports on loopback, preferably those of last time."""

import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from eventstreams.errors import PrerequisiteError
from eventstreams.process.listen import open_socket

LOOPBACK: Final = "127.0.0.1"
_LOWEST: Final = 10_000  # well-known programs mostly use lower ports
_OUTGOING: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_OUTGOING_FROM: Final = 32_768  # Linux's default; other systems begin higher
_TRIES: Final = 100


def free_ports(count: int) -> Sequence[int]:
    """Ports that nobody listens on now, for programs that cannot be handed a socket.

    If possible they are below the range that the system uses for outgoing connections. A port in that range may be
    taken before the program listens on it, or while it restarts: even by a client that tries to reach it, and then
    connects to itself.
    """
    with ExitStack() as stack:
        return [_taken(stack) for _ in range(count)]


def outgoing_from() -> int:
    """The lowest port that the system uses for outgoing connections."""
    try:
        return int(_OUTGOING.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _OUTGOING_FROM


def _taken(stack: ExitStack) -> int:
    """A free port that is reserved until ``stack`` ends."""
    for port in _candidates():
        probe = stack.enter_context(socket.socket())
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            if port == 0:
                raise
            continue
        taken: int = probe.getsockname()[1]
        return taken
    raise AssertionError("port 0 is always tried")


def _candidates() -> Iterator[int]:
    """Ports to try, finally 0, which means any. Random, so that two programs that look at once find different ones."""
    among = range(_LOWEST, outgoing_from())
    if among:
        chance = secrets.SystemRandom()
        for _ in range(_TRIES):
            yield chance.choice(among)
    yield 0


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
    """A listening socket on the first of the ``preferred`` ports that is free, or else on any free port."""
    for port in (*preferred, 0):
        try:
            return open_socket(f"{host}:{port}", setting="--host")
        except PrerequisiteError:
            if port == 0:
                raise
    raise AssertionError("port 0 is always tried")
