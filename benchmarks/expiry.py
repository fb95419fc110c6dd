"""``python -m benchmarks.expiry``: how long after their common deadline waiting events become dead letters.

A worker process holds the events back for a paused sink. Prints, for each number of events, the time from the deadline
to the broker's timestamp of the dead letter.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.isolation import bench_settings, worker_process
from benchmarks.measure import load, machine
from eventstreams.headers import Headers, routed_headers
from eventstreams.kafka.producer import Acked
from eventstreams.testing.broker import running_broker
from eventstreams.times import now_ms
from tests.support.installation import Installation, header
from tests.support.topic import eventually

_COUNTS = (100, 6_000, 50_000)
_LEAD_MS = 4_000  # for the worker to find the topic
_EVENTS_A_SECOND = 5_000  # at least as many reach the topic, so that all are there before the deadline


@dataclass(frozen=True, slots=True)
class _Copy:
    key: bytes | None
    value: bytes
    headers: Headers


async def main(counts: Sequence[int]) -> None:
    print(machine())
    print(f"load {load()}")
    with tempfile.TemporaryDirectory() as folder, running_broker(Path(folder)) as broker:
        settings = bench_settings(broker.bootstrap)
        async with Installation(settings) as installation, worker_process(settings, Path(folder)):
            for count in counts:
                print(f"{count:7,} events: {await _round(installation, count)}", flush=True)
    print(f"load {load()}")


async def _round(installation: Installation, count: int) -> str:
    sink = await installation.add_sink("http://127.0.0.1:9/")
    await installation.put(replace(sink, paused=True))
    subscription = await installation.subscribe(sink)
    before, accepted_ms = await _dead_letters(installation), now_ms()
    deadline_ms = accepted_ms + _LEAD_MS + count * 1000 // _EVENTS_A_SECOND
    value, headers = installation.encoded(installation.event())
    routed = routed_headers(
        headers, accepted_at_ms=accepted_ms, deadline_ms=deadline_ms, subscription_sid=subscription.sid
    )
    copies = [_Copy(None, value, routed)] * count
    answers = await installation.producer.enqueue_many(installation.topic_of(subscription), copies)
    assert all(isinstance(answer, Acked) and answer.timestamp_ms < deadline_ms for answer in answers)

    await eventually(lambda: now_ms() > deadline_ms, timeout_s=60)
    # Counted, not read, meanwhile: reading them would take a core from the worker.
    while await _dead_letters(installation) < before + count:  # noqa: ASYNC110 - in another process
        await asyncio.sleep(0.2)
    dead = await installation.dead_of(subscription.sid, count)
    late = sorted(each.timestamp_ms - int(header(each, "es_deadline")) for each in dead)
    p50, p90, p99 = (late[int((count - 1) * share)] for share in (0.5, 0.9, 0.99))
    return f"first {late[0]} ms after the deadline, p50 {p50}, p90 {p90}, p99 {p99}, last {late[-1]}"


async def _dead_letters(installation: Installation) -> int:
    return sum(held.end for held in await installation.admin.ranges([installation.topics.dead("webhook")]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.expiry", description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=_COUNTS, help="events with one deadline")
    asyncio.run(main(parser.parse_args().counts))
