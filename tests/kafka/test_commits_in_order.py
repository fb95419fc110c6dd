"""What is committed last counts last, although the client sends again, on its own and later, what Kafka refused."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from eventstreams.kafka.commits import Commit
from eventstreams.kafka.committed import committed_offsets
from eventstreams.kafka.consumer import GroupConsumer
from eventstreams.local.kafka import make_broker
from eventstreams.local.ports import free_ports
from eventstreams.settings import Settings
from eventstreams.testing.broker import RunningBroker
from eventstreams.topics import TopicSpec
from tests.conftest import installation_settings
from tests.kafka.test_consumer import Owner
from tests.support.installation import Installation
from tests.support.topic import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

EARLIER: Final = 50
LATER: Final = 59
_HOST: Final = "127.0.0.1"
_GATED: Final = """
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port},GATE://{host}:{inner}
advertised.listeners=PLAINTEXT://{host}:{port},GATE://{host}:{gate}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GATE:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
"""
_OFFSET_COMMIT: Final = 8  # its key among Kafka's requests
_LOADING: Final = 14  # Kafka's code of a coordinator that is not there yet
_ERROR: Final = slice(-5, -3)  # of one partition, in an answer of version 8 or 9 with no other one


Look = Callable[[bytes], Sequence[bytes]]


class Gate:
    """Carries Kafka's protocol, and has the coordinator refuse the first commit of ``EARLIER``, as one that is loading.

    The client hears of it only after the answer to the commit of ``LATER``.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._kept: list[bytes] = []
        self.answered: list[tuple[int, bool]] = []  # what was to be committed, and whether it was

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside, out = await asyncio.open_connection(_HOST, self._port)
        commits: dict[int, int] = {}  # by the request's number, which is the connection's
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, out, partial(self._asked, commits)))
                group.create_task(self._carry(inside, writer, partial(self._answered, commits)))
        except* (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            out.close()
            writer.close()

    async def _carry(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, look: Look) -> None:
        while True:
            [size] = struct.unpack(">i", await source.readexactly(4))
            for frame in look(await source.readexactly(size)):
                to.write(struct.pack(">i", len(frame)) + frame)
            await to.drain()

    def _asked(self, commits: dict[int, int], frame: bytes) -> Sequence[bytes]:
        key, _, number = struct.unpack(">hhi", frame[:8])
        if key == _OFFSET_COMMIT:
            commits[number] = next(each for each in (EARLIER, LATER) if struct.pack(">q", each) in frame)
        return [frame]

    def _answered(self, commits: dict[int, int], frame: bytes) -> Sequence[bytes]:
        [number] = struct.unpack(">i", frame[:4])
        if (offset := commits.pop(number, None)) is None:
            return [frame]
        is_first = not self.answered
        self.answered.append((offset, not is_first))
        if is_first:
            changed = bytearray(frame)
            changed[_ERROR] = struct.pack(">h", _LOADING)
            self._kept.append(bytes(changed))
            return []
        kept, self._kept = self._kept, []
        return [frame, *kept]


@asynccontextmanager
async def gated(folder: Path) -> AsyncIterator[tuple[Gate, Settings, Settings]]:
    """A broker, and how to reach it: through the gate, and beside it."""
    port, controller_port, inner, outer = free_ports(4)
    extra = _GATED.format(host=_HOST, port=port, controller_port=controller_port, inner=inner, gate=outer)
    made = make_broker(
        folder, port=port, controller_port=controller_port, cache=Settings.load().cache_dir, properties=extra
    )
    broker, gate = RunningBroker(made), Gate(inner)
    broker.start()
    server = await asyncio.start_server(gate.serve, _HOST, outer, family=socket.AF_INET)
    try:
        with installation_settings(made.bootstrap) as beside:
            yield gate, beside.model_copy(update={"kafka": f"{_HOST}:{outer}"}), beside
    finally:
        server.close()
        broker.stop()


async def test_a_commit_that_is_sent_again_does_not_take_back_a_later_one(tmp_path: Path) -> None:
    async with gated(tmp_path) as (gate, through, beside), Installation(beside) as house:
        at, owner, crashes = f"{beside.topic_prefix}one", Owner(), list[BaseException]()
        owner.settles_at_the_end = False
        await house.admin.ensure([TopicSpec(at, 1, {})])
        async with GroupConsumer(through, group="late", owner=owner, on_crash=crashes.append) as member:
            member.subscribe([at])
            await eventually(lambda: bool(owner.assigned), timeout_s=60)
            [partition] = owner.assigned

            owner.settled[partition] = Commit(EARLIER)
            await eventually(lambda: bool(gate.answered), timeout_s=60)
            owner.settled[partition] = Commit(LATER)

            await eventually(lambda: (EARLIER, True) in gate.answered, timeout_s=60)
            assert gate.answered[:2] == [(EARLIER, False), (LATER, True)]
            async with asyncio.timeout(60):
                while await committed_offsets(beside, "late", [partition]) != {partition: LATER}:
                    await asyncio.sleep(0.1)
        assert crashes == []
