"""A server that cannot be reached: its backlog is full, so clients get no reply, as behind a firewall."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

TWO: Final = "two.example"
_MANY: Final = 4  # more than the system queues with a backlog of 0


@contextmanager
def silent(host: str, port: int) -> Iterator[None]:
    """Listen at ``host`` and ``port``, and accept no connection."""
    with ExitStack() as stack:
        stack.enter_context(socket.create_server((host, port), backlog=0))
        for _ in range(_MANY):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((host, port))
        yield


def resolver_of(*addresses: str) -> Callable[..., list[object]]:
    """In place of ``socket.getaddrinfo``: resolves the name ``TWO`` to ``addresses``, in this order."""
    real = socket.getaddrinfo

    def resolve(host: str, *args: object, **kwargs: object) -> list[object]:
        found = addresses if host == TWO else (host,)
        return [each for address in found for each in real(address, *args, **kwargs)]  # type: ignore[arg-type]  # passed on

    return resolve
