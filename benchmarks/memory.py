"""``python -m benchmarks.memory``: a worker's memory while a million events wait behind a sink that hangs."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.isolation import Receivers, bench_settings, worker_process
from benchmarks.measure import machine
from eventstreams.headers import routed_headers
from eventstreams.kafka.producer import AckedProducer
from eventstreams.testing.broker import running_broker
from eventstreams.times import now_ms
from tests.support.installation import Installation
from tests.support.topic import eventually

WATCHED_S = 60
_AT_ONCE = 10_000


async def main(count: int = 1_000_000) -> None:
    print(machine(), flush=True)
    receivers = Receivers()
    with tempfile.TemporaryDirectory() as folder, running_broker(Path(folder)) as broker:
        settings = bench_settings(broker.bootstrap)
        async with Installation(settings) as installation, receivers.serving() as url:
            subscription = await installation.subscribe(await installation.add_sink(f"{url}/hang/1"))
            value, headers = installation.encoded(installation.event(1))
            now = now_ms()
            routed = routed_headers(
                headers, accepted_at_ms=now, deadline_ms=now + 14_400_000, subscription_sid=subscription.sid
            )
            async with AckedProducer(settings) as producer:
                topic = installation.topic_of(subscription)
                for _ in range(0, count, _AT_ONCE):
                    await asyncio.gather(
                        *[await producer.enqueue(topic, value, headers=routed) for _ in range(min(count, _AT_ONCE))]
                    )
            print(f"{count:,} events of {len(value)} bytes wait in {topic}", flush=True)
            async with worker_process(settings, Path(folder)) as worker:
                await eventually(lambda: receivers.bad > 0, timeout_s=60)
                largest, deadline = 0, time.monotonic() + WATCHED_S
                while time.monotonic() < deadline:
                    largest = max(largest, _resident_mib(worker.pid))
                    await asyncio.sleep(0.5)
    print(f"largest resident size of the worker in {WATCHED_S} s: {largest} MiB; {receivers.bad} requests were made")


def _resident_mib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) // 1024


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
