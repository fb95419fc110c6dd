"""Publishes events in the background: posting never waits, and events that exceed the queue are dropped and counted."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Protocol, Self

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.errors import InvalidEventError
from eventstreams.events import Event
from eventstreams.headers import Headers, event_headers
from eventstreams.kafka.producer import Acked, NotAcked
from eventstreams.telemetry.logging import get_logger
from eventstreams.telemetry.metrics import Metrics

_MAX_WAITING: Final = 1000  # so many sinks may begin to fail at the same moment; a notice takes about 2 KB
_LAST_S: Final = 2.0  # how long a process that ends waits for the remaining events

_log = get_logger(__name__)


class Producer(Protocol):
    """What the outbox needs of ``AckedProducer``."""

    async def send(
        self, topic: str, value: bytes | None, *, key: bytes | None = None, headers: Headers = ()
    ) -> Acked | NotAcked: ...


class Outbox:
    """Publishes events of our own types, one after another. Use as ``async with``."""

    def __init__(
        self,
        topic: str,
        *,
        catalog: Catalog,
        codec: Codec,
        producer: Producer,
        metrics: Metrics,
        on_crash: Callable[[BaseException], None],
        max_waiting: int = _MAX_WAITING,
    ) -> None:
        """Create an outbox for the events topic ``topic``; ``on_crash`` is called if it fails, which is a bug."""
        self._topic = topic
        self._catalog = catalog
        self._codec = codec
        self._producer = producer
        self._metrics = metrics
        self._on_crash = on_crash
        self._waiting: asyncio.Queue[Event] = asyncio.Queue(max_waiting)
        self._sending: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._sending = asyncio.create_task(self._send_all())
        self._sending.add_done_callback(self._ended)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_S):
                await self._waiting.join()
        self._sending.cancel()
        await asyncio.wait({self._sending})

    def post(self, event: Event) -> None:
        """Queue ``event`` for publishing, or drop it if the queue is full."""
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            self._count("dropped")

    async def _send_all(self) -> None:
        while True:
            event = await self._waiting.get()
            self._count(await self._publish(event))
            self._waiting.task_done()

    async def _publish(self, event: Event) -> str:
        """Publish ``event``; return the outcome as the metric's label."""
        schema = self._catalog.newest_schema(event.type)
        assert schema is not None  # our own types are in the built-in catalogue
        try:
            value = self._codec.encode(schema, event.data)
        except InvalidEventError as error:
            _log.error("notice.invalid", error=str(error), follows="it is not published")
            return "dropped"
        key = (event.partition_key or event.source).encode()
        headers = event_headers(event, dataschema=self._codec.dataschema(schema))
        answer = await self._producer.send(self._topic, value, key=key, headers=headers)
        if isinstance(answer, NotAcked):
            _log.warning("notice.not_acknowledged", error=answer.text, follows="it is not published again")
            return "not_acknowledged"
        self._metrics.accepted.labels(event.type).inc()
        return "published"

    def _count(self, outcome: str) -> None:
        self._metrics.failure_notices.labels(outcome).inc()

    def _ended(self, sending: "asyncio.Task[None]") -> None:
        if not sending.cancelled() and (error := sending.exception()):
            self._on_crash(error)
