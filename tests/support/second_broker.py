"""A cluster of two brokers: partitions only on the second lose their leader with it, and all others go on."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from eventstreams.local.broker import LocalBroker
from eventstreams.local.kafka import make_broker
from eventstreams.local.ports import free_ports
from eventstreams.settings import Settings
from eventstreams.testing.broker import RunningBroker


@dataclass(frozen=True, slots=True)
class TwoBrokers:
    """``first`` is also the controller. Call ``start_second`` after creating the topics that must be on the first."""

    first: RunningBroker
    second: RunningBroker

    @property
    def bootstrap(self) -> str:
        return self.first.bootstrap

    def start_second(self) -> None:
        """Start the second broker; return once it is part of the cluster."""
        self.second.start()
        client = AdminClient({"bootstrap.servers": self.bootstrap})
        deadline = time.monotonic() + 60
        while len(client.list_topics(timeout=30).brokers) < 2:
            assert time.monotonic() < deadline, "the second broker did not join"
            time.sleep(0.05)

    def make_on_second(self, topic: str, *, first_partitions: int = 0) -> None:
        """Create ``topic`` with its last partition only on the second broker, and those before it on the first."""
        on = [[1]] * first_partitions + [[2]]
        made = NewTopic(
            topic, num_partitions=len(on), replica_assignment=on, config={"message.timestamp.type": "LogAppendTime"}
        )
        client = AdminClient({"bootstrap.servers": self.bootstrap})
        client.create_topics([made])[topic].result(30)


@contextmanager
def two_brokers(folder: Path) -> Iterator[TwoBrokers]:
    """Run the cluster, at first only with the first broker."""
    port, controller_port, other_port = free_ports(3)
    cache = Settings.load().cache_dir
    one = make_broker(folder / "1", port=port, controller_port=controller_port, cache=cache)
    other = _beside(one, folder / "2", port=other_port)
    brokers = TwoBrokers(RunningBroker(one), RunningBroker(other))
    brokers.first.start()
    try:
        yield brokers
    finally:
        brokers.second.kill()
        brokers.first.stop()


def _beside(one: LocalBroker, folder: Path, *, port: int) -> LocalBroker:
    """Return another broker of the cluster whose controller is ``one``, with formatted storage."""
    other = replace(one, folder=folder, port=port)
    folder.mkdir()
    for name in ("server.properties", "log4j2.properties"):
        text = (one.folder / name).read_text()
        for ours, theirs in (
            ("process.roles=broker,controller", "process.roles=broker"),
            ("node.id=1", "node.id=2"),
            (f",CONTROLLER://127.0.0.1:{one.controller_port}\n", "\n"),
            (f"PLAINTEXT://127.0.0.1:{one.port}\n", f"PLAINTEXT://127.0.0.1:{port}\n"),
            (str(one.folder), str(folder)),
        ):
            text = text.replace(ours, theirs)
        (folder / name).write_text(text)
    about = (one.folder / "data" / "meta.properties").read_text().splitlines()
    [cluster] = [line.partition("=")[2] for line in about if line.startswith("cluster.id=")]
    java = other.command[: other.command.index("kafka.Kafka")]
    properties = str(folder / "server.properties")
    command = [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", properties]
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    return other
