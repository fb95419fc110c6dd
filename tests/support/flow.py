"""Publishes events as fast as the machine can, from a thread, and records when Kafka accepted each."""

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from confluent_kafka import KafkaError, Message, Producer

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.headers import ID, event_headers
from eventstreams.kafka.config import client_config
from eventstreams.settings import Settings
from eventstreams.topics import Topics
from tests.support.events import message_event

RATE: Final = 10_000  # per second, if the machine can
MOST: Final = 100_000  # ten seconds of it, longer on a busy machine; then a trickle until it is stopped
FEW: Final = 20_000  # enough for one change in the middle
_TRICKLE: Final = 2_000
_KEYS: Final = 500  # calls or messages that the events are about
_TURN: Final = 200
_AHEAD: Final = 5_000  # unacknowledged events: what a busy machine cannot take yet is not to pile up before a mark
_ACKED_S: Final = 120.0


class Flow:
    """Events of ``types`` in turn, each with an id of its own.

    Attributes:
        accepted: Event id → when it was accepted by the broker's clock, in ms; the id contains the type's index.
    """

    def __init__(self, settings: Settings, account_sid: str, types: Sequence[str], *, most: int) -> None:
        self._most = most
        self._topic = Topics(settings).events
        catalog = Catalog.load()
        codec = Codec(catalog, schema_base_url=settings.schema_base_url)
        self._made = []
        for name in types:
            schema, event = catalog.newest_schema(name), message_event(account_sid, 0, type_=name)
            assert schema is not None
            headers = [each for each in event_headers(event, dataschema=codec.dataschema(schema)) if each[0] != ID]
            self._made.append((codec.encode(schema, event.data), headers))
        self._producer = Producer(client_config(settings, {"acks": "all", "enable.idempotence": True, "linger.ms": 5}))
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._sent = 0
        self._tag = uuid.uuid4().hex[:8]  # no other flow's events have these ids
        self.accepted: dict[str, int] = {}
        self.failed: list[str] = []
        self.seconds = 0.0

    def of(self, place: int) -> dict[str, int]:
        """Return the part of ``accepted`` that has the type at index ``place``."""
        return {id_: at_ms for id_, at_ms in self.accepted.items() if id_.startswith(f"EZ{place}-")}

    async def mark(self) -> int:
        """Return the broker's time in ms: when it accepted an event that was sent after this call."""
        acked: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        self._send(0, lambda at_ms: loop.call_soon_threadsafe(acked.set_result, at_ms))
        async with asyncio.timeout(_ACKED_S):
            return await acked

    async def until(self, count: int) -> None:
        """Return once ``count`` events were accepted."""
        async with asyncio.timeout(_ACKED_S):
            while len(self.accepted) < count:
                await asyncio.sleep(0.01)

    def run(self) -> None:
        """Send until ``stop`` is called."""
        began, sent = time.monotonic(), 0
        while not self._stopping.is_set():
            while self._sent - len(self.accepted) - len(self.failed) > _AHEAD and not self._stopping.is_set():
                self._producer.poll(0.05)
            for number in range(_TURN):
                self._send(number % len(self._made))
            sent += _TURN
            due_s = min(sent, self._most) / RATE + max(sent - self._most, 0) / _TRICKLE
            while (early_s := began + due_s - time.monotonic()) > 0 and not self._stopping.is_set():
                self._producer.poll(early_s)  # returns with the first report
        self._producer.flush(_ACKED_S)
        self.seconds = time.monotonic() - began

    def stop(self) -> None:
        self._stopping.set()

    def _send(self, place: int, told: object = None) -> None:
        with self._lock:
            self._sent += 1
            number = self._sent
        value, headers = self._made[place]
        id_ = f"EZ{place}-{self._tag}-{number}"

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            at_ms = message.timestamp()[1]
            if error is not None:
                self.failed.append(error.str())
                return
            self.accepted[id_] = at_ms
            if callable(told):
                told(at_ms)

        while True:
            try:
                self._producer.produce(
                    self._topic,
                    value,
                    b"%d" % (number % _KEYS),
                    headers=[*headers, (ID, id_.encode())],
                    on_delivery=on_delivery,
                )
            except BufferError:  # the queue is full for now
                self._producer.poll(0.05)
            else:
                return


@asynccontextmanager
async def flowing(settings: Settings, account_sid: str, *types: str, most: int = MOST) -> AsyncIterator[Flow]:
    """Run a flow inside the block, a trickle after ``most`` events; at the end all of it is acknowledged."""
    flow = Flow(settings, account_sid, types, most=most)
    running = asyncio.create_task(asyncio.to_thread(flow.run))
    try:
        yield flow
    finally:
        flow.stop()
        await running
    assert not flow.failed, flow.failed[:3]
