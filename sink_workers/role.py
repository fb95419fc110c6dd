"""The worker as a process: its parts, in the order in which they start and, reversed, stop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.control.age import telling_age
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import Subscription
from eventstreams.control.snapshot import Change
from eventstreams.control.vault import Vault
from eventstreams.errors import SettingsError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.consumer import GroupConsumer
from eventstreams.kafka.producer import AckedProducer
from eventstreams.process import Process
from eventstreams.retry import RetryWheel
from eventstreams.sinks import DestinationGuard
from eventstreams.sinks.contract import AnySinkPlugin
from eventstreams.times import now_ms
from eventstreams.topics import Topics
from sink_workers.delivery.alone import Alone
from sink_workers.delivery.attempt_log import AttemptLog
from sink_workers.delivery.delivery import Delivery
from sink_workers.delivery.handlers import RetryHandler, SubscriptionHandler
from sink_workers.delivery.settle import Settler
from sink_workers.delivery.sink_pool import SinkPool
from sink_workers.gates.gate import GateState
from sink_workers.gates.gates import Gates
from sink_workers.lanes.handler import Handler
from sink_workers.lanes.lanes import Lanes
from sink_workers.memory import looking_seldom
from sink_workers.notices import open_notices

_READY: Final = "the control topic"
_FETCH_WAIT_MS: Final = 100
_RETRY_FETCH_WAIT_MS: Final = 500  # 60 partitions that are usually empty, and retries are not urgent
_DRAIN_SHARE: Final = 0.5  # of the process's drain time; the rest is for commits and leaving the group


def worker_for(plugin: AnySinkPlugin) -> Callable[[Process], Awaitable[None]]:
    """The role that delivers to all sinks of ``plugin``'s type."""

    async def work(process: Process) -> None:
        process.health.expect(_READY)
        async with AsyncExitStack() as stack:
            worker = await _open(process, plugin, stack)
            process.health.met(_READY)
            with looking_seldom():
                await worker.follow_subscriptions()

    return work


async def _open(process: Process, plugin: AnySinkPlugin, stack: AsyncExitStack) -> "_Worker":
    settings, metrics, sink_type = process.settings, process.metrics, plugin.sink_type
    if plugin.needs_mail and settings.mail_server is None:
        raise SettingsError(f"EVENTSTREAMS_SMTP_URL is not set: sinks of type {sink_type} send mail")
    vault, topics = Vault(settings), Topics(settings)
    catalog = Catalog.load(settings.catalog_dirs)
    codec = Codec(catalog, schema_base_url=settings.schema_base_url)
    admin = KafkaAdmin(settings)
    await admin.wait_for_broker()
    await admin.ensure([*topics.base_specs(), *topics.worker_specs(sink_type)])
    await admin.grow(topics.worker_specs(sink_type))  # the wheel uses all partitions that the settings name
    retries = topics.retries(sink_type, existing=await admin.topics())

    feed = await stack.enter_async_context(ControlFeed(settings, on_crash=process.crash))
    await stack.enter_async_context(telling_age(feed, metrics))
    producer = await stack.enter_async_context(AckedProducer(settings))
    process.health.watch_work(
        "writing retries and dead letters", waiting=lambda: producer.waiting, done=lambda: producer.acked
    )
    guard = DestinationGuard(settings.allowed_destinations)
    pool = await stack.enter_async_context(SinkPool(plugin, feed, vault, guard, mail=settings.mail_server))
    attempt_log = await stack.enter_async_context(
        AttemptLog(settings, sink_type, snapshot=feed.snapshot, metrics=metrics, clock=now_ms)
    )
    settler = Settler(
        settings,
        sink_type,
        producer=producer,
        alone=Alone(partial(AckedProducer, settings, linger_ms=0, idempotent=False)),
        admin=admin,
        attempt_log=attempt_log,
        metrics=metrics,
        clock=now_ms,
    )
    notices = await stack.enter_async_context(
        open_notices(process, feed=feed, catalog=catalog, codec=codec, producer=producer)
    )
    gates = Gates(feed, most=settings.sink_concurrency)
    for state in GateState:
        metrics.sinks.labels(sink_type, state).set_function(partial(_count, gates, state))
    metrics.attempt_limit.labels(sink_type).set_function(gates.limit)
    delivery = Delivery(
        sink_type,
        feed=feed,
        codec=codec,
        pool=pool,
        gates=gates,
        settler=settler,
        notices=notices,
        attempt_log=attempt_log,
        metrics=metrics,
        clock=now_ms,
        tracing=process.tracing,
    )

    def consumer(kind: str, group: str, handler: Handler, *, fetch_wait_ms: int) -> GroupConsumer:
        drain_s = settings.drain_timeout.total_seconds() * _DRAIN_SHARE
        lanes = Lanes(kind, handler, metrics=metrics, clock=now_ms, drain_s=drain_s, on_crash=process.crash)
        member = GroupConsumer(
            settings,
            group=topics.group(group),
            owner=lanes,
            on_crash=process.crash,
            fetch_wait_ms=fetch_wait_ms,
        )
        process.health.watch_turns(f"the thread that reads {kind} topics", lambda: member.last_turn)
        process.health.watch_work(
            f"reading {kind} topics", waiting=lambda: int(member.is_out), done=lambda: member.joins
        )
        process.health.watch_problem(lambda: member.refused)
        lanes.flow = member
        return member

    wheel = RetryWheel(settings.retry_delays, partitions=settings.retry_partitions)
    handler = RetryHandler(delivery, wheel, retries)
    retrying = consumer("retry", f"worker.{sink_type}.retry", handler, fetch_wait_ms=_RETRY_FETCH_WAIT_MS)
    retrying.subscribe([*retries, topics.test(sink_type)])
    straight = SubscriptionHandler(delivery, pool=pool, gates=gates, feed=feed)
    fresh = consumer("subscription", f"worker.{sink_type}", straight, fetch_wait_ms=_FETCH_WAIT_MS)
    await stack.enter_async_context(together(retrying, fresh))
    return _Worker(process, sink_type, feed=feed, topics=topics, consumer=fresh)


@asynccontextmanager
async def together(*members: AbstractAsyncContextManager[object]) -> AsyncIterator[None]:
    """Enter all of ``members``; exit them concurrently, so that draining all takes no longer than draining one."""
    for member in members:
        await member.__aenter__()
    try:
        yield
    finally:
        await asyncio.gather(*(member.__aexit__(None, None, None) for member in members))


def _count(gates: Gates, state: GateState) -> float:
    return gates.states()[state]


class _Worker:
    """Keeps the consumer subscribed to the topics of exactly the existing subscriptions."""

    def __init__(
        self, process: Process, sink_type: str, *, feed: ControlFeed, topics: Topics, consumer: GroupConsumer
    ) -> None:
        self._stopping = process.stopping
        self._sink_type = sink_type
        self._feed = feed
        self._topics = topics
        self._consumer = consumer
        self._changed = asyncio.Event()
        feed.listen(self._on_change)

    async def follow_subscriptions(self) -> None:
        """Follow the subscriptions until the process is stopping."""
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            while not self._stopping.is_set():
                self._changed.clear()
                self._consumer.subscribe(self._wanted())
                changed = asyncio.create_task(self._changed.wait())
                await asyncio.wait({changed, stopping}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
        finally:
            stopping.cancel()

    def _wanted(self) -> list[str]:
        return [
            self._topics.subscription(each.sink_type, each.sid)
            for each in self._feed.snapshot.subscriptions.values()
            if each.sink_type == self._sink_type  # also those being deleted: their events become dead letters
        ]

    def _on_change(self, change: Change) -> None:
        for resource in (change.before, change.after):
            if isinstance(resource, Subscription) and resource.sink_type == self._sink_type:
                self._changed.set()
