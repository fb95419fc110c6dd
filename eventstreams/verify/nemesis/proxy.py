"""A TCP proxy whose link can be cut, delayed, narrowed, refused and reset: a network between two programs, gone bad.

In the manner of Shopify's toxiproxy, in this process: a fault is there with the next byte, and gone with the next.
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
_CHUNKS: Final = 64  # on their way in one direction of a connection: 4 MiB, as a long line would hold
_BACKLOG: Final = 512
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: close() sends RST


@dataclass(slots=True)
class Link:
    """How the way between two programs is just now. All may be changed at any time, and holds for what is open too.

    Attributes:
        name: Of whoever calls and whoever is called, for people.
        delay_s: What each piece of data takes longer, one way.
        jitter_s: What it takes longer than that at most, drawn for each piece; their order stays.
        bytes_per_s: The width of the link for each connection and direction; None: as wide as it is.
        is_refused: Who connects is thrown out at once.
        carried: Bytes handed on so far, both ways.
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
        """From now on nothing gets through, and nobody is told: connections stay, and are silent."""
        self._whole.clear()

    def mend(self) -> None:
        """As good as new; what was held goes on."""
        self.delay_s = self.jitter_s = 0.0
        self.bytes_per_s = None
        self.is_refused = False
        self._whole.set()

    def reset(self) -> None:
        """Break every connection, as a router does that was started anew: both ends get a reset."""
        for writer in self._open:
            _abort(writer)

    @property
    def connections(self) -> int:
        """How many are open, each counted once."""
        return len(self._open) // 2

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int | None) -> None:
        """Carry one connection to ``port`` until either end is done with it; None: there is nobody to call."""
        if self.is_refused or port is None:
            _abort(writer)
            return
        await self._whole.wait()
        try:
            inside, out = await asyncio.open_connection(LOOPBACK, port)
        except OSError:  # nobody is there: whoever called sees that as if he had called himself
            _abort(writer)
            return
        self._open |= {writer, out}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, out))
                group.create_task(self._carry(inside, writer))
        except* OSError:
            await self._whole.wait()  # a reset does not get through a cut either
            for each in (writer, out):
                _abort(each)
        finally:
            self._open -= {writer, out}
            for each in (writer, out):
                each.close()

    async def _carry(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        """One direction. What is read waits in a bounded queue for its time, so that a delay narrows nothing."""
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
                with suppress(OSError):  # it is gone already
                    to.write_eof()
                return
            to.write(data)
            await to.drain()
            self.carried += len(data)
            if self.bytes_per_s is not None:
                await asyncio.sleep(len(data) / self.bytes_per_s)


@asynccontextmanager
async def proxy(link: Link, *, to: int | Callable[[], int | None], listening: socket.socket) -> AsyncIterator[None]:
    """Carry what connects to ``listening`` over ``link`` to port ``to`` of this machine, meanwhile.

    A function as ``to`` is asked for the port of each connection; None throws out whoever connects.
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
        with suppress(OSError):  # it is gone already
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
