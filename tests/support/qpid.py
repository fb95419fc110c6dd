"""A real AMQP 0-9-1 broker for tests: Apache Qpid Broker-J, from Maven Central, with its queues in memory."""

import json
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aio_pika
import orjson

from eventstreams.local.jar import Jar
from eventstreams.local.jars import fetch_jars
from eventstreams.local.java import find_java
from eventstreams.local.kafka import default_cache
from eventstreams.local.ports import free_ports
from eventstreams.settings import Settings
from eventstreams.sinks import GuardedThread
from sink_workers.plugins.amqp.sink import assume_capabilities
from tests.support.webhooks import LOOPBACK

USER, PASSWORD = "customer", "the-password-of-the-customer"
MAX_MESSAGE: Final = 100_000
_JARS: Final = Path(__file__).with_name("qpid-jars.txt")
_HOST: Final = "127.0.0.1"
_READY: Final = "BRK-1004"
_READY_S: Final = 90.0
_STOP_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Qpid:
    """Where it listens, without TLS."""

    port: int


@dataclass(slots=True)
class Queue:
    """A queue of one test, and what was taken from it. Its clients run on a thread of their own."""

    name: str
    thread: GuardedThread
    channel: aio_pika.abc.AbstractChannel
    queue: aio_pika.abc.AbstractQueue
    received: list[aio_pika.abc.AbstractIncomingMessage] = field(default_factory=list)

    async def messages(self) -> Sequence[aio_pika.abc.AbstractIncomingMessage]:
        """Return every message ever in the queue, including those taken out by earlier calls."""
        return await self.thread.run(self._take())

    async def events(self) -> Sequence[Mapping[str, object]]:
        return [orjson.loads(each.body) for each in await self.messages()]

    async def bind_topics(self, exchange: str, pattern: str) -> None:
        """Declare a topic exchange and bind the queue to it with ``pattern``."""
        await self.thread.run(self._bind(exchange, pattern))

    async def _bind(self, exchange: str, pattern: str) -> None:
        made = await self.channel.declare_exchange(exchange, aio_pika.ExchangeType.TOPIC)
        await self.queue.bind(made, pattern)

    async def _take(self) -> Sequence[aio_pika.abc.AbstractIncomingMessage]:
        while (message := await self.queue.get(no_ack=True, fail=False)) is not None:
            self.received.append(message)
        return list(self.received)


@contextmanager
def running_qpid(folder: Path) -> Iterator[Qpid]:
    """A broker with its files in ``folder``."""
    jars = fetch_jars(Settings.load().cache_dir or default_cache(), name="qpid-9.2.1", jars=_pinned())
    [port] = free_ports(1)
    initial = folder / "initial.json"
    initial.write_text(json.dumps(_configuration(port)))
    options = ["-Xmx200m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Dqpid.max_message_size={MAX_MESSAGE}"]
    command: list[str] = [
        str(find_java()),
        *options,
        "-cp",
        f"{jars}/*",
        "org.apache.qpid.server.Main",
        "-icp",
        str(initial),
        "-st",
        "Memory",
    ]
    log = folder / "broker.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + _READY_S
        while _READY not in log.read_text():
            if time.monotonic() > deadline or process.poll() is not None:
                raise TimeoutError(f"the broker did not start: {log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield Qpid(port)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@asynccontextmanager
async def queue_in(qpid: Qpid) -> AsyncIterator[Queue]:
    """A new queue."""
    thread = GuardedThread(LOOPBACK, name="amqp of a test")
    try:
        yield await thread.run(_declare(qpid, f"events-{uuid.uuid4().hex[:8]}", thread))
    finally:
        await thread.aclose()


async def _declare(qpid: Qpid, name: str, thread: GuardedThread) -> Queue:
    connection = await aio_pika.connect(host=_HOST, port=qpid.port, login=USER, password=PASSWORD)
    assume_capabilities(connection)
    channel = await connection.channel(publisher_confirms=False)
    return Queue(name, thread, channel, await channel.declare_queue(name, durable=True))


def _pinned() -> Sequence[Jar]:
    return [Jar.parse(line) for line in _JARS.read_text().splitlines() if not line.startswith("#")]


def _configuration(port: int) -> Mapping[str, object]:
    aliases = [{"name": name, "type": name} for name in ("nameAlias", "defaultAlias")]
    common = {
        "type": "AMQP",
        "bindingAddress": _HOST,
        "authenticationProvider": "plain",
        "protocols": ["AMQP_0_9_1"],
        "virtualhostaliases": aliases,
    }
    user = {"name": USER, "type": "managed", "password": PASSWORD}
    return {
        "name": "broker",
        "modelVersion": "9.1",
        "authenticationproviders": [
            {"name": "plain", "type": "Plain", "secureOnlyMechanisms": [], "users": [user]},
        ],
        "ports": [
            {"name": "plain", "port": str(port), "transports": ["TCP"], **common},
        ],
        "virtualhostnodes": [
            {
                "name": "default",
                "type": "Memory",
                "defaultVirtualHostNode": "true",
                "virtualHostInitialConfiguration": json.dumps({"type": "Memory"}),
            }
        ],
    }
