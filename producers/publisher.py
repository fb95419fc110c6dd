"""Publishes events: checks them against the catalogue, encodes them once, and awaits the broker's acknowledgement."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Final, Self

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.kafka.producer import BUFFER_BYTES, Acked, AckedProducer, Answer, NoRoom, NotAcked
from eventstreams.settings import Settings
from eventstreams.telemetry.metrics import Metrics
from eventstreams.topics import Topics
from producers.encoder import EncodedEvent, EventEncoder
from producers.outcomes import (
    Accepted,
    BufferFull,
    Invalid,
    NotAcknowledged,
    PublishOutcome,
    SendOutcome,
    accepted_or_raise,
)
from producers.product_event import Publishable, as_event

ACK_S: Final = 60.0  # a broker's failover takes seconds; a longer wait should be reported
_RUN_EVENTS: Final = 500  # enqueued together, which blocks the event loop for some ten milliseconds
_RUN_BYTES: Final = 1 << 20
_RUNS: Final = 16  # in flight per call: as much as the broker acknowledges in a tenth of a second


class EventPublisher:
    """Publishes events to Event Streams. Use as ``async with``; one is enough for a process.

    The topics must exist (``KafkaAdmin.ensure``); all our roles and commands ensure that when they start.

        async with EventPublisher(settings, Catalog.load(settings.catalog_dirs)) as publisher:
            accepted = await publisher.publish(messaging.MessageSent(account_sid=…, message_sid=…, …))

    The classes are in ``producers.products``; an ``Event`` of any type of the catalogue will do too.
    """

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        *,
        metrics: Metrics | None = None,
        ack_timeout_s: float = ACK_S,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        """A publisher.

        Args:
            settings: Which Kafka, and the base URL of ``dataschema``.
            catalog: The event types.
            metrics: Where to count, if anywhere.
            ack_timeout_s: After this time an event that the broker has not acknowledged is given up.
            buffer_bytes: The most bytes of values of events that wait for their acknowledgement, of which there are at
                most 100,000. While the buffer is full, events are refused.
        """
        self.encoder = EventEncoder(catalog, Codec(catalog, schema_base_url=settings.schema_base_url))
        self._settings = settings
        self._buffer_bytes = buffer_bytes
        self._topic = Topics(settings).events
        self._metrics = metrics
        self._ack_timeout_s = ack_timeout_s
        self._stack = AsyncExitStack()
        self._producer: AckedProducer

    async def __aenter__(self) -> Self:
        producer = AckedProducer(self._settings, timeout_s=self._ack_timeout_s, buffer_bytes=self._buffer_bytes)
        self._producer = await self._stack.enter_async_context(producer)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def waiting(self) -> int:
        """Events that the broker has not acknowledged yet."""
        return self._producer.waiting

    @property
    def acknowledged(self) -> int:
        """Events that the broker has acknowledged so far."""
        return self._producer.acked

    async def publish(self, event: Publishable) -> Accepted:
        """Return once all in-sync replicas have ``event``. Events of one task and one key keep their order.

        Raises:
            InvalidEventError: it does not fit the catalogue; the text says where and why. Nothing was sent.
            BufferFullError: too many events wait for their acknowledgement; nothing was sent.
            PublishError: the broker did not acknowledge; the event may have been accepted nevertheless.
            FatalProducerError: this publisher can never send again.
        """
        stated = as_event(event)
        [outcome] = await self.publish_many([stated])
        return accepted_or_raise(outcome, event_type=stated.type)

    async def publish_many(self, events: Iterable[Publishable]) -> list[PublishOutcome]:
        """Publish ``events``; returns the outcome of each, in order, once all are known.

        An invalid event does not hold up the others. ``events`` may be many, or a generator: it is consumed up to some
        thousand events ahead of their acknowledgements.

        Raises:
            FatalProducerError: this publisher can never send again; the outcomes of the last thousands are unknown.
        """
        outcomes: list[PublishOutcome] = []
        under_way: deque[_Run] = deque()
        left = iter(events)
        while (run := self._enqueue(left)).outcomes:
            under_way.append(run)
            await asyncio.sleep(0)  # let other tasks run between two runs
            if len(under_way) == _RUNS:
                outcomes += await self._outcomes_of(under_way.popleft())
        while under_way:
            outcomes += await self._outcomes_of(under_way.popleft())
        return outcomes

    async def send(self, records: Sequence[EncodedEvent]) -> list[SendOutcome]:
        """Like ``publish_many``, for events encoded by ``encoder``, all at once: the caller must bound their number."""
        answers = await self._producer.enqueue_many(self._topic, records)
        outcomes = [_outcome(record.id, answer) for record, answer in zip(records, answers, strict=True)]
        self._count([record.type for record in records], outcomes)
        return outcomes

    def _enqueue(self, events: Iterator[Publishable]) -> "_Run":
        """Enqueue the next run of ``events``; at their end, the run is empty."""
        outcomes: list[Invalid | str] = []
        types: list[str] = []
        answers = self._producer.enqueue_many(self._topic, self._encoded(events, outcomes, types))
        return _Run(outcomes, types, answers)

    def _encoded(
        self, events: Iterator[Publishable], outcomes: list[Invalid | str], types: list[str]
    ) -> Iterator[EncodedEvent]:
        size = 0
        for event in islice(events, _RUN_EVENTS):
            encoded = self.encoder.encode(as_event(event))
            if isinstance(encoded, Invalid):
                outcomes.append(encoded)
                continue
            outcomes.append(encoded.id)
            types.append(encoded.type)
            yield encoded
            size += len(encoded.value)
            if size >= _RUN_BYTES:
                return

    async def _outcomes_of(self, run: "_Run") -> list[PublishOutcome]:
        answers = iter(await run.answers)
        outcomes: list[PublishOutcome] = [
            each if isinstance(each, Invalid) else _outcome(each, next(answers)) for each in run.outcomes
        ]
        sent = [each for each in outcomes if not isinstance(each, Invalid)]
        self._count(run.types, sent)
        self._count_refused("invalid", len(outcomes) - len(sent))
        return outcomes

    def _count(self, types: Sequence[str], outcomes: Sequence[SendOutcome]) -> None:
        if self._metrics is None:
            return
        accepted = Counter(
            event_type for event_type, outcome in zip(types, outcomes, strict=True) if isinstance(outcome, Accepted)
        )
        for event_type, number in accepted.items():
            self._metrics.accepted.labels(event_type).inc(number)
        self._count_refused("not_acknowledged", sum(isinstance(each, NotAcknowledged) for each in outcomes))
        self._count_refused("buffer_full", sum(isinstance(each, BufferFull) for each in outcomes))

    def _count_refused(self, reason: str, count: int) -> None:
        if self._metrics is not None and count:
            self._metrics.refused.labels(reason).inc(count)


@dataclass(frozen=True, slots=True)
class _Run:
    """Events that were enqueued together.

    Attributes:
        outcomes: For each event, in order, what is wrong with it, or else its id.
        types: The types of those that were sent.
        answers: The answers for those that were sent.
    """

    outcomes: Sequence[Invalid | str]
    types: Sequence[str]
    answers: asyncio.Future[list[Answer]]


def _outcome(event_id: str, answer: Answer) -> SendOutcome:
    match answer:
        case Acked(partition, offset, timestamp_ms):
            return Accepted(event_id, partition, offset, timestamp_ms)
        case NotAcked(text, retriable):
            return NotAcknowledged(event_id, text, retry_is_safe=retriable)
        case NoRoom():
            return BufferFull(event_id)
