"""A gate in front of a test's own broker, which can hold back or change Kafka's requests and responses."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from eventstreams.local.kafka import make_broker
from eventstreams.local.ports import free_ports
from eventstreams.settings import Settings
from eventstreams.testing.broker import RunningBroker
from tests.conftest import installation_settings

PRODUCE: Final = 0  # Kafka's API keys
OFFSET_COMMIT: Final = 8
END_TXN: Final = 26
_HOST: Final = "127.0.0.1"
_GATED: Final = """
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port},GATE://{host}:{inner}
advertised.listeners=PLAINTEXT://{host}:{port},GATE://{host}:{gate}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GATE:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
"""

_Look = Callable[[bytes], Awaitable[Sequence[bytes]]]
GateT = TypeVar("GateT", bound="Gate")


class Gate:
    """Forwards Kafka's protocol between clients and the broker's ``port``; a subclass handles one API key."""

    watches: int

    def __init__(self, port: int) -> None:
        self._port = port

    async def asked(self, request: bytes) -> Sequence[bytes]:
        """Return what to send to the broker in place of ``request``."""
        return [request]

    async def answered(self, request: bytes, answer: bytes) -> Sequence[bytes]:
        """Return what to send to the client in place of ``answer`` to ``request``; until then it gets nothing else."""
        del request
        return [answer]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside, out = await asyncio.open_connection(_HOST, self._port)
        watched: dict[int, bytes] = {}  # by correlation id, which is per connection
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, out, partial(self._asked, watched)))
                group.create_task(self._carry(inside, writer, partial(self._answered, watched)))
        except* (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            out.close()
            writer.close()

    async def _carry(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, look: _Look) -> None:
        while True:
            [size] = struct.unpack(">i", await source.readexactly(4))
            for frame in await look(await source.readexactly(size)):
                to.write(struct.pack(">i", len(frame)) + frame)
            await to.drain()

    async def _asked(self, watched: dict[int, bytes], frame: bytes) -> Sequence[bytes]:
        key, _, number = struct.unpack(">hhi", frame[:8])
        if key != self.watches:
            return [frame]
        watched[number] = frame
        return await self.asked(frame)

    async def _answered(self, watched: dict[int, bytes], frame: bytes) -> Sequence[bytes]:
        [number] = struct.unpack(">i", frame[:4])
        request = watched.pop(number, None)
        return [frame] if request is None else await self.answered(request, frame)


@asynccontextmanager
async def gated(folder: Path, gate_of: Callable[[int], GateT]) -> AsyncIterator[tuple[GateT, Settings, Settings]]:
    """Run a broker behind a gate; yields the gate and the settings to reach the broker through it and directly."""
    port, controller_port, inner, outer = free_ports(4)
    extra = _GATED.format(host=_HOST, port=port, controller_port=controller_port, inner=inner, gate=outer)
    made = make_broker(
        folder, port=port, controller_port=controller_port, cache=Settings.load().cache_dir, properties=extra
    )
    broker, gate = RunningBroker(made), gate_of(inner)
    broker.start()
    server = await asyncio.start_server(gate.serve, _HOST, outer, family=socket.AF_INET)
    try:
        with installation_settings(made.bootstrap) as beside:
            yield gate, beside.model_copy(update={"kafka": f"{_HOST}:{outer}"}), beside
    finally:
        server.close()
        broker.stop()
