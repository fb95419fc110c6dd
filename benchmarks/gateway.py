"""``python -m benchmarks.gateway``: events/s that one gateway accepts, each answered once the broker has it.

Gateway and broker are processes of their own; this process sends requests prepared in advance over keep-alive
connections. ``us`` is CPU time in µs of the gateway process per event: on a busy machine, compare these. A second part
sends events one by one at a fixed rate and measures response times, from the moment when each event was due.
"""

import argparse
import asyncio
import os
import secrets
import sys
import tempfile
import time
from base64 import b64encode
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import orjson

from benchmarks.events import ACCOUNT
from benchmarks.measure import load, machine
from benchmarks.publisher import messages
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import Account
from eventstreams.control.vault import Purpose, Vault, new_key
from eventstreams.control.writer import ControlWriter
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.producer import AckedProducer
from eventstreams.local.ports import free_ports
from eventstreams.settings import PREFIX, Settings
from eventstreams.testing.broker import running_broker
from eventstreams.times import now_ms
from eventstreams.topics import Topics
from producers.cloudevents import render

_CASES: Final = ((100, 32), (1, 64))  # events a request, connections
_ROUNDS: Final = 3
_RATES: Final = (500, 1_000)  # requests a second
_STEADY_CONNECTIONS: Final = 32
_READY_S: Final = 60.0


async def measure(bootstrap: str, broker: int, seconds: float) -> None:
    [port, admin_port] = free_ports(2)
    settings = Settings.load(
        kafka=bootstrap,
        replication_factor=1,
        events_partitions=3,
        secret_key=new_key(),
        gateway_listen=f"127.0.0.1:{port}",
        admin_listen=f"127.0.0.1:{admin_port}",
    )
    token = secrets.token_hex(16)
    await _add_account(settings, token)
    async with _gateway(settings) as process:
        await _listening(port)
        for size, connections in _CASES:
            request = _request(size, token)
            rounds = [
                await _round(port, process.pid, request, size=size, connections=connections, seconds=seconds)
                for _ in range(_ROUNDS)
            ]
            rate, us = max(rounds)
            print(
                f"{size:4} events a request, {connections} connections: {rate / size:8,.0f} requests/s "
                f"{rate:9,.0f} events/s  {us:6.1f} us of the gateway an event  (best of {_ROUNDS})"
            )
        for steady in _RATES:
            await _steady(port, (process.pid, broker), _request(1, token), steady, seconds)


async def _steady(port: int, pids: tuple[int, int], request: bytes, rate: float, seconds: float) -> None:
    """Send single events at ``rate`` and print the result; ``pids`` are those of the gateway and the broker."""
    count = int(rate * seconds)
    before, began = [_cpu_s(pid) for pid in pids], time.perf_counter()
    due = deque(began + number / rate for number in range(count))
    waits = await asyncio.gather(*(_post_when_due(port, request, due) for _ in range(_STEADY_CONNECTIONS)))
    gateway, broker = ((_cpu_s(pid) - then) / count * 1e6 for pid, then in zip(pids, before, strict=True))
    late_ms = sorted(each * 1000 for one in waits for each in one)
    p50, p99 = (late_ms[int(count * share)] for share in (0.5, 0.99))
    print(
        f"{rate:5,.0f} single events/s: answered after p50 {p50:.1f} ms, p99 {p99:.1f} ms; "
        f"{gateway:.0f} us of the gateway an event, {broker:.0f} of Kafka"
    )


async def _post_when_due(port: int, request: bytes, due: deque[float]) -> list[float]:
    """Send requests from ``due`` on one connection; return how long after they were due each was answered, in s."""
    waits = []
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while due:
        at = due.popleft()
        await asyncio.sleep(max(at - time.perf_counter(), 0))
        await _exchange(reader, writer, request)
        waits.append(time.perf_counter() - at)
    writer.close()
    return waits


async def _round(
    port: int, pid: int, request: bytes, *, size: int, connections: int, seconds: float
) -> tuple[float, float]:
    began, cpu = time.perf_counter(), _cpu_s(pid)
    answered = await asyncio.gather(*(_post(port, request, began + seconds) for _ in range(connections)))
    took, used = time.perf_counter() - began, _cpu_s(pid) - cpu
    count = sum(answered) * size
    return count / took, used / count * 1e6


async def _post(port: int, request: bytes, until: float) -> int:
    """Send requests one after the other on one connection; return how many were answered, all with 202."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answered = 0
    while time.perf_counter() < until:
        await _exchange(reader, writer, request)
        answered += 1
    writer.close()
    return answered


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 202 " in head[:16], head
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)


def _request(size: int, token: str) -> bytes:
    made = [render(event) for event in messages(size)]
    body = orjson.dumps(made if size > 1 else made[0])
    kind = b"cloudevents-batch" if size > 1 else b"cloudevents"
    credentials = b64encode(f"{ACCOUNT}:{token}".encode())
    head = (
        b"POST /v1/Events HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Type: application/%s+json\r\n"
        b"Content-Length: %d\r\n\r\n"
    )
    return head % (credentials, kind, len(body)) + body


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _add_account(settings: Settings, token: str) -> None:
    def fail(error: BaseException) -> None:
        raise error

    topics, now = Topics(settings), now_ms()
    await KafkaAdmin(settings).ensure(topics.base_specs())
    async with ControlFeed(settings, on_crash=fail) as feed, AckedProducer(settings) as producer:
        locked = Vault(settings).lock(token, Purpose.AUTH_TOKEN, ACCOUNT)
        account = Account(sid=ACCOUNT, friendly_name="", auth_token=locked, created_ms=now, updated_ms=now)
        await ControlWriter(producer, feed, topics).put(account)


@asynccontextmanager
async def _gateway(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    assert settings.secret_key is not None
    variables = {
        "KAFKA": settings.kafka,
        "REPLICATION_FACTOR": "1",
        "EVENTS_PARTITIONS": str(settings.events_partitions),
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "GATEWAY_LISTEN": settings.gateway_listen,
        "ADMIN_LISTEN": settings.admin_listen,
        "LOG_LEVEL": "error",
    }
    command: Sequence[str] = (sys.executable, "-m", "eventstreams", "gateway")
    environment = os.environ | {f"{PREFIX}{name}": text for name, text in variables.items()}
    process = await asyncio.create_subprocess_exec(*command, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def _listening(port: int) -> None:
    """Wait until the gateway is ready."""
    async with asyncio.timeout(_READY_S):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = await reader.read()
                writer.close()
                if b" 200 " in answer[:16]:
                    return
            except OSError:
                pass
            await asyncio.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round")
    seconds = parser.parse_args().seconds
    print(machine())
    print(f"load {load()}")
    with tempfile.TemporaryDirectory() as folder, running_broker(Path(folder)) as broker:
        assert broker.pid is not None
        asyncio.run(measure(broker.bootstrap, broker.pid, seconds))
    print(f"load {load()}")


if __name__ == "__main__":
    main()
