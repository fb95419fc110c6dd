"""The cost of the delivery log: to a worker per delivery, and to the API per event and entry that it stores.

    .venv/bin/python benchmarks/delivery_log.py [entries [postgresql://user:password@host/database]]

Starts a broker of its own. CPU times are valid on a busy machine, too; the rate depends on its other load.
"""

import asyncio
import secrets
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Final

from control_api.delivery_log.postgresql_address import Address
from control_api.delivery_log.postgresql_writer import PostgresqlWriter
from control_api.delivery_log.projector import Projector
from control_api.delivery_log.sqlite_writer import SqliteWriter
from control_api.delivery_log.store import LogWriter
from eventstreams.control.snapshot import Snapshot
from eventstreams.events import Event
from eventstreams.headers import DeliveryProgress, event_headers
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.producer import AckedProducer
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings
from eventstreams.sinks import Delivered, OutboundEvent
from eventstreams.telemetry.metrics import Metrics
from eventstreams.testing.broker import running_broker
from eventstreams.times import now_ms
from eventstreams.topics import Topics
from sink_workers.delivery.attempt_log import AttemptLog

_SUBSCRIPTIONS: Final = 200
_VALUE: Final = b"x" * 500
_TURN: Final = 600  # deliveries in 50 ms at 12,000 a second
_TYPE: Final = "com.acme.messaging.message.sent"


async def main(count: int, dsn: str | None) -> None:
    with tempfile.TemporaryDirectory() as name, running_broker(Path(name) / "kafka") as broker:
        settings = Settings.load(kafka=broker.bootstrap, replication_factor=1)
        await KafkaAdmin(settings).ensure(Topics(settings).base_specs())
        without = await deliver(settings, count, logging=False)
        spent = await deliver(settings, count, logging=True) - without
        print(f"worker: {spent / count * 1e6:.2f} us of CPU a delivery, the Kafka client's threads included")
        await publish(settings, count)
        retention, max_bytes = timedelta(days=7), 2 << 30
        writer: LogWriter = SqliteWriter(Path(name) / "log.db", retention=retention, max_bytes=max_bytes)
        if dsn is not None:
            writer = PostgresqlWriter(Address(dsn, topic_prefix="benchmark."), retention=retention, max_bytes=max_bytes)
        project(settings, writer, count)


async def deliver(settings: Settings, count: int, *, logging: bool) -> float:
    """Make up ``count`` deliveries and log them if ``logging``; return the CPU time in seconds."""
    topics = Topics(settings)
    owners = [[kind + secrets.token_hex(16) for kind in ("AC", "DF", "DG")] for _ in range(_SUBSCRIPTIONS)]
    async with AttemptLog(settings, "webhook", snapshot=Snapshot(), metrics=Metrics(), clock=now_ms) as log:
        began = time.process_time()
        for number in range(count):
            account, subscription, sink = owners[number % _SUBSCRIPTIONS]
            record = Record(topics.subscription("webhook", subscription), 0, number, b"k", _VALUE, [], 0)
            progress = DeliveryProgress(now_ms(), now_ms() + 14_400_000, subscription)
            event = OutboundEvent(
                id="EZ" + secrets.token_hex(16),
                type=_TYPE,
                source="/",
                time="",
                dataschema="",
                account_sid=account,
                data={},
            )
            if logging:
                log.attempted(
                    record,
                    progress,
                    event,
                    Delivered(),
                    account_sid=account,
                    sink_sid=sink,
                    began_ms=now_ms(),
                    duration_ms=3,
                    rest=None,
                )
            if number % _TURN == 0:
                await asyncio.sleep(0.05)
    return time.process_time() - began


async def publish(settings: Settings, count: int) -> None:
    topic = Topics(settings).events
    async with AckedProducer(settings) as producer:
        for first in range(0, count, 10_000):
            answers = []
            for number in range(first, min(first + 10_000, count)):
                account = f"AC{number % 50:032x}"
                event = Event(type=_TYPE, source=f"/messages/{number}", account_sid=account, data={})
                headers = event_headers(event, dataschema="https://schemas.example.com/Acme.Message/1")
                answers.append(await producer.enqueue(topic, _VALUE, key=event.source.encode(), headers=headers))
            await asyncio.gather(*answers)


def project(settings: Settings, writer: LogWriter, count: int) -> None:
    """Build the log of ``count`` events and as many entries from scratch, and print what that cost."""
    began, spent = time.monotonic(), time.process_time()
    with Projector(settings, writer, metrics=Metrics(), clock=now_ms) as projector:
        while (lag := projector.lag) is None or lag.records:
            time.sleep(0.02)
        took, spent = time.monotonic() - began, time.process_time() - spent
    size = writer.held_bytes
    print(f"api: {spent / count * 1e6:.1f} us of CPU an event with its entry; {count / took:,.0f} of them a second")
    print(f"store: {size / count:.0f} bytes for both: 2 GiB hold {(2 << 30) / size * count / 1e6:.1f} million")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000, sys.argv[2] if len(sys.argv) > 2 else None))  # noqa: PLR2004
