"""The processes of a measurement: ``eventstreams up``, a receiver, loaders and a bare loop."""

import http.client
import os
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import orjson
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from eventstreams.client import EventStreams
from tests.support.up import TOKEN, Up, running_up

SENT: Final = "com.twilio.messaging.message.sent"
ROLES: Final = ("router", "worker-webhook", "api", "gateway")
EVENTS: Final = "es.events"
EVENT_BYTES: Final = 500
_PATIENCE_S: Final = 300.0


class Receiver:
    """Controls the receiver's process and reads its counts."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self.pid = process.pid
        self._port = int(process.stdout.readline())
        self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)

    def url(self, name: str, *, delay_ms: int = 0, failing: int = 0) -> str:
        return f"http://127.0.0.1:{self._port}/{name}/{delay_ms}/{failing}"

    def reset(self, name: str, events: int) -> None:
        self._ask("POST", f"/reset/{name}/{events}")

    def told(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self._ask("GET", f"/stats/{name}"))
        return found

    def times(self, name: str) -> Sequence[tuple[int, int]]:
        """Return when each event was published and first arrived, by event number; in ns since the epoch."""
        found = array("q", self._ask("GET", f"/times/{name}"))
        return list(zip(found[::2], found[1::2], strict=True))

    def all_arrived(self, name: str) -> dict[str, Any]:
        """Wait until every event has arrived; return the receiver's counts.

        Raises:
            TimeoutError: they have not all arrived within ``_PATIENCE_S``.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while (told := self.told(name))["distinct"] < told["expected"]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name}: {told['distinct']:,} of {told['expected']:,} events came")
            time.sleep(0.1)
        return told

    def _ask(self, method: str, path: str) -> bytes:
        self._connection.request(method, path)
        return self._connection.getresponse().read()


class Load:
    """A loader process that is connected and waits for ``go``."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        process.stdout.readline()
        self._process = process

    def go(self) -> Self:
        """Start publishing."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self

    def wait(self) -> None:
        """Wait until Kafka has every event."""
        assert self._process.wait() == 0
        assert self._process.stdout is not None
        self._process.stdout.close()


class RunningInstallation:
    """The running system, with its receiver. A subscription that would keep only some ``workers`` busy gets more
    partitions.
    """

    def __init__(self, up: Up, receiver: Receiver, started_s: float, workers: int) -> None:
        self.up = up
        self._workers = workers
        self.receiver = receiver
        self.started_s = started_s
        self.kafka: str = up.about["kafka"]
        self.account: str = up.about["account_sid"]
        self._api = up.client().events.v1
        self._bare = "bare0"

    @property
    def pids(self) -> Mapping[str, int]:
        pids = self.up.about["pids"]
        ours = {name: pid for name, pid in pids.items() if name.partition(".")[0] in ROLES}
        return {**ours, "kafka": pids["kafka"], "receiver": self.receiver.pid}

    @contextmanager
    def subscribed(self, *urls: str, **configuration: object) -> Iterator[list[tuple[str, str]]]:
        """Create a sink and a subscription for each of ``urls`` while the context is open; yield their SIDs."""
        sinks, subscriptions = [], []
        for url in urls:
            sink = self._api.sinks.create(
                description="d", sink_type="webhook", sink_configuration={"destination": url, **configuration}
            )
            sinks.append(sink.sid)
            types = [{"type": SENT}]
            subscriptions.append(self._api.subscriptions.create(description="d", sink_sid=sink.sid, types=types).sid)
        if len(urls) < self._workers:
            with EventStreams(self.up.about["api"], self.account, TOKEN) as api:
                for subscription in subscriptions:
                    api.set_subscription_delivery(subscription, partitions=self._workers)
        try:
            yield list(zip(sinks, subscriptions, strict=True))
        finally:
            for sid in subscriptions:
                self._api.subscriptions(sid).delete()
            for sid in sinks:
                self._api.sinks(sid).delete()

    def pause(self, sink: str, *, paused: bool) -> None:
        with EventStreams(self.up.about["api"], self.account, TOKEN) as api:
            api.set_sink_delivery(sink, paused=paused)

    def wait_routed(self, subscription: str, events: int) -> None:
        """Wait until there are ``events`` on the topic of ``subscription``."""
        client = Consumer({"bootstrap.servers": self.kafka, "group.id": "watch"})
        topic = f"es.sub.webhook.{subscription}"
        partitions = [TopicPartition(topic, each) for each in client.list_topics(topic).topics[topic].partitions]
        while sum(client.get_watermark_offsets(each, timeout=10)[1] for each in partitions) < events:
            time.sleep(0.1)
        client.close()

    def load(self, count: int, *, rate: float = 0, bare: bool = False, event_bytes: int = EVENT_BYTES) -> "Load":
        """Start a loader that publishes ``count`` events, numbered from 0, once it is told to."""
        topic, account = (self._bare, "json") if bare else (EVENTS, self.account)
        arguments = [self.kafka, topic, "0", str(count), f"{rate:g}", account, str(event_bytes)]
        command = [sys.executable, "-m", "benchmarks.path.loader", *arguments]
        return Load(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))

    @contextmanager
    def bare_loop(self, url: str) -> Iterator[int]:
        """Run a bare loop to ``url`` from a topic of its own, which ``load`` fills, meanwhile; yield its process id."""
        self._bare = f"bare{int(self._bare[4:]) + 1}"
        admin = AdminClient({"bootstrap.servers": self.kafka})
        admin.create_topics([NewTopic(self._bare, 1, 1)])[self._bare].result()
        arguments = [self.kafka, self._bare, url]
        command = [sys.executable, "-m", "benchmarks.path.bare", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                yield process.pid
            finally:
                process.kill()


@contextmanager
def running_installation(folder: Path, workers: int = 1) -> Iterator[RunningInstallation]:
    receiver = subprocess.Popen([sys.executable, "-m", "benchmarks.path.receiver"], stdout=subprocess.PIPE, text=True)
    try:
        began = time.monotonic()
        options, environ = ("--port", "0", "--workers", str(workers)), {"EVENTSTREAMS_LOG_LEVEL": "warning"}
        with running_up(folder / "data", *options, env=environ) as up:
            yield RunningInstallation(up, Receiver(receiver), time.monotonic() - began, workers)
    finally:
        receiver.kill()
        receiver.wait()


def cpu_s(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU time, user and system, that each of ``pids`` has used so far, in seconds."""
    tick = os.sysconf("SC_CLK_TCK")
    found = {}
    for name, pid in pids.items():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        found[name] = (int(fields[11]) + int(fields[12])) / tick
    return found


def memory_mib(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the memory of each of ``pids`` in MiB; shared memory is split among its users (PSS)."""
    found = {}
    for name, pid in pids.items():
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        found[name] = int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024
    return found
