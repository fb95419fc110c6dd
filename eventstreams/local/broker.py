"""One real Kafka broker (KRaft, one node) with everything in a folder: its files, its command, its readiness."""

import base64
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from eventstreams.errors import PrerequisiteError
from eventstreams.topics import INDEX, INDEX_INTERVAL, SEGMENT

_HOST: Final = "127.0.0.1"
_FORMAT_S: Final = 60.0
_TURN_S: Final = 0.1
# A small heap and little JIT compilation: ready in 1.4 s with 142 MiB, and still handles 96,000 events/s (measured).
_JVM: Final = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
# One node: internal topics have one replica, and few partitions.
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# The first member of a group need not wait for others.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
# A killed broker may register again after three seconds, not nine.
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
# A small footprint.
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=4194304
log.cleaner.io.buffer.size=65536
log.segment.delete.delay.ms=500
# Small indexes, which have room for all entries of a segment: eventstreams/topics.py says why.
log.index.size.max.bytes={index}
log.index.interval.bytes={interval}
log.segment.bytes={segment}
log.initial.task.delay.ms=1000
# Nobody watches the age of its metadata: an idle broker need not write a record to disk twice a second.
metadata.max.idle.interval.ms=0
"""

# `meta.properties` as Kafka's own tool writes it.
_ABOUT: Final = """\
version=1
cluster.id={cluster}
node.id={node}
directory.id={directory}
"""
# The tool's other file: the feature versions that a new cluster begins with, the same for every cluster.
_FEATURES: Final = "bootstrap.checkpoint"
_DIRECTORY_BYTES: Final = 16
_NODE: Final = "node.id="

_LOGGING: Final = """\
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c: %m%n
"""


@dataclass(frozen=True, slots=True)
class LocalBroker:
    """A broker on loopback.

    Attributes:
        folder: Holds its data and configuration.
        port: Port for clients.
        controller_port: Port of its own controller.
        java: The ``java`` program that runs it.
        jars: Folder with Kafka's jars.
        properties: Extra lines of its ``server.properties``, which override ours.
        format_options: Options for Kafka's own tool that formats the storage, such as users to create.
        cluster: The cluster id, from ``new_cluster``; None: a new one.
        jvm: Extra options for Java.
    """

    folder: Path
    port: int
    controller_port: int
    java: Path
    jars: Path
    properties: str = ""
    format_options: Sequence[str] = ()
    cluster: str | None = None
    jvm: Sequence[str] = ()

    @property
    def bootstrap(self) -> str:
        return f"{_HOST}:{self.port}"

    @property
    def command(self) -> Sequence[str]:
        """The command that runs the broker, after ``prepare``. SIGTERM shuts it down cleanly, with exit code 143."""
        return [*self._java(), "kafka.Kafka", str(self._properties)]

    def prepare(self) -> None:
        """Write its configuration, and format its storage if that is new. Existing data is kept.

        Kafka's own tool takes a third of the CPU time of a start. So it formats only the first storage without
        ``format_options``; what it wrote is saved beside the jars and reused for later ones.

        Raises:
            PrerequisiteError: Kafka's own tool failed; the text has its last line.
        """
        data = self._configure()
        if (data / "meta.properties").exists():
            return
        if self.format_options or not self._format_as_kept(data):
            self.format()

    def format(self) -> None:
        """Like ``prepare``, but always format with Kafka's own tool, which skips storage that is already formatted.

        Raises:
            PrerequisiteError: it failed; the text has its last line.
        """
        data = self._configure()
        tool = [*self._java(), "kafka.tools.StorageTool", "format", "--ignore-formatted"]
        command = [*tool, "-t", self.cluster or new_cluster(), "-c", str(self._properties), *self.format_options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FORMAT_S, check=False)  # noqa: S603 - ours
        if done.returncode != 0:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no reason given"]
            raise PrerequisiteError(f"Kafka's storage in {data} cannot be created: {last[0]}")
        if not self.format_options and not self._kept.exists():
            self._keep(data / _FEATURES)

    def is_ready(self, *, timeout_s: float = _TURN_S) -> bool:
        """Whether it answers a client."""
        return answers(self.bootstrap, timeout_s=timeout_s)

    @property
    def _kept(self) -> Path:
        return self.jars / _FEATURES

    def _keep(self, features: Path) -> None:
        with suppress(OSError), tempfile.TemporaryDirectory(dir=self.jars, prefix=".keeping-") as scratch:
            Path(shutil.copy(features, scratch)).replace(self._kept)  # atomically

    def _format_as_kept(self, data: Path) -> bool:
        """Format the storage with the saved files; returns whether that was possible."""
        try:
            features = self._kept.read_bytes()
            data.mkdir(exist_ok=True)
            (data / _FEATURES).write_bytes(features)
            directory = base64.urlsafe_b64encode(secrets.token_bytes(_DIRECTORY_BYTES)).decode().rstrip("=")
            settings = self._properties.read_text().splitlines()
            node = [line.removeprefix(_NODE) for line in settings if line.startswith(_NODE)][-1]  # the last one wins
            about = _ABOUT.format(cluster=self.cluster or new_cluster(), node=node, directory=directory)
            (data / "meta.properties").write_text(about)  # last, as it marks the storage as formatted
        except OSError:
            return False
        return True

    def _configure(self) -> Path:
        """Write its configuration; returns the folder of its data."""
        self.folder.mkdir(parents=True, exist_ok=True)
        data = self.folder / "data"
        self._properties.write_text(
            _PROPERTIES.format(
                host=_HOST,
                port=self.port,
                controller_port=self.controller_port,
                data=data,
                index=INDEX,
                interval=INDEX_INTERVAL,
                segment=SEGMENT,
            )
            + self.properties
        )
        (self.folder / "log4j2.properties").write_text(_LOGGING)
        return data

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _java(self) -> Sequence[str]:
        logging = self.folder / "log4j2.properties"
        return [str(self.java), *_JVM, *self.jvm, f"-Dlog4j2.configurationFile={logging}", "-cp", f"{self.jars}/*"]


def new_cluster() -> str:
    """A random id for a new cluster."""
    return secrets.token_hex(11)


def answers(bootstrap: str, *, timeout_s: float) -> bool:
    """Whether a Kafka broker answers at ``bootstrap`` within ``timeout_s`` seconds."""
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 100})
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            client.list_topics(timeout=max(deadline - time.monotonic(), _TURN_S))
        except KafkaException:
            if time.monotonic() >= deadline:
                return False
        else:
            return True
