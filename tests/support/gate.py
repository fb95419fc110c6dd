"""A gate in front of a server of any protocol: forwards bytes, or misbehaves."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

_HOST: Final = "127.0.0.1"


@dataclass(slots=True)
class Gate:
    """Forwards bytes in both directions unless told otherwise.

    Attributes:
        is_down: Ends each connection at once.
        says: Answers with this, and forwards nothing.
        is_held: Reads everything, and forwards nothing. ``reached`` is set when something arrives.
        dialled: Number of connections so far.
    """

    to: int
    port: int = 0
    is_down: bool = False
    says: bytes | None = None
    is_held: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    dialled: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def cut(self) -> None:
        """End every connection."""
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.dialled += 1
        if self.is_down:
            writer.transport.abort()
            return
        inside, out = await asyncio.open_connection(_HOST, self.to)
        self._open |= {writer, out}
        try:
            with contextlib.suppress(OSError):
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._hand_on(reader, out, back=writer))
                    group.create_task(self._hand_on(inside, writer, back=None))
        except* OSError:
            pass
        finally:
            self._open -= {writer, out}
            writer.transport.abort()
            out.transport.abort()

    async def _hand_on(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, back: asyncio.StreamWriter | None
    ) -> None:
        while data := await source.read(1 << 16):
            if back is not None and self.says is not None:
                back.write(self.says)
            elif self.is_held:
                if back is not None:
                    self.reached.set()
            else:
                to.write(data)
                await to.drain()
        raise ConnectionResetError


@asynccontextmanager
async def gate(*, to: int, host: str = _HOST, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Gate]:
    """Run a gate at ``host`` and ``port``, with TLS if ``tls`` is given; behind it there is no TLS."""
    made = Gate(to)
    server = await asyncio.start_server(made.serve, host, port, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.cut()
        await server.wait_closed()
