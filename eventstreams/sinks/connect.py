"""Connections for sinks that speak a protocol of their own, past the destination guard."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from ssl import SSLContext
from typing import Final, TypeVar

from eventstreams.sinks.guard import DestinationGuard

STAGGER_S: Final = 0.25  # before the next address is tried beside one that does not answer (RFC 8305)

Result = TypeVar("Result")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def open_connection(
    host: str, port: int, *, guard: DestinationGuard, ssl: SSLContext | None = None, limit: int = 1 << 16
) -> Streams:
    """As ``asyncio.open_connection``, to the first address of ``host`` that ``guard`` lets pass and that answers.

    It is the resolved address that is judged and connected to, so a name that resolves to something else a moment
    later changes nothing. An address that does not answer is not waited for: the next one is tried beside it. Has no
    time limit of its own.

    Raises:
        DestinationForbiddenError: an address is no place for deliveries, and no other one answers.
        OSError: ``host`` does not resolve to an address, or nobody answers.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
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
    """What the first of ``ways`` to succeed returns; the others are cancelled.

    Each begins as soon as one before it has failed, ``stagger_s`` after the one before at the latest, so that none has
    to wait until the time of one that does not answer is over. ``let_go`` gets what another one has returned at the
    same moment.

    Raises:
        Exception: of ``failures``, the first; where all of ``ways`` raised one. Anything else at once.
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
