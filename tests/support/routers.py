"""Router processes of an installation, a flood of events for them, and a tally of the copies that they make."""

import itertools
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from eventstreams.headers import ID, Headers
from eventstreams.kafka.members import find_group
from eventstreams.settings import PREFIX, Settings
from eventstreams.topics import Topics
from tests.support import forks
from tests.support.up import clean_environ

_STOP_S: Final = 60.0


class Routers:
    """Processes of ``eventstreams router``, by name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *, static: bool = False) -> None:
        """Start a router; with ``static`` its name is its static member name in the group, too."""
        settings = self._settings
        variables: Mapping[str, object] = {
            "KAFKA": settings.kafka,
            "TOPIC_PREFIX": settings.topic_prefix,
            "REPLICATION_FACTOR": settings.replication_factor,
            "EVENTS_PARTITIONS": settings.events_partitions,
            "ADMIN_LISTEN": "127.0.0.1:0",
            "LOG_LEVEL": "error",
            "EXACTLY_ONCE": settings.exactly_once,
            **({"INSTANCE": name} if static else {}),
        }
        environment = clean_environ() | {f"{PREFIX}{key}": str(value) for key, value in variables.items()}
        command: Sequence[str] = (sys.executable, "-m", "eventstreams", "router")
        self._processes[name] = forks.popen(command, env=environment)

    def kill(self, name: str) -> None:
        """Kill it, as a power cut would."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str) -> int:
        """Shut it down gracefully; return its exit code."""
        process = self._processes.pop(name)
        process.terminate()
        return process.wait(_STOP_S)

    def in_group(self) -> int:
        """Return how many members their consumer group has."""
        client = AdminClient({"bootstrap.servers": self._settings.kafka})
        return len(find_group(client, Topics(self._settings).group("router")).members)

    def close(self) -> None:
        for name in list(self._processes):
            self.kill(name)


@contextmanager
def running_routers(settings: Settings) -> Iterator[Routers]:
    """Yield ``Routers`` without any; those still running at the end are killed."""
    routers = Routers(settings)
    try:
        yield routers
    finally:
        routers.close()


class Flood:
    """Publishes events with the ids 0, 1, 2 … from a thread, at a rate."""

    def __init__(self, settings: Settings, topic: str, value: bytes, headers: Headers) -> None:
        self._producer = Producer({"bootstrap.servers": settings.kafka, "enable.idempotence": True, "linger.ms": 5})
        self._topic = topic
        self._value = value
        self._headers = [each for each in headers if each[0] != ID]
        self._refused: list[KafkaError] = []
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self.published = 0

    def start(self, count: int | None, *, rate: float) -> None:
        """Begin to publish ``count`` events, or until stopped if None, at ``rate`` events per second."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, args=(count, rate), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End a flood without a count, then do as ``join``."""
        self._stopping.set()
        self.join()

    def give_up(self) -> None:
        """End it like ``stop``, but wait for nothing."""
        self._stopping.set()

    def join(self) -> None:
        """Return once all events are acknowledged."""
        assert self._thread is not None
        self._thread.join()
        assert not self._refused, self._refused[0]

    def publish(self, *partitions: int) -> None:
        """Publish one more event to each of ``partitions``; returns once acknowledged."""
        for partition in partitions:
            self._put(partition)
        self._producer.flush()
        assert not self._refused, self._refused[0]

    def _run(self, count: int | None, rate: float) -> None:
        began = time.monotonic()
        for number in itertools.count() if count is None else range(count):
            if number % 100 == 0:
                time.sleep(max(began + number / rate - time.monotonic(), 0))
                self._producer.poll(0)
                if self._stopping.is_set():
                    break
            self._put()
        self._producer.flush()

    def _put(self, partition: int = -1) -> None:
        number = self.published
        self.published += 1
        headers: list[tuple[str, str | bytes | None]] = [*self._headers, (ID, str(number).encode())]
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    self._value,
                    b"key %d" % random.randrange(1000),
                    headers=headers,
                    partition=partition,
                    on_delivery=self._on_delivery,
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _on_delivery(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._refused.append(error)


class Tally:
    """Counts the copies of each event on each of ``topics``, from a thread. Use as ``with``."""

    def __init__(self, settings: Settings, topics: Sequence[str]) -> None:
        self._consumer = Consumer({"bootstrap.servers": settings.kafka, "group.id": f"{settings.topic_prefix}tally"})
        self._consumer.assign([TopicPartition(topic, 0, 0) for topic in topics])
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.seen: dict[str, dict[int, int]] = {topic: {} for topic in topics}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self._consumer.close()

    @property
    def events(self) -> int:
        """Return how many events have a copy on every topic, if copies arrive without gaps."""
        return min(len(each) for each in self.seen.values())

    @property
    def duplicates(self) -> int:
        """Return the number of copies beyond the first of each event, on all topics."""
        return sum(count - 1 for each in self.seen.values() for count in each.values())

    def missing(self, published: int) -> int:
        """Return how many copies of the first ``published`` events are missing."""
        return sum(number not in each for each in self.seen.values() for number in range(published))

    def _run(self) -> None:
        while not self._stopping.is_set():
            for message in self._consumer.consume(1000, 0.1):
                topic = message.topic()
                if message.error() is not None or topic is None:
                    continue
                number = int(dict(message.headers() or ())[ID] or b"")
                each = self.seen[topic]
                each[number] = each.get(number, 0) + 1
