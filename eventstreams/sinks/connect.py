"""Guarded connections, for sinks that speak a protocol of their own."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from ssl import SSLContext
from typing import Final, TypeVar

from eventstreams.sinks.guard import DestinationGuard

STAGGER_S: Final = 0.25  # before the next address is tried in parallel with one that does not answer (RFC 8305)

Result = TypeVar("Result")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def open_connection(
    host: str, port: int, *, guard: DestinationGuard, ssl: SSLContext | None = None, limit: int = 1 << 16
) -> Streams:
    """Like ``asyncio.open_connection``, to the first address of ``host`` that ``guard`` permits and that answers.

    The same resolved address is checked and connected to, so a name that resolves differently a moment later changes
    nothing. If an address does not answer promptly, the next one is tried in parallel. There is no time limit.

    Raises:
        DestinationForbiddenError: an address is forbidden, and no other one answers.
        OSError: ``host`` has no address, or none of them answers.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # raised for what cannot be a host name, such as one with an empty label
        raise socket.gaierror(socket.EAI_NONAME, "the host is not a valid name") from None
    if not found:
        raise OSError(f"{host} does not resolve to an address")

    async def connect(address: str) -> Streams:
        guard.check(address, host=host)
        name = None if ssl is None else host
        return await asyncio.open_connection(address, port, ssl=ssl, server_hostname=name, limit=limit)

    ways = [partial(connect, str(where[0])) for *_, where in found]
    return await first_of(ways, stagger_s=STAGGER_S, failures=(OSError,), let_go=_abort)


async def first_of(
    ways: Sequence[Callable[[], Awaitable[Result]]],
    *,
    stagger_s: float,
    failures: tuple[type[Exception], ...],
    let_go: Callable[[Result], None] = lambda _: None,
) -> Result:
    """Try ``ways`` in turn, overlapping; return the result of the first to succeed, and cancel the others.

    The next one starts when an earlier one fails, or ``stagger_s`` seconds after the previous one started, so that none
    has to wait for one that does not answer. ``let_go`` is called with any result that another one returned meanwhile.

    Raises:
        Exception: the first of the ``failures``, if all of ``ways`` raised one. Any other exception is raised at once.
    """

    async def go(way: Callable[[], Awaitable[Result]]) -> Result:
        return await way()

    tasks: list[asyncio.Task[Result]] = []
    taken: asyncio.Task[Result] | None = None
    problem: Exception | None = None
    left = iter(ways)
    try:
        while True:
            if (way := next(left, None)) is not None:
                tasks.append(asyncio.create_task(go(way)))
            if not (under_way := [task for task in tasks if not task.done()]):
                raise problem or ValueError("no address could be tried")
            timeout_s = None if way is None else stagger_s
            done, _ = await asyncio.wait(under_way, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            for task in filter(done.__contains__, under_way):
                try:
                    result = task.result()
                except failures as error:
                    problem = problem or error
                else:
                    taken = task
                    return result
    finally:
        for task in tasks:
            task.cancel()
            if task is not taken and task.done() and not task.cancelled() and task.exception() is None:
                let_go(task.result())


def _abort(streams: Streams) -> None:
    streams[1].transport.abort()
