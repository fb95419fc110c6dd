"""An installation inside the test: its roles run in the test's process, on the real broker."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import cache
from types import TracebackType
from typing import Self

import orjson
from confluent_kafka import KafkaError

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import (
    Account,
    Resource,
    SinkRecord,
    SinkStatus,
    SubscribedType,
    Subscription,
    SubscriptionState,
)
from eventstreams.control.vault import Purpose, Vault
from eventstreams.control.writer import ControlWriter
from eventstreams.events import Event
from eventstreams.headers import Headers, event_headers, routed_headers
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.producer import Acked, AckedProducer, NotAcked
from eventstreams.kafka.records import Record
from eventstreams.process import Process
from eventstreams.process.run import RoleMain
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.telemetry.logging import get_logger
from eventstreams.telemetry.tracing import open_tracing
from eventstreams.times import now_ms
from eventstreams.topics import Topics
from tests.support.events import DELIVERED, SENT, message_event
from tests.support.topic import PATIENCE_S, eventually, read_topic, read_topic_until

__all__ = ["DELIVERED", "SENT", "TOKEN", "Installation", "header"]

TOKEN = "token-of-the-test"
_NOT_MADE = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART).str()


@cache
def builtin_catalog() -> Catalog:
    """Return the built-in catalogue, cached for all tests since nothing changes it."""
    return Catalog.load()


def _raise(error: BaseException) -> None:
    raise error


class Installation:
    """One account, and what a test adds. Use as ``async with``; leaving shuts down the roles gracefully."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.topics = Topics(settings)
        self.admin = KafkaAdmin(settings)
        self.catalog = Catalog.load(settings.catalog_dirs) if settings.catalog_dirs else builtin_catalog()
        self.codec = Codec(self.catalog, schema_base_url=settings.schema_base_url)
        self.vault = Vault(settings)
        self.account_sid = ""
        self.feed: ControlFeed
        self.producer: AckedProducer
        self._writer: ControlWriter
        self._stack = AsyncExitStack()
        self._running: dict[int, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        # First: librdkafka asks again for a producer's id only after half a second, if no broker is connected at once.
        self.producer = await self._stack.enter_async_context(AckedProducer(self.settings, linger_ms=1))
        await self.admin.ensure(self.topics.base_specs())
        self.feed = await self._stack.enter_async_context(ControlFeed(self.settings, on_crash=_raise))
        self._writer = ControlWriter(self.producer, self.feed, self.topics)
        await self.new_account()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def new_account(self) -> None:
        """Create another account with the token ``TOKEN`` and switch to it: ``account_sid`` is the new one."""
        self.account_sid, now = new_sid(SidKind.ACCOUNT), now_ms()
        await self.put(
            Account(
                sid=self.account_sid,
                friendly_name="of the test",
                auth_token=self.vault.lock(TOKEN, Purpose.AUTH_TOKEN, self.account_sid),
                created_ms=now,
                updated_ms=now,
            )
        )

    async def put(self, resource: Resource) -> None:
        await self._writer.put(resource)

    async def remove(self, sid: str) -> None:
        await self._writer.remove(sid)

    async def add_sink(
        self, url: str | None, *, config: Mapping[str, object] | None = None, sink_type: str = "webhook"
    ) -> SinkRecord:
        """Create a sink with ``config``, and with ``url`` as its ``destination`` if its type has one."""
        now, sid = now_ms(), new_sid(SidKind.SINK)
        wanted = orjson.dumps({**({} if url is None else {"destination": url}), **(config or {})}).decode()
        sink = SinkRecord(
            sid=sid,
            account_sid=self.account_sid,
            description="of the test",
            sink_type=sink_type,
            configuration=self.vault.lock(wanted, Purpose.SINK_CONFIGURATION, sid),
            status=SinkStatus.ACTIVE,
            created_ms=now,
            updated_ms=now,
        )
        await self.put(sink)
        return sink

    async def subscribe(
        self, sink: SinkRecord, *types: str, ttl_ms: int | None = None, schema_version: int = 1
    ) -> Subscription:
        """Create a subscription of ``sink`` to ``types`` (default: ``SENT``), with its topic."""
        now = now_ms()
        subscription = Subscription(
            sid=new_sid(SidKind.SUBSCRIPTION),
            account_sid=self.account_sid,
            sink_sid=sink.sid,
            sink_type=sink.sink_type,
            description="of the test",
            types=tuple(SubscribedType(type=each, schema_version=schema_version) for each in types or (SENT,)),
            created_ms=now,
            updated_ms=now,
            state=SubscriptionState.ACTIVE,
            ttl_ms=ttl_ms,
        )
        await self.admin.ensure([self.topics.subscription_spec(sink.sink_type, subscription.sid)])
        await self.put(subscription)
        return subscription

    async def start(self, main: RoleMain, settings: Settings | None = None) -> Process:
        """Start a role, with ``settings`` or the installation's, and return once it is ready."""
        given = settings or self.settings
        process = Process(given, get_logger("test"), tracing=open_tracing(given))
        running = asyncio.create_task(_run(main, process))
        self._running[id(process)] = running
        self._stack.push_async_callback(self.stop, process)
        await asyncio.sleep(0)  # lets the role register what it waits for
        await eventually(
            lambda: running.done() or process.health.not_ready() is None,
            what=lambda: process.health.not_ready() or "ready",
        )
        if running.done():
            running.result()
        return process

    async def stop(self, process: Process) -> None:
        """Have a role drain and end; does nothing if it has ended."""
        process.stopping.set()
        await self._running[id(process)]
        if process.tracing is not None:
            await asyncio.to_thread(process.tracing.close)
            process.tracing = None

    def event(self, number: int = 0, *, type_: str = SENT) -> Event:
        """An event with the id ``EZ<number>``."""
        return replace(message_event(self.account_sid, number, type_=type_), id=f"EZ{number}")

    def encoded(self, event: Event) -> tuple[bytes, list[tuple[str, bytes]]]:
        """Value and headers of ``event`` as its producer writes them."""
        schema = self.catalog.newest_schema(event.type)
        assert schema is not None
        return self.codec.encode(schema, event.data), event_headers(event, dataschema=self.codec.dataschema(schema))

    async def publish(self, events: Iterable[Event]) -> None:
        """Put ``events`` on the events topic; returns once all are acknowledged."""
        answers = []
        for event in events:
            value, headers = self.encoded(event)
            key = event.source.encode()
            answers.append(await self.producer.enqueue(self.topics.events, value, key=key, headers=headers))
        for answer in await asyncio.gather(*answers):
            assert isinstance(answer, Acked), answer

    async def hand_to(
        self,
        subscription: Subscription,
        event: Event,
        *,
        deadline_ms: int | None = None,
        accepted_ms: int | None = None,
    ) -> None:
        """Put ``event`` on the topic of ``subscription``, as a router does."""
        value, headers = self.encoded(event)
        accepted = now_ms() if accepted_ms is None else accepted_ms
        routed = routed_headers(
            headers,
            accepted_at_ms=accepted,
            deadline_ms=accepted + 14_400_000 if deadline_ms is None else deadline_ms,
            subscription_sid=subscription.sid,
        )
        await self.put_raw(self.topic_of(subscription), value, routed)

    async def put_raw(self, topic: str, value: bytes, headers: Headers, *, partition: int = -1) -> None:
        """Put a record on ``topic``, whatever it is; again, as routers do, while a busy broker has not made it yet."""
        deadline = time.monotonic() + PATIENCE_S
        answer = await self.producer.send(topic, value, headers=headers, partition=partition)
        while isinstance(answer, NotAcked) and answer.text == _NOT_MADE and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            answer = await self.producer.send(topic, value, headers=headers, partition=partition)
        assert isinstance(answer, Acked), answer

    def topic_of(self, subscription: Subscription) -> str:
        return self.topics.subscription(subscription.sink_type, subscription.sid)

    async def copies_of(self, subscription_sid: str, count: int, *, sink_type: str = "webhook") -> list[Record]:
        """Wait for the first ``count`` records on a subscription's topic."""
        return await read_topic(self.settings, self.topics.subscription(sink_type, subscription_sid), count)

    async def dead(self, count: int, *, sink_type: str = "webhook") -> list[Record]:
        """Wait for the first ``count`` dead letters of a sink type."""
        return await read_topic(self.settings, self.topics.dead(sink_type), count)

    async def dead_of(self, subscription_sid: str, count: int, *, sink_type: str = "webhook") -> list[Record]:
        """Wait for the first ``count`` dead letters of one subscription."""

        def of_it(records: Iterable[Record]) -> list[Record]:
            return [each for each in records if header(each, "es_subscription") == subscription_sid]

        topic = self.topics.dead(sink_type)
        found = await read_topic_until(self.settings, topic, lambda records: len(of_it(records)) >= count)
        return of_it(found)[:count]


def header(record: Record, name: str) -> str:
    """The value of one header of ``record``, as text."""
    return dict(record.headers)[name].decode()


async def _run(main: RoleMain, process: Process) -> None:
    await main(process)
    if process.crashed is not None:
        raise process.crashed
