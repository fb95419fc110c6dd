"""A small beanstalkd in the test's own event loop that misbehaves on demand."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final

from typing_extensions import override

from eventstreams.testing import Arrival, Destination

MAX_JOB_BYTES: Final = 65_535  # beanstalkd's own default


class FakeBeanstalkd(Destination):
    """Speaks as much of the protocol as a producer needs."""

    def __init__(self) -> None:
        self.jobs: list[bytes] = []
        self.refusals = 0
        self.port = 0
        self._draining = False
        self._babbling = False
        self._deferred: Collection[str] = ()
        self._reached: asyncio.Event | None = None
        self._healed = asyncio.Event()
        self._clients: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["FakeBeanstalkd"]:
        """Listen on a free loopback port while the context is open; ``config`` points there."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.config = {"host": "127.0.0.1", "port": self.port, "tube": "events"}
        try:
            yield self
        finally:
            server.close()
            self._healed.set()
            for client in self._clients:
                client.transport.abort()

    @override
    async def arrived(self) -> Sequence[Arrival]:
        events = [json.loads(job) for job in self.jobs]
        return [Arrival(event["id"], event) for event in events]

    @override
    async def heal(self) -> None:
        self._draining = self._babbling = False
        self._deferred = ()
        self._reached = None
        self._healed.set()

    @override
    async def defer(self, ids: Collection[str]) -> None:
        self._deferred = ids

    @override
    def too_large(self) -> int:
        return MAX_JOB_BYTES + 1

    @override
    async def go_down(self) -> None:
        self._draining = True

    @override
    async def babble(self) -> None:
        self._babbling = True

    @override
    async def hang(self) -> asyncio.Event:
        self._reached, self._healed = asyncio.Event(), asyncio.Event()
        return self._reached

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            while True:
                answer = await self._answer(reader)
                if self._reached is not None:
                    self._reached.set()
                    await self._healed.wait()
                writer.write(b"MOO\r\n" if self._babbling else answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone
        finally:
            self._clients.discard(writer)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        match (await reader.readuntil(b"\r\n")).split():
            case [b"use", tube]:
                return b"USING %s\r\n" % tube
            case [b"put", _, _, _, length]:
                job = (await reader.readexactly(int(length) + 2))[:-2]
                return self._put(job)
            case [b"peek-ready"] if self.jobs:
                return b"FOUND 1 %d\r\n%s\r\n" % (len(self.jobs[0]), self.jobs[0])
            case [b"quit"]:
                raise ConnectionError
            case [b"stats"]:
                stats = b"---\ncurrent-jobs-ready: 0\ndraining: %s\n" % (b"true" if self._draining else b"false")
                return b"OK %d\r\n%s\r\n" % (len(stats), stats)
            case _:
                return b"UNKNOWN_COMMAND\r\n"

    def _put(self, job: bytes) -> bytes:
        answer = self._judge(job)
        if answer is None:
            self.jobs.append(job)
            return b"INSERTED %d\r\n" % len(self.jobs)
        self.refusals += 1
        return answer

    def _judge(self, job: bytes) -> bytes | None:
        if len(job) > MAX_JOB_BYTES:
            return b"JOB_TOO_BIG\r\n"
        if self._draining or self._reached is not None:  # a hanging server accepts nothing
            return b"DRAINING\r\n"
        if self._babbling:
            return b"MOO\r\n"
        if json.loads(job)["id"] in self._deferred:
            return b"OUT_OF_MEMORY\r\n"
        return None
