"""Publishes events: checked against the catalogue, encoded once, acknowledged by the broker."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.errors import InvalidEventError, PublishError
from eventstreams.events import Event
from eventstreams.kafka.producer import Acked, AckedProducer, NotAcked
from eventstreams.settings import Settings
from eventstreams.telemetry.metrics import Metrics
from eventstreams.topics import Topics
from producers.encoder import EncodedEvent, EventEncoder
from producers.outcomes import Accepted, Invalid, NotAcknowledged, PublishOutcome

_ACK_S: Final = 60.0  # a broker that fails over takes seconds; who waits longer than this wants to know


class EventPublisher:
    """The way for events into Event Streams. Use as ``async with``; one is enough for a process.

    The topics must be there (``KafkaAdmin.ensure``); every role and command of ours sees to it at its start.

        async with EventPublisher(settings, Catalog.load()) as publisher:
            accepted = await publisher.publish(Event(type=…, source=…, account_sid=…, data={…}))
    """

    def __init__(
        self, settings: Settings, catalog: Catalog, *, metrics: Metrics | None = None, ack_timeout_s: float = _ACK_S
    ) -> None:
        """A publisher.

        Args:
            settings: Which Kafka, and the start of ``dataschema``.
            catalog: The event types there are.
            metrics: Where to count, if anywhere.
            ack_timeout_s: After this an event that the broker has not acknowledged is given up.
        """
        self.encoder = EventEncoder(catalog, Codec(catalog, schema_base_url=settings.schema_base_url))
        self._settings = settings
        self._topic = Topics(settings).events
        self._metrics = metrics
        self._ack_timeout_s = ack_timeout_s
        self._stack = AsyncExitStack()
        self._producer: AckedProducer

    async def __aenter__(self) -> Self:
        producer = AckedProducer(self._settings, timeout_s=self._ack_timeout_s)
        self._producer = await self._stack.enter_async_context(producer)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def publish(self, event: Event) -> Accepted:
        """Return once all in-sync replicas have ``event``. Events of one task and one key keep their order.

        Raises:
            InvalidEventError: it does not fit the catalogue; nothing was sent.
            PublishError: the broker did not acknowledge; the event may have been accepted nevertheless.
            FatalProducerError: this publisher can never send again.
        """
        match (await self.publish_many([event]))[0]:
            case Accepted() as accepted:
                return accepted
            case Invalid() as invalid:
                raise InvalidEventError(str(invalid), path=invalid.path)
            case NotAcknowledged() as missed:
                raise PublishError(str(missed), retry_is_safe=missed.retry_is_safe)

    async def publish_many(self, events: Iterable[Event]) -> list[PublishOutcome]:
        """What became of each of ``events``, by position, once it is known of all.

        An event that is invalid does not hold up the others. The caller bounds how many there are.

        Raises:
            FatalProducerError: this publisher can never send again; nothing is known of the events.
        """
        encoded = [self.encoder.encode(event) for event in events]
        sent = iter(await self.send([each for each in encoded if isinstance(each, EncodedEvent)]))
        outcomes = [each if isinstance(each, Invalid) else next(sent) for each in encoded]
        self._count_refused("invalid", sum(isinstance(each, Invalid) for each in outcomes))
        return outcomes

    async def send(self, records: Sequence[EncodedEvent]) -> list[Accepted | NotAcknowledged]:
        """As ``publish_many``, for events that ``encoder`` has encoded."""
        answers = []
        for record in records:
            answer = await self._producer.enqueue(self._topic, record.value, key=record.key, headers=record.headers)
            answers.append(answer)
        await asyncio.gather(*answers)
        outcomes = [_outcome(record.id, answer.result()) for record, answer in zip(records, answers, strict=True)]
        self._count_sent(records, outcomes)
        return outcomes

    def _count_sent(self, records: Sequence[EncodedEvent], outcomes: Sequence[Accepted | NotAcknowledged]) -> None:
        if self._metrics is not None:
            for record, outcome in zip(records, outcomes, strict=True):
                if isinstance(outcome, Accepted):
                    self._metrics.accepted.labels(record.type).inc()
            self._count_refused("not_acknowledged", sum(isinstance(each, NotAcknowledged) for each in outcomes))

    def _count_refused(self, reason: str, count: int) -> None:
        if self._metrics is not None and count:
            self._metrics.refused.labels(reason).inc(count)


def _outcome(event_id: str, answer: Acked | NotAcked) -> Accepted | NotAcknowledged:
    match answer:
        case Acked(partition, offset, timestamp_ms):
            return Accepted(event_id, partition, offset, timestamp_ms)
        case NotAcked(text, retriable):
            return NotAcknowledged(event_id, text, retry_is_safe=retriable)
