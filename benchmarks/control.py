"""``python -m benchmarks.control``: start-up, writes and listings with 100,000 subscriptions on one control topic.

The broker, two API processes and every loader are processes of their own. ``--accounts 100`` for a quick run. Times
are as seen by a client; on a busy machine, use the CPU times beside them.
"""

import argparse
import asyncio
import os
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import aiohttp
import orjson

from benchmarks.measure import load, machine
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
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.producer import Acked, AckedProducer
from eventstreams.local.ports import free_ports
from eventstreams.settings import PREFIX, Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.testing.broker import running_broker
from eventstreams.times import now_ms
from eventstreams.topics import Topics
from router.planning.matcher import Matcher

_TOKEN: Final = "token-of-the-benchmark"
_TYPES: Final = tuple(
    SubscribedType(type=f"com.twilio.messaging.message.{each}", schema_version=1)
    for each in ("sent", "delivered", "failed")
)
_CONFIG: Final = {"destination": "https://hooks.example.com/a", "method": "POST", "batch_events": False}
_SINK: Final = {"Description": "a sink", "SinkType": "webhook", "SinkConfiguration": orjson.dumps(_CONFIG).decode()}
_MANY: Final = 90  # sinks and subscriptions of the account that sends requests; the limit is 100
_LEFT: Final = 100 - _MANY
_MADE: Final = 2  # sinks that are created before one is deleted again; several clients may create one at once
_READY_S: Final = 300.0


async def measure(bootstrap: str, *, accounts: int, each: int, requests: int) -> None:
    settings = Settings.load(
        kafka=bootstrap, replication_factor=1, events_partitions=3, secret_key=new_key(), delivery_log="off"
    )
    await KafkaAdmin(settings).ensure(Topics(settings).base_specs())
    caller, count = await _fill(settings, accounts, each)
    print(f"{accounts:,} accounts, {accounts:,} sinks, {accounts * each:,} subscriptions: {count:,} control records")
    for what in ("snapshot", "router"):
        print(await _loaded(settings, what), flush=True)
    async with AsyncExitStack() as stack:
        ports, proof = free_ports(2), aiohttp.encode_basic_auth(caller, _TOKEN)
        session = await stack.enter_async_context(aiohttp.ClientSession(headers={"Authorization": proof}))
        urls = [await stack.enter_async_context(_api(settings, port, session)) for port in ports]
        for name, url in zip(("primary", "replica"), urls, strict=True):
            await _writes(session, name, url, requests)
        await _reads(session, urls[0], requests)


async def _fill(settings: Settings, accounts: int, subscriptions: int) -> tuple[str, int]:
    """Write all resources; return the SID of the account with ``_MANY`` subscriptions, and the number of records."""
    resources = list(_resources(Vault(settings), accounts, subscriptions))
    topic = Topics(settings).control
    async with AckedProducer(settings) as producer:
        answers = [await producer.enqueue(topic, encode(each), key=key_of(each.sid)) for each in resources]
        for answer in await asyncio.gather(*answers):
            assert isinstance(answer, Acked), answer
    return resources[0].sid, len(resources)


def _resources(vault: Vault, accounts: int, subscriptions: int) -> Iterator[Resource]:
    now, configuration = now_ms(), orjson.dumps(_CONFIG).decode()

    def sink_of(account: str) -> SinkRecord:
        sid = new_sid(SidKind.SINK)
        return SinkRecord(
            sid=sid,
            account_sid=account,
            description="a sink",
            sink_type="webhook",
            configuration=vault.lock(configuration, Purpose.SINK_CONFIGURATION, sid),
            status=SinkStatus.ACTIVE,
            created_ms=now,
            updated_ms=now,
        )

    for number in range(accounts):
        account = new_sid(SidKind.ACCOUNT)
        token = vault.lock(_TOKEN, Purpose.AUTH_TOKEN, account)
        yield Account(sid=account, friendly_name="Acme", auth_token=token, created_ms=now, updated_ms=now)
        yield (sink := sink_of(account))
        for _ in range(_MANY - 1 if number == 0 else 0):
            yield sink_of(account)
        for _ in range(_MANY if number == 0 else subscriptions):
            yield Subscription(
                sid=new_sid(SidKind.SUBSCRIPTION),
                account_sid=account,
                sink_sid=sink.sid,
                sink_type="webhook",
                description="a subscription",
                types=_TYPES,
                created_ms=now,
                updated_ms=now,
            )


# -- processes --------------------------------------------------------------------------------------------------------


async def _loaded(settings: Settings, what: str) -> str:
    """Return the output of a process that loads the topic and does nothing else."""
    command = (sys.executable, "-m", "benchmarks.control", "--load", what)
    process = await asyncio.create_subprocess_exec(*command, env=_environment(settings), stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    return said.decode().rstrip()


async def load_here(what: str) -> None:
    def fail(error: BaseException) -> None:
        raise error

    settings, base = Settings.load(), _resident_mib(os.getpid())
    began, cpu = time.perf_counter(), time.process_time()
    async with ControlFeed(settings, on_crash=fail) as feed:
        if what == "router":
            Matcher(default_ttl_ms=1, topic_of=Topics(settings).subscription).load(feed.snapshot)
        took, spent = time.perf_counter() - began, time.process_time() - cpu
        now, most = _resident_mib(os.getpid()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"  {what:<28} loaded in {took:6.2f} s, {spent:6.2f} s of CPU; {now} MiB, {base} before, {most} at most")


@asynccontextmanager
async def _api(settings: Settings, port: int, session: aiohttp.ClientSession) -> AsyncIterator[str]:
    environment = _environment(settings) | {
        f"{PREFIX}API_LISTEN": f"127.0.0.1:{port}",
        f"{PREFIX}ADMIN_LISTEN": "127.0.0.1:0",
    }
    began, url = time.perf_counter(), f"http://127.0.0.1:{port}"
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "eventstreams", "api", env=environment)
    try:
        async with asyncio.timeout(_READY_S):
            while True:
                with suppress(aiohttp.ClientError):
                    async with session.get(f"{url}/readyz") as answer:
                        if answer.ok:
                            break
                await asyncio.sleep(0.05)
        took, cpu = time.perf_counter() - began, _cpu_s(process.pid)
        print(
            f"  {'api':<28} ready in {took:6.2f} s, {cpu:6.2f} s of CPU since its start; "
            f"{_resident_mib(process.pid)} MiB resident",
            flush=True,
        )
        yield url
    finally:
        process.terminate()
        await process.wait()


def _environment(settings: Settings) -> dict[str, str]:
    assert settings.secret_key is not None
    variables = {
        "KAFKA": settings.kafka,
        "REPLICATION_FACTOR": "1",
        "EVENTS_PARTITIONS": str(settings.events_partitions),
        "MOST_PARTITIONS": "1000000",  # the budget is not what is measured
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "DELIVERY_LOG": "off",
        "LOG_LEVEL": "error",
        "API_RATE_LIMIT": "0",  # the loaders are one account
    }
    return os.environ | {f"{PREFIX}{name}": text for name, text in variables.items()}


def _resident_mib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) // 1024


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# -- requests ---------------------------------------------------------------------------------------------------------


async def _writes(session: aiohttp.ClientSession, name: str, url: str, requests: int) -> None:
    made: list[str] = []

    async def create() -> None:
        if len(made) >= _MADE:
            await _ask(session, "DELETE", f"{url}/v1/Sinks/{made.pop()}")
            return
        made.append(str((await _ask(session, "POST", f"{url}/v1/Sinks", _SINK))["sid"]))

    async def subscribe() -> None:
        form = {"Description": "x", "SinkSid": made[0], "Types": orjson.dumps({"type": _TYPES[0].type}).decode()}
        body = await _ask(session, "POST", f"{url}/v1/Subscriptions", form)
        later.append(str(body["sid"]))

    later: list[str] = []
    await _timed(f"{name}: create or delete a sink", create, requests)
    await _timed(f"{name}: the same, 8 clients at once", create, requests, at_once=8)
    if not made:
        await create()
    for what, at_once, count in (("", 1, _LEFT), (", 8 at once", 8, 8)):
        await _timed(f"{name}: create a subscription, topic{what}", subscribe, count, at_once=at_once)
        while later:
            await _ask(session, "DELETE", f"{url}/v1/Subscriptions/{later.pop()}")
    for sid in made:
        await _ask(session, "DELETE", f"{url}/v1/Sinks/{sid}")


async def _reads(session: aiohttp.ClientSession, url: str, requests: int) -> None:
    for path in ("Sinks?PageSize=50", "Sinks?PageSize=100", "Subscriptions?PageSize=50", "Subscriptions?PageSize=100"):

        async def page(path: str = path) -> None:
            await _ask(session, "GET", f"{url}/v1/{path}")

        await _timed(f"list {path}", page, requests)


async def _ask(
    session: aiohttp.ClientSession, method: str, url: str, form: dict[str, str] | None = None
) -> dict[str, object]:
    async with session.request(method, url, data=form) as answer:
        body = await answer.read()
        assert answer.ok, body
        found: dict[str, object] = orjson.loads(body) if body else {}
        return found


async def _timed(what: str, work: Callable[[], Awaitable[None]], requests: int, *, at_once: int = 1) -> None:
    times: list[float] = []

    async def client() -> None:
        for _ in range(requests // at_once):
            began = time.perf_counter()
            await work()
            times.append(time.perf_counter() - began)

    await asyncio.gather(*(client() for _ in range(at_once)))
    times.sort()
    p50, p99 = (times[int(len(times) * part)] * 1000 for part in (0.5, 0.99))
    print(f"  {what:<42} p50 {p50:6.1f} ms   p99 {p99:6.1f} ms   most {times[-1] * 1000:6.1f} ms", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.control", description=__doc__)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--each", type=int, default=10, help="subscriptions of an account")
    parser.add_argument("--requests", type=int, default=300, help="of each kind")
    parser.add_argument("--load", choices=("snapshot", "router"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.load:
        asyncio.run(load_here(given.load))
        return
    print(f"{machine()}; load {load()}")
    with tempfile.TemporaryDirectory() as folder, running_broker(Path(folder)) as broker:
        asyncio.run(measure(broker.bootstrap, accounts=given.accounts, each=given.each, requests=given.requests))
    print(f"load at the end {load()}")


if __name__ == "__main__":
    main()
