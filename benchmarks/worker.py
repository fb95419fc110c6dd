"""A worker's own cost of a delivery: from fetched to settled records, through a lane, with an in-memory sink."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

import orjson
from pydantic import BaseModel

from benchmarks.events import ACCOUNT, average_bytes, codec, encoded
from benchmarks.measure import ROUNDS, Figure
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import (
    Account,
    Resource,
    SinkRecord,
    SinkStatus,
    SubscribedType,
    Subscription,
    encode,
    key_of,
)
from eventstreams.control.vault import Purpose, Vault, new_key
from eventstreams.events import Event
from eventstreams.headers import routed_headers
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.producer import AckedProducer
from eventstreams.kafka.records import Partition, Record
from eventstreams.settings import Settings
from eventstreams.sinks import (
    Capabilities,
    Delivered,
    DeliveryOutcome,
    DestinationGuard,
    MailServer,
    OutboundEvent,
    SinkContext,
    SinkPlugin,
)
from eventstreams.sinks.contract import AnySinkPlugin
from eventstreams.telemetry.logging import configure_logging
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import now_ms
from sink_workers.delivery.alone import Alone
from sink_workers.delivery.delivery import Delivery
from sink_workers.delivery.handlers import SubscriptionHandler
from sink_workers.delivery.settle import Settler
from sink_workers.delivery.sink_pool import SinkPool
from sink_workers.gates.gates import Gates
from sink_workers.lanes.lane import Lane
from sink_workers.notices import FailureNotices
from sink_workers.notices.cadence import Cadence
from sink_workers.notices.readers import ErrorLogReaders
from tests.support.no_log import no_log

_FETCH = 500  # records handed over at a time
_SINK, _SUBSCRIPTION = "DG" + "1" * 32, "DF" + "1" * 32
_MEMORY = "memory"
_ANYWHERE = DestinationGuard((ip_network("127.0.0.0/8"),))


async def measure(scale: float) -> tuple[str, Sequence[Figure]]:
    count = round(20_000 * scale)
    single = Capabilities(timeout_s=5.0)
    batched = Capabilities(timeout_s=5.0, max_batch_events=100, max_batch_bytes=1 << 20)
    return f"{count:,} events, {average_bytes(encoded(count))}", [
        await _figure("decoded, made JSON, delivered one by one", single, count),
        await _figure("the same in batches of up to 100", batched, count),
    ]


class _Nothing(BaseModel):
    """The sink needs no configuration."""


class _Memory:
    """Accepts every event, and encodes the JSON that a destination would get."""

    async def deliver(self, batch: Sequence[OutboundEvent], /) -> Sequence[DeliveryOutcome]:
        for event in batch:
            event.json()
        return [Delivered()] * len(batch)

    async def probe(self) -> DeliveryOutcome:
        return Delivered()

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""


@dataclass(slots=True)
class _Flow:
    """Can be paused like a Kafka consumer."""

    going: asyncio.Event

    def pause(self, _: Partition) -> None:
        self.going.clear()

    def resume(self, _: Partition) -> None:
        self.going.set()


async def _figure(what: str, capabilities: Capabilities, count: int) -> Figure:
    records = records_for(_MEMORY, count)
    rounds = []
    for _ in range(ROUNDS):
        _, cpu_s = await _deliver(records, _lane_to(_memory(capabilities), {}))
        rounds.append(cpu_s / count)
    return Figure(what, min(rounds) * 1e6)


async def tell_round(
    plugin: AnySinkPlugin, records: Sequence[Record], config: Mapping[str, object], *, mail: MailServer | None = None
) -> None:
    """Deliver ``records`` to a sink of ``plugin``, and print how fast that was and what it took of this process."""
    made = _lane_to(plugin, config, mail=mail)
    async with made[2]:
        took_s, cpu_s = await _deliver(records, made)
    rate, us = len(records) / took_s, cpu_s / len(records) * 1e6
    print(f"  {rate:9,.0f} events/s; {us:5.1f} µs of CPU an event, {cpu_s / took_s:.0%} of a core")


async def _deliver(records: Sequence[Record], made: tuple[Lane, _Flow, SinkPool]) -> tuple[float, float]:
    """Return how long it took until all ``records`` were settled, in seconds, and the CPU time, in seconds."""
    lane, flow, _ = made
    began, cpu = time.perf_counter(), time.process_time()
    for first in range(0, len(records), _FETCH):
        await flow.going.wait()
        lane.offer(records[first : first + _FETCH])
        await asyncio.sleep(0)
    while lane.unsettled:  # noqa: ASYNC110 - a busy loop would be measured as well
        await asyncio.sleep(0.001)
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    await lane.drain(0)
    return took_s, cpu_s


def _memory(capabilities: Capabilities) -> AnySinkPlugin:
    async def open_sink(config: BaseModel, context: SinkContext) -> _Memory:  # noqa: ARG001 - a plugin's signature
        return _Memory()

    return SinkPlugin(
        sink_type=_MEMORY,
        config=_Nothing,
        capabilities=lambda _: capabilities,
        public=lambda _: {},
        open=open_sink,
    )


def _lane_to(
    plugin: AnySinkPlugin, config: Mapping[str, object], *, mail: MailServer | None = None
) -> tuple[Lane, _Flow, SinkPool]:
    """Return a lane like a worker's, the flow that it pauses, and its open sinks, to be closed by ``async with``.

    None of them connects to a broker, as every event is delivered at its first attempt.
    """
    settings = Settings.load(secret_key=new_key())
    configure_logging(settings, role="worker")
    metrics, vault = Metrics(), Vault(settings)
    feed = ControlFeed(settings, on_crash=_raise)
    for resource in _resources(vault, plugin.sink_type, config):
        feed.snapshot.apply(Record("es.control", 0, 0, key_of(resource.sid), encode(resource), [], 1))

    pool = SinkPool(plugin, feed, vault, _ANYWHERE, mail=mail)
    attempt_log = no_log(settings, plugin.sink_type, metrics=metrics, clock=now_ms)
    settler = Settler(
        settings,
        plugin.sink_type,
        producer=AckedProducer(settings),
        alone=Alone(lambda: AckedProducer(settings)),
        admin=KafkaAdmin(settings),
        attempt_log=attempt_log,
        metrics=metrics,
        clock=now_ms,
    )
    _, made = codec()
    gates = Gates(feed, most=settings.sink_concurrency)
    notices = FailureNotices(feed.snapshot, ErrorLogReaders(feed.snapshot), Cadence(now_ms), post=_raise)
    delivery = Delivery(
        plugin.sink_type,
        feed=feed,
        codec=made,
        pool=pool,
        gates=gates,
        settler=settler,
        notices=notices,
        attempt_log=attempt_log,
        metrics=metrics,
        clock=now_ms,
    )
    flow = _Flow(asyncio.Event())
    flow.going.set()
    lane = Lane(
        Partition(_topic(plugin.sink_type), 0),
        SubscriptionHandler(delivery, pool=pool, gates=gates, feed=feed),
        clock=now_ms,
        buffer_bytes=4 << 20,
        pause=flow.pause,
        resume=flow.resume,
        on_crash=_raise,
    )
    return lane, flow, pool


def _topic(sink_type: str) -> str:
    return f"es.sub.{sink_type}.{_SUBSCRIPTION}"


def _resources(vault: Vault, sink_type: str, config: Mapping[str, object]) -> Sequence[Resource]:
    catalog, _ = codec()
    return (
        Account(
            sid=ACCOUNT,
            friendly_name="",
            auth_token=vault.lock("token", Purpose.AUTH_TOKEN, ACCOUNT),
            created_ms=1,
            updated_ms=1,
        ),
        SinkRecord(
            sid=_SINK,
            account_sid=ACCOUNT,
            description="",
            sink_type=sink_type,
            configuration=vault.lock(orjson.dumps(config).decode(), Purpose.SINK_CONFIGURATION, _SINK),
            status=SinkStatus.ACTIVE,
            created_ms=1,
            updated_ms=1,
        ),
        Subscription(
            sid=_SUBSCRIPTION,
            account_sid=ACCOUNT,
            sink_sid=_SINK,
            sink_type=sink_type,
            description="",
            types=tuple(
                SubscribedType(type=name, schema_version=catalog.schemas[each.schema_id].latest.version, since_ms=1)
                for name, each in catalog.types.items()
            ),
            created_ms=1,
            updated_ms=1,
        ),
    )


def records_for(sink_type: str, of: int | Sequence[Event]) -> Sequence[Record]:
    """Return records of that many realistic events, or of the given ones, on the one subscription's topic."""
    now, records = now_ms(), []
    for offset, event in enumerate(encoded(of)):
        headers = routed_headers(
            event.headers, accepted_at_ms=now, deadline_ms=now + 14_400_000, subscription_sid=_SUBSCRIPTION
        )
        records.append(Record(_topic(sink_type), 0, offset, event.key, event.value, headers, now))
    return records


def _raise(error: object) -> None:
    raise AssertionError(error)
