"""``python -m benchmarks.topics``: the cost of thousands of subscription topics, on one small broker.

For each number of topics, on a new broker: how long it takes to create them and to start a router and a worker, how
much memory both use, and how fast the router copies events to the topics, one copy per event, spread evenly. The broker
has a heap of 256 MiB and shares the machine with everything else.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.measure import load, machine
from benchmarks.routing_cases import Case, Prepared
from eventstreams.control.vault import new_key
from eventstreams.local.ports import free_ports
from eventstreams.settings import PREFIX, Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.testing.broker import running_broker

_PATIENCE_S: Final = 180.0
_LOOK_S: Final = 0.1
_ASSIGNED: Final = "eventstreams_assigned_partitions"
_COPIES: Final = "eventstreams_routed_copies_total"
_IDLE_S: Final = 2.0
_IDLE_SHARE: Final = 0.08  # of a core
_QUIET_S: Final = 5.0  # after the last partition was assigned: by then the memory of a start is allocated


async def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.topics", description=__doc__)
    parser.add_argument("--topics", type=int, action="append", help="default: 1000 and 5000")
    parser.add_argument("--events", type=int, default=100_000, help="routed over each number of topics")
    given = parser.parse_args(arguments)
    print(f"{machine()}\nload {load()}", flush=True)
    for count in given.topics or (1000, 5000):
        with tempfile.TemporaryDirectory() as name, running_broker(Path(name)) as broker:
            assert broker.pid is not None
            await run(Path(name), broker.bootstrap, broker.pid, count, given.events)
    print(f"load {load()}")


async def run(folder: Path, bootstrap: str, broker_pid: int, count: int, events: int) -> None:
    settings = Settings.load(
        kafka=bootstrap,
        topic_prefix=f"t{count}.",
        replication_factor=1,
        retry_partitions=4,
        secret_key=new_key(),
    )
    prepared = Prepared(Case(f"{count:,} topics", events, topics=count, accounts=count), settings)
    await prepared.prepare(with_topics=False)
    began = time.monotonic()
    await prepared.make_topics()
    print(f"\n{count:,} topics of one partition, made in {time.monotonic() - began:.1f} s", flush=True)
    cpu_s, took = cpu_time_s(broker_pid), await until_idle(broker_pid)
    print(f"  broker: at work on them {took:.0f} s longer, {cpu_time_s(broker_pid) - cpu_s:.0f} s of CPU", flush=True)
    began = time.monotonic()
    await prepared.admin.ensure([prepared.names.subscription_spec("webhook", new_sid(SidKind.SUBSCRIPTION))])
    print(f"  one more topic: {(time.monotonic() - began) * 1000:.0f} ms", flush=True)
    ready_s, mib = await start_worker(settings, folder, count)
    print(f"  worker: all partitions after {ready_s:.1f} s; {mib:.0f} MiB", flush=True)
    routed = await route(settings, folder, events)
    print(
        f"  router: up after {routed.ready_s:.1f} s, first copies after {routed.first_s:.1f} s, "
        f"then {routed.rate:,.0f} events/s; {routed.mib:.0f} MiB",
        flush=True,
    )
    print(f"  broker: {rss_mib(broker_pid):.0f} MiB, {open_files(broker_pid):,} open files")


@dataclass(frozen=True, slots=True)
class Routed:
    """The result. ``rate`` is from the first tenth of the copies to the last, times are since the process started."""

    ready_s: float
    first_s: float
    rate: float
    mib: float


async def route(settings: Settings, folder: Path, events: int) -> Routed:
    """Run one router that copies ``events`` events, and measure it."""
    settings, began = on_a_free_port(settings), time.monotonic()
    async with role_process(settings, folder, "router") as process, Watch(settings, process) as watch:
        ready = await watch.until("process_start_time_seconds", 0) - began
        first = await watch.until(_COPIES, 0)
        tenth = await watch.until(_COPIES, events / 10)
        copied = watch.value
        last = await watch.until(_COPIES, events - 1)
        return Routed(ready, first - began, (watch.value - copied) / (last - tenth), rss_mib(process.pid))


async def start_worker(settings: Settings, folder: Path, count: int) -> tuple[float, float]:
    """Start a worker; return the seconds until it owns ``count`` partitions, and its memory in MiB a moment later."""
    settings, began = on_a_free_port(settings), time.monotonic()
    async with role_process(settings, folder, "worker", "webhook") as process, Watch(settings, process) as watch:
        took = await watch.until(_ASSIGNED, count - 1, kind="subscription") - began
        await asyncio.sleep(_QUIET_S)
        return took, rss_mib(process.pid)


def on_a_free_port(settings: Settings) -> Settings:
    """Return the settings with a free admin port. Call just before use: another process may take the port."""
    return settings.model_copy(update={"admin_listen": f"127.0.0.1:{free_ports(1)[0]}"})


class Watch:
    """Polls a process's metrics. ``value`` is the value that ``until`` read last."""

    def __init__(self, settings: Settings, process: asyncio.subprocess.Process) -> None:
        self._url = f"http://{settings.admin_listen}/metrics"
        self._process = process
        self._session: aiohttp.ClientSession
        self.value = 0.0

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def until(self, name: str, above: float, **labels: str) -> float:
        """Wait until the metric ``name`` exceeds ``above``; return the monotonic time.

        Raises:
            TimeoutError: the process ended, or it has not happened within ``_PATIENCE_S``.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while (value := await self._read(name, labels)) <= above:
            if self._process.returncode is not None or time.monotonic() > deadline:
                raise TimeoutError(f"{name} is {value}, not above {above}")
            await asyncio.sleep(_LOOK_S)
        self.value = value
        return time.monotonic()

    async def _read(self, name: str, labels: Mapping[str, str]) -> float:
        try:
            async with self._session.get(self._url) as answer:
                text = await answer.text()
        except aiohttp.ClientError:
            return 0.0
        samples = (each for family in text_string_to_metric_families(text) for each in family.samples)
        return next((each.value for each in samples if each.name == name and each.labels == labels), 0.0)


@asynccontextmanager
async def role_process(settings: Settings, folder: Path, *role: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run ``eventstreams`` in ``role`` while the context is open."""
    assert settings.secret_key is not None
    values = {
        "KAFKA": settings.kafka,
        "TOPIC_PREFIX": settings.topic_prefix,
        "REPLICATION_FACTOR": settings.replication_factor,
        "RETRY_PARTITIONS": settings.retry_partitions,
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "ADMIN_LISTEN": settings.admin_listen,
        "LOG_LEVEL": "warning",
    }
    with (folder / f"{settings.topic_prefix}{role[0]}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "eventstreams", *role),
            env={**os.environ, **{f"{PREFIX}{name}": str(value) for name, value in values.items()}},
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    except TimeoutError:
        print((folder / f"{settings.topic_prefix}{role[0]}.log").read_text()[-2000:])
        raise
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


def rss_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def until_idle(pid: int) -> float:
    """Wait until process ``pid`` is idle; return the seconds. Kafka answers before its work on new topics is done.

    Raises:
        TimeoutError: it is still busy after ``_PATIENCE_S``.
    """
    began, before = time.monotonic(), cpu_time_s(pid)
    while time.monotonic() - began < _PATIENCE_S:
        await asyncio.sleep(_IDLE_S)
        now = cpu_time_s(pid)
        if now - before < _IDLE_SHARE * _IDLE_S:
            return time.monotonic() - began - _IDLE_S
        before = now
    raise TimeoutError(f"process {pid} is never idle")


def cpu_time_s(pid: int) -> float:
    """Return the CPU time in seconds of all threads of ``pid`` since it started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


if __name__ == "__main__":
    asyncio.run(main())
