"""A TCP proxy whose link can be cut, delayed, narrowed, refused and reset, to simulate a bad network.

It works like Shopify's toxiproxy, but in this process: a fault begins, and ends, with the very next byte.
"""

import asyncio
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from eventstreams.local.ports import LOOPBACK

_CHUNK: Final = 1 << 16
_CHUNKS: Final = 64  # in transit in one direction of a connection: 4 MiB, as a long-distance line would hold
_BACKLOG: Final = 512
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER with zero timeout: close() sends RST


@dataclass(slots=True)
class Link:
    """The current state of the link between two programs. May be changed at any time; affects open connections too.

    Attributes:
        name: Names the caller and the called program.
        delay_s: Delay of each chunk of data, one way.
        jitter_s: The most additional delay, drawn for each chunk; chunks keep their order.
        bytes_per_s: Bandwidth for each connection and direction; None: unlimited.
        is_refused: Whether new connections are reset at once.
        carried: Bytes forwarded so far, both ways.
    """

    name: str
    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float | None = None
    is_refused: bool = False
    carried: int = 0
    _whole: asyncio.Event = field(default_factory=asyncio.Event)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._whole.set()

    @property
    def is_cut(self) -> bool:
        return not self._whole.is_set()

    def cut(self) -> None:
        """From now on let nothing through: connections stay open, but are silent."""
        self._whole.clear()

    def mend(self) -> None:
        """Remove all faults but resets; data that was held up continues."""
        self.delay_s = self.jitter_s = 0.0
        self.bytes_per_s = None
        self.is_refused = False
        self._whole.set()

    def reset(self) -> None:
        """Reset every connection at both ends, as after the restart of a network router."""
        for writer in self._open:
            _abort(writer)

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._open) // 2

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int | None) -> None:
        """Forward one connection to ``port`` until either end closes it; if ``port`` is None, reset it."""
        if self.is_refused or port is None:
            _abort(writer)
            return
        await self._whole.wait()
        try:
            inside, out = await asyncio.open_connection(LOOPBACK, port)
        except OSError:  # nothing listens there, which the caller sees as on a direct connection
            _abort(writer)
            return
        self._open |= {writer, out}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, out))
                group.create_task(self._carry(inside, writer))
        except* OSError:
            await self._whole.wait()  # a cut holds up resets too
            for each in (writer, out):
                _abort(each)
        finally:
            self._open -= {writer, out}
            for each in (writer, out):
                each.close()

    async def _carry(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        """Forward one direction. Data waits in a bounded queue until it is due, so delay does not limit bandwidth."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._arrive(under_way, to))
            while True:
                data = await source.read(_CHUNK)
                extra_s = self.delay_s + random.random() * self.jitter_s  # noqa: S311 - no secret
                await under_way.put((time.monotonic() + extra_s, data))
                if not data:
                    return

    async def _arrive(self, under_way: "asyncio.Queue[tuple[float, bytes]]", to: asyncio.StreamWriter) -> None:
        while True:
            due, data = await under_way.get()
            if (early_s := due - time.monotonic()) > 0:
                await asyncio.sleep(early_s)
            await self._whole.wait()
            if not data:
                with suppress(OSError):  # already closed
                    to.write_eof()
                return
            to.write(data)
            await to.drain()
            self.carried += len(data)
            if self.bytes_per_s is not None:
                await asyncio.sleep(len(data) / self.bytes_per_s)


@asynccontextmanager
async def proxy(link: Link, *, to: int | Callable[[], int | None], listening: socket.socket) -> AsyncIterator[None]:
    """While inside, forward connections to ``listening`` over ``link`` to port ``to`` of this machine.

    If ``to`` is a function, it is called for the port of each connection; if it returns None, the connection is reset.
    """
    serving: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = to() if callable(to) else to
        task = asyncio.create_task(link.serve(reader, writer, port))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(connected, sock=listening, backlog=_BACKLOG)
    try:
        yield
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await server.wait_closed()


def _abort(writer: asyncio.StreamWriter) -> None:
    opened: socket.socket | None = writer.get_extra_info("socket")
    if opened is not None:
        with suppress(OSError):  # already closed
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
