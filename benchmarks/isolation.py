"""``python -m benchmarks.isolation``: how much 30 bad sinks out of 100 slow down the other 70, on a real broker.

Two installations on one broker, each with a worker process of its own: one has 70 good webhooks, the other the same
and 30 bad ones, of which ten refuse connections, ten hang, five answer 500 and five 429. They get events in turn,
several times, so that other load on the machine affects both. Prints the p99 latency of the good sinks in each, from
just before a record is sent until its arrival, and the ratio in each round; the result is the median of the ratios.
"""

import asyncio
import itertools
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from benchmarks.measure import machine
from eventstreams.control.records import Subscription
from eventstreams.control.vault import new_key
from eventstreams.process.health import serve_app
from eventstreams.process.listen import address_of, open_socket
from eventstreams.settings import PREFIX, Settings
from eventstreams.testing.broker import running_broker
from tests.support.installation import Installation
from tests.support.topic import eventually

GOOD, REFUSING, HANGING, FAILING, THROTTLING = 70, 10, 10, 5, 5
RATE = 300  # events/s for 100 sinks, fewer for a part of them: what two cores carry along with broker and receivers
ROUNDS = 5
SECONDS = 12
WARM_UP_S = 5


class Receivers:
    """All webhooks on one port, by path; records how old each event was when a good webhook received it."""

    def __init__(self) -> None:
        self.sent: dict[str, float] = {}
        self.latencies: list[float] = []
        self.bad = 0

    async def good(self, request: web.Request) -> web.Response:
        body = await request.read()
        identity = body[body.index(b'"id":"') + 6 :].split(b'"', 1)[0].decode()
        self.latencies.append(time.time() - self.sent[identity])
        return web.Response()

    async def hang(self, _: web.Request) -> web.Response:
        self.bad += 1
        await asyncio.sleep(60)
        return web.Response()

    async def fail(self, _: web.Request) -> web.Response:
        self.bad += 1
        return web.Response(status=500)

    async def throttle(self, _: web.Request) -> web.Response:
        self.bad += 1
        return web.Response(status=429)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        app = web.Application()
        for path, answer in (("good", self.good), ("hang", self.hang), ("fail", self.fail), ("slow", self.throttle)):
            app.router.add_post(f"/{path}/{{number}}", answer)
        listening = open_socket("127.0.0.1:0", setting="listen")
        async with serve_app(app, listening, drain_s=0.1):
            yield f"http://{address_of(listening)}"


async def main() -> None:
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as folder, running_broker(Path(folder)) as broker:
        alone, beside = (bench_settings(broker.bootstrap, prefix=f"{name}.") for name in ("alone", "beside"))
        async with (
            Installation(alone) as quiet_house,
            worker_process(alone, Path(folder)),
            Installation(beside) as loud_house,
            worker_process(beside, Path(folder)),
        ):
            await run(quiet_house, loud_house)


async def run(quiet_house: Installation, loud_house: Installation) -> None:
    receivers = Receivers()
    async with receivers.serving() as url:
        quiet = await _good(quiet_house, url)
        loud = await _good(loud_house, url)
        bad = [await _subscribe(loud_house, f"http://127.0.0.1:9/{n}") for n in range(REFUSING)]
        for path, count in (("hang", HANGING), ("fail", FAILING), ("slow", THROTTLING)):
            bad += [await _subscribe(loud_house, f"{url}/{path}/{n}") for n in range(count)]
        await _phase(quiet_house, receivers, quiet, (), WARM_UP_S)
        await _phase(loud_house, receivers, loud, bad, WARM_UP_S)
        ratios = []
        for number in range(1, ROUNDS + 1):
            without = await _phase(quiet_house, receivers, quiet, (), SECONDS)
            with_bad = await _phase(loud_house, receivers, loud, bad, SECONDS)
            ratios.append(_p(with_bad, 0.99) / _p(without, 0.99))
            print(f"round {number}: 70 good sinks alone   {_show(without)}")
            print(f"         beside 30 bad ones    {_show(with_bad)}; ratio of the p99 {ratios[-1]:.2f}", flush=True)
        print(f"the bad ones got {receivers.bad} requests that reached us")
        print(f"ratio of the p99, median of {ROUNDS} rounds: {statistics.median(ratios):.2f}")


async def _good(installation: Installation, url: str) -> Sequence[Subscription]:
    return [await _subscribe(installation, f"{url}/good/{n}") for n in range(GOOD)]


async def _phase(
    installation: Installation,
    receivers: Receivers,
    good: Sequence[Subscription],
    bad: Sequence[Subscription],
    seconds: float,
) -> Sequence[float]:
    receivers.latencies.clear()
    receivers.sent.clear()
    await asyncio.gather(_publish(installation, receivers, good, seconds), _publish(installation, None, bad, seconds))
    await eventually(lambda: len(receivers.latencies) == len(receivers.sent), timeout_s=60)
    return sorted(receivers.latencies)


async def _publish(
    installation: Installation, receivers: Receivers | None, subscriptions: Sequence[Subscription], seconds: float
) -> None:
    """Send a steady stream of events to ``subscriptions`` in turn, like the copies of a router."""
    if not subscriptions:
        return
    each_s = 100 / len(subscriptions) / RATE
    began, turns = time.monotonic(), itertools.cycle(subscriptions)
    for count in itertools.count():
        due = began + count * each_s
        if due > began + seconds:
            return
        await asyncio.sleep(max(due - time.monotonic(), 0))
        event = installation.event(next(_NUMBERS))
        if receivers is not None:
            receivers.sent[event.id] = time.time()
        await installation.hand_to(next(turns), event)


_NUMBERS = itertools.count()


async def _subscribe(installation: Installation, url: str) -> Subscription:
    return await installation.subscribe(await installation.add_sink(url))


def bench_settings(kafka: str, *, prefix: str = "bench.") -> Settings:
    return Settings.load(
        kafka=kafka,
        topic_prefix=prefix,
        replication_factor=1,
        retry_partitions=4,
        secret_key=new_key(),
        allowed_destinations="127.0.0.0/8",
        admin_listen="127.0.0.1:0",
    )


@asynccontextmanager
async def worker_process(settings: Settings, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run ``eventstreams worker webhook`` with ``settings`` while the context is open."""
    assert settings.secret_key is not None
    values = {
        "KAFKA": settings.kafka,
        "TOPIC_PREFIX": settings.topic_prefix,
        "REPLICATION_FACTOR": settings.replication_factor,
        "RETRY_PARTITIONS": settings.retry_partitions,
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "ALLOWED_DESTINATIONS": "127.0.0.0/8",
        "ADMIN_LISTEN": settings.admin_listen,
        "LOG_LEVEL": "warning",
    }
    with (folder / f"{settings.topic_prefix}worker.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "eventstreams", "worker", "webhook"),
            env={**os.environ, **{f"{PREFIX}{name}": str(value) for name, value in values.items()}},
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


def _p(latencies: Sequence[float], share: float) -> float:
    return latencies[min(int(len(latencies) * share), len(latencies) - 1)]


def _show(latencies: Sequence[float]) -> str:
    p50, p99 = (_p(latencies, share) * 1000 for share in (0.5, 0.99))
    return f"{len(latencies):,} deliveries, p50 {p50:.1f} ms, p99 {p99:.1f} ms"


if __name__ == "__main__":
    asyncio.run(main())
