"""``python -m benchmarks.router``: compares the router with a bare librdkafka loop and stock Faust, on one broker.

Each is a process of its own, and they take turns at copying the same events to the same topics. The rate is measured
from outside, by the number of copies that the broker has, from the first tenth of the copies to the last one. CPU time
is that of all threads of the process, and the broker's is listed beside it. Other load on the machine affects all of
them, so the result is the median of the rounds' ratios. A topic's first copy costs Kafka more than the later ones, so
with many topics a first pass of the router over fresh topics is reported separately. Latency is the difference of two
broker timestamps: the event's on the events topic, and its copy's on the subscription's topic.
"""

import argparse
import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import PIPE
from typing import Final

from confluent_kafka import Consumer, IsolationLevel, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from benchmarks.measure import load, machine
from benchmarks.routing_cases import Case, Prepared, stream
from benchmarks.routing_rivals import RivalPlan
from benchmarks.topics import until_idle
from eventstreams.headers import ACCEPTED_AT
from eventstreams.settings import PREFIX, Settings
from eventstreams.testing.broker import running_broker

_clients: dict[str, AdminClient] = {}
_LOOK_S: Final = 0.05
_PATIENCE_S: Final = 180.0
_SLOW: Final = {"faust": 10}  # gets that many times fewer events: same rate, shorter run
_CASES: Final = (
    Case("fan-out 1", 300_000, rivals=("bare", "faust")),
    Case("3 of 10", 150_000, topics=10, fan_out=3, rivals=("bare", "faust")),
    Case("10 of 10", 60_000, topics=10, fan_out=10),
    Case("fan-out 1, 100,000 subscriptions", 300_000, others=100_000),
    Case("1,000 topics", 300_000, topics=1000, accounts=1000),
    Case("5,000 topics", 300_000, topics=5000, accounts=5000),
)
_ROUTERS: Final = ("router", "once")  # the latter copies exactly once
_RATES: Final = (500, 1_000)  # events per second at which latency is measured
_IDLE_S: Final = 10.0
_MANY: Final = 100  # topics, from which they are not recreated for each run: Kafka would still be busy with that
_ASKED: Final = 50  # topics per request: to poll the ends of thousands costs Kafka more than the copies


@dataclass(frozen=True, slots=True)
class Found:
    """The figures of one process in one round; ``rate`` is in events/s, the CPU times are per event."""

    rate: float
    cpu_us: float
    broker_us: float
    rss_mib: float


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.router", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: its figures say nothing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", action="append", help="only cases whose name starts so; also: latency")
    parser.add_argument("--exactly-once", action="store_true", help="beside it, the router that copies exactly once")
    # With 256 MiB, a broker whose 5,000 topics all have traffic only collects garbage: docs/partition-budget.md.
    parser.add_argument(
        "--heap", type=int, default=1024, metavar="MIB", help="most of the broker's heap (default: 1024)"
    )
    given = parser.parse_args()
    cases = [each for each in _CASES if not given.case or any(each.name.startswith(name) for name in given.case)]
    if given.quick:
        cases = [
            replace(each, events=max(each.events // 10, 10_000), others=each.others // 100)
            for each in cases
            if each.topics <= 10  # noqa: PLR2004 - a thousand topics take long
        ]
    print(f"{machine()}\nload {load()}", flush=True)
    with tempfile.TemporaryDirectory() as folder, running_broker(Path(folder), heap_mib=given.heap) as broker:
        assert broker.pid is not None
        for number, case in enumerate(cases):
            prepared = _prepared(case, broker.bootstrap, number)
            await compare(prepared, broker.pid, 1 if given.quick else given.rounds, exactly_once=given.exactly_once)
        if not given.case or "latency" in given.case:
            case = Case("latency", 2_000 if given.quick else 20_000)
            for number, who in enumerate(_ROUTERS if given.exactly_once else _ROUTERS[:1], start=len(cases)):
                await latency(_prepared(case, broker.bootstrap, number), broker.pid, who)
    print(f"load {load()}")


def _prepared(case: Case, bootstrap: str, number: int) -> Prepared:
    return Prepared(case, Settings.load(kafka=bootstrap, topic_prefix=f"b{number}.", replication_factor=1))


async def compare(prepared: Prepared, broker: int, rounds: int, *, exactly_once: bool) -> None:
    case = prepared.case
    await prepared.prepare()
    print(f"\n{case.name}: {case.events:,} events, {case.fan_out} copies of each, {rounds} rounds", flush=True)
    if case.topics >= _MANY:
        await until_idle(broker)  # it works on new topics long after it has reported them created
        _tell("first", case, [await measure(prepared, broker, "router")])
    routers = _ROUTERS if exactly_once else _ROUTERS[:1]
    found: dict[str, list[Found]] = {who: [] for who in (*case.rivals, *routers)}
    for number in range(rounds):
        turn = list(found)
        for who in turn[number % len(turn) :] + turn[: number % len(turn)]:
            if case.topics < _MANY:
                await prepared.empty_topics()
            found[who].append(await measure(prepared, broker, who))
    for who, each in found.items():
        _tell(who, case, each, found["bare"])


def _tell(who: str, case: Case, found: Sequence[Found], bare: Sequence[Found] = ()) -> None:
    rate, cpu, broker, rss = (statistics.median(getattr(one, name) for one in found) for name in Found.__slots__)
    ratios = [one.rate / beside.rate for one, beside in zip(found, bare, strict=bool(bare))]
    print(
        f"  {who:<7}{rate:9,.0f} events/s {rate * case.fan_out:9,.0f} copies/s  {cpu:6.1f} µs of CPU an event  "
        f"{broker:6.1f} µs of the broker's  {rss:4.0f} MiB"
        + (f"   {statistics.median(ratios):6.0%} of bare ({min(ratios):.0%} … {max(ratios):.0%})" if ratios else ""),
        flush=True,
    )


async def measure(prepared: Prepared, broker: int, who: str) -> Found:
    """Measure one run of ``who``, until everything is routed.

    Raises:
        TimeoutError: it has not finished within ``_PATIENCE_S``.
    """
    case = prepared.case
    wanted = case.events * case.fan_out // _SLOW.get(who, 1)
    parts = _parts(prepared.topics)
    client = AdminClient({"bootstrap.servers": prepared.settings.kafka})
    client.list_topics(timeout=30)
    had = [await _copies(prepared, part) for part in parts]
    async with _process(prepared, who) as pid:
        began: tuple[float, float, float, float] | None = None
        deadline = time.monotonic() + _PATIENCE_S
        part = 0  # all topics get the same number of copies, so one part stands for all until it is complete
        while time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_S if part == 0 else 0)
            share = case.topics / len(parts[part])
            copies = (await _copies(prepared, parts[part]) - had[part]) * share
            now = copies, time.perf_counter(), _cpu_s(pid), _cpu_s(broker)
            if began is None and copies >= wanted / 10:
                began = now
            elif began is not None and copies >= wanted:
                part += 1
                if part == len(parts):
                    events, took, cpu, broker_cpu = (after - before for after, before in zip(now, began, strict=True))
                    events /= case.fan_out
                    return Found(events / took, cpu / events * 1e6, broker_cpu / events * 1e6, _rss_mib(pid))
            elif part:
                await asyncio.sleep(_LOOK_S)
    raise TimeoutError(f"{who} did not finish {case.name}")


def _parts(topics: Sequence[str]) -> list[Sequence[str]]:
    """Split ``topics`` into parts of ``_ASKED`` or slightly fewer, each spread evenly over all."""
    count = -(-len(topics) // _ASKED)
    return [topics[first::count] for first in range(count)]


async def _copies(prepared: Prepared, topics: Sequence[str]) -> int:
    """Return the number of copies on ``topics``; retries while the broker does not know some of them yet."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return await asyncio.to_thread(_count, prepared, topics)
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_LOOK_S)


def _count(prepared: Prepared, topics: Sequence[str]) -> int:
    kafka = prepared.settings.kafka
    if kafka not in _clients:  # not ``setdefault``, which would create a client each time
        _clients[kafka] = AdminClient({"bootstrap.servers": kafka})
    client = _clients[kafka]
    latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the library's gap
    asked = {TopicPartition(topic, 0): latest for topic in topics}
    # Readable copies only. The marker of each transaction counts as a copy, but there are few.
    committed = IsolationLevel.READ_COMMITTED
    answers = client.list_offsets(asked, request_timeout=10, isolation_level=committed)
    return sum(future.result().offset for future in answers.values())


@asynccontextmanager
async def _process(prepared: Prepared, who: str) -> AsyncIterator[int]:
    settings, case = prepared.settings, prepared.case
    group = prepared.names.group("router") if who in _ROUTERS else f"{who}{uuid.uuid4().hex}"
    if who in _ROUTERS:
        await _forget_group(settings, group)
        command, told = ("-m", "eventstreams", "router"), ""
    else:
        plan = RivalPlan(settings.kafka, group, prepared.names.events, tuple(prepared.topics), case.fan_out)
        command, told = ("-m", "benchmarks.routing_rivals", who), plan.to_json()
    variables: Mapping[str, object] = {
        "KAFKA": settings.kafka,
        "TOPIC_PREFIX": settings.topic_prefix,
        "REPLICATION_FACTOR": 1,
        "ADMIN_LISTEN": "127.0.0.1:0",
        "LOG_LEVEL": "warning",
        "EXACTLY_ONCE": who == "once",
    }
    environment = os.environ | {f"{PREFIX}{name}": str(value) for name, value in variables.items()}
    process = await asyncio.create_subprocess_exec(sys.executable, *command, env=environment, stdin=PIPE)
    assert process.stdin is not None
    process.stdin.write(told.encode())
    process.stdin.close()
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM if who in _ROUTERS else signal.SIGKILL)
        await process.wait()


async def _forget_group(settings: Settings, group: str) -> None:
    client = AdminClient({"bootstrap.servers": settings.kafka})
    for future in client.delete_consumer_groups([group]).values():
        try:
            await asyncio.wrap_future(future)
        except KafkaException:
            return  # it does not exist yet


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def latency(prepared: Prepared, broker: int, who: str) -> None:
    """Print the latency of copies in steady streams, and the CPU of router and ``broker`` per event and when idle."""
    await prepared.prepare(with_events=False)
    producer = Producer({"bootstrap.servers": prepared.settings.kafka, "linger.ms": 0})
    async with _process(prepared, who) as router:
        await asyncio.sleep(8)  # by then it has started
        print(f"\n{who}")
        before = _cpu_s(router), _cpu_s(broker)
        await asyncio.sleep(_IDLE_S)
        _tell_cpu("without events", "% of a core", (router, broker), before, _IDLE_S / 100)
        for number, rate in enumerate(_RATES):
            count = prepared.case.events
            reading = asyncio.create_task(asyncio.to_thread(_seen, prepared, number * count, count))
            before = _cpu_s(router), _cpu_s(broker)
            await _publish(prepared, producer, rate)
            await asyncio.sleep(1)
            _tell_cpu(f"at {rate:,} events/s", "µs an event", (router, broker), before, count / 1e6)
            waits = await asyncio.to_thread(_waits, prepared, (number + 1) * count)
            _tell_waits("on its topic", waits[number * count + rate :])
            _tell_waits("read by a consumer", (await reading)[rate:])


def _tell_waits(when: str, waits: Sequence[int]) -> None:
    found = sorted(waits)
    p50, p99 = (found[int(len(found) * share)] for share in (0.5, 0.99))
    print(f"  {len(found):,} copies {when}: p50 {p50} ms, p99 {p99} ms", flush=True)


def _tell_cpu(when: str, unit: str, pids: tuple[int, int], before: tuple[float, float], by: float) -> None:
    router, broker = ((_cpu_s(pid) - then) / by for pid, then in zip(pids, before, strict=True))
    print(f"{when}: router {router:.1f} {unit}, Kafka {broker:.1f}", flush=True)


async def _publish(prepared: Prepared, producer: Producer, rate: float) -> None:
    began = time.monotonic()
    for number, (key, value, headers) in enumerate(stream(prepared.case)):
        await asyncio.sleep(max(began + number / rate - time.monotonic(), 0))
        producer.produce(prepared.names.events, value, key, headers=list(headers))
        producer.poll(0)
    producer.flush()


def _waits(prepared: Prepared, count: int) -> list[int]:
    """Return how many ms after its event each of ``count`` copies was written, in the order of their topic."""
    return [int(message.timestamp()[1]) - _accepted_ms(message) for message in _read(prepared, count)]


def _seen(prepared: Prepared, first: int, count: int) -> list[int]:
    """Return how many ms after its event was accepted each of ``count`` copies is read, without the first ``first``."""
    found = (round(time.time() * 1000) - _accepted_ms(message) for message in _read(prepared, first + count))
    return [*found][first:]


def _accepted_ms(message: Message) -> int:
    return int(dict(message.headers() or ())[ACCEPTED_AT] or 0)


def _read(prepared: Prepared, count: int) -> Iterator[Message]:
    consumer = Consumer(
        {
            "bootstrap.servers": prepared.settings.kafka,
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.assign([TopicPartition(prepared.topics[0], 0, 0)])
    found = 0
    deadline = time.monotonic() + _PATIENCE_S
    while found < count and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            found += 1
            yield message
    consumer.close()


if __name__ == "__main__":
    asyncio.run(main())
