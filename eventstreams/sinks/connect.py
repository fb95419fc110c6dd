"""Connections for sinks that speak a protocol of their own, past the destination guard."""

import asyncio
import socket
from ssl import SSLContext

from eventstreams.sinks.guard import DestinationGuard


async def open_connection(
    host: str, port: int, *, guard: DestinationGuard, ssl: SSLContext | None = None, limit: int = 1 << 16
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """As ``asyncio.open_connection``, to the first address of ``host`` that ``guard`` lets pass and that answers.

    It is the resolved address that is judged and connected to, so a name that resolves to something else a moment
    later changes nothing. Has no time limit of its own.

    Raises:
        DestinationForbiddenError: the first address is no place for deliveries, and no other one answers.
        OSError: ``host`` has no address, or nobody answers.
    """
    problem: OSError | None = None
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, where in found:
        address = str(where[0])
        try:
            guard.check(address)
            name = None if ssl is None else host
            return await asyncio.open_connection(address, port, ssl=ssl, server_hostname=name, limit=limit)
        except OSError as error:
            problem = problem or error
    raise problem or OSError(f"{host} has no address")
