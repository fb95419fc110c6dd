"""Every topic's name, partitions and settings. No other module spells out a topic's name."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from eventstreams.durations import format_duration, parse_duration
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, is_sid

_HOUR_MS: Final = 60 * 60 * 1000
_DAY_MS: Final = 24 * _HOUR_MS
ANSWERS_MS: Final = _DAY_MS
"""How long the API's answer to a request with an idempotency key is kept: longer than any client retries."""
# A process keeps 64 MiB of them in memory. It reads the whole topic when it starts, which takes some seconds for this.
_ANSWERS_BYTES: Final = 256 << 20
_SINK_TYPE: Final = re.compile(r"[a-z0-9-]{1,40}")  # as plugins may call themselves
_DEAD_LETTER_DAYS: Final = 14  # DESIGN: long enough to notice, fix and redrive over a holiday
_ATTEMPT_DAYS: Final = 7
SEGMENT: Final = 1 << 28
"""Segment size in bytes for topics with small indexes; Kafka's own default is four times as much."""
INDEX_INTERVAL: Final = 1 << 14
"""Bytes of records between two index entries; Kafka's own default is 4 KiB."""
INDEX: Final = 1 << 18
"""Index size in bytes.

Kafka's own default is 10 MiB. A broker maps both indexes of a segment at its second batch, and Linux populates as much
of each as the disk's read-ahead says. With 8 MiB that was 4 to 5 ms of the broker's CPU per topic, and 16 MiB of the
page cache.

An index must have room for an entry of 12 bytes for every ``INDEX_INTERVAL`` of a whole segment, so that it is never
full. Normally Kafka starts a new segment when an index is full. But in a segment that a broker wrote before and after a
restart, it has left out entries, and if it is then killed, it rebuilds the index with all of them. If they do not fit,
the broker **ends, and cannot be started again**: tests/kafka/test_small_indexes.py.
"""
SMALL_INDEXES: Final[Mapping[str, str]] = {
    "segment.bytes": str(SEGMENT),
    "index.interval.bytes": str(INDEX_INTERVAL),
    "segment.index.bytes": str(INDEX),
}
"""Topic settings that are used together or, if Kafka refuses one, not at all."""
_EVENTS_DAYS: Final = 7  # how far back a replay can reach
MAX_EVENT_BYTES: Final = 1 << 20
"""Largest record on the events topic: Kafka's own default, rounded down."""
MAX_COPY_BYTES: Final = 2 * MAX_EVENT_BYTES
"""Largest record on the other topics: a copy has more headers, but must fit wherever the event did."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it must exist before anybody writes to it."""

    name: str
    partitions: int
    config: Mapping[str, str]


class TopicKind(StrEnum):
    """What a topic is for: all (``shared``), one sink type (``retry``, ``dead``, ``test``), or one subscription."""

    SHARED = "shared"
    RETRY = "retry"
    DEAD = "dead"
    TEST = "test"
    SUBSCRIPTION = "subscription"


_WAITING: Final = frozenset({TopicKind.SUBSCRIPTION, TopicKind.RETRY, TopicKind.TEST})


@dataclass(frozen=True, slots=True)
class TopicName:
    """The parts of a topic's name. ``sink_type`` and ``subscription_sid`` are None if they do not apply."""

    kind: TopicKind
    sink_type: str | None = None
    subscription_sid: str | None = None


class Topics:
    """The topics of one installation, all under its prefix."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        prefix = settings.topic_prefix
        self.events = f"{prefix}events"
        self.control = f"{prefix}control"
        self.attempts = f"{prefix}attempts"
        self.router_dead = f"{prefix}dead.router"
        self.jobs = f"{prefix}jobs"
        self.answers = f"{prefix}answers"
        self.audit = f"{prefix}audit"
        self._prefix = prefix
        self._shared = frozenset({each.name for each in self.base_specs()})

    def subscription(self, sink_type: str, subscription_sid: str) -> str:
        """The topic on which one subscription's copies wait for their worker."""
        return f"{self._prefix}sub.{sink_type}.{subscription_sid}"

    @staticmethod
    def subscription_of(topic: str) -> str:
        """The SID of the subscription whose topic ``topic`` is."""
        return topic.rpartition(".")[2]

    def sink_type_of(self, topic: str) -> str:
        """The sink type of the subscription whose topic ``topic`` is."""
        return topic.removeprefix(f"{self._prefix}sub.").rpartition(".")[0]

    def read(self, topic: str) -> TopicName | None:
        """Parse the name ``topic``; None if it is not one that this release creates in this installation.

        Another installation's prefix may begin with ours: its topics give None too, since no part of our names contains
        a dot.
        """
        if topic in self._shared:
            return TopicName(TopicKind.SHARED)
        if not topic.startswith(self._prefix):
            return None
        kind, _, rest = topic.removeprefix(self._prefix).partition(".")
        sink_type, _, last = rest.partition(".")
        if not _SINK_TYPE.fullmatch(sink_type):
            return None
        match kind, last:
            case "sub", sid if is_sid(sid, SidKind.SUBSCRIPTION) and sid == SidKind.SUBSCRIPTION + sid[2:].lower():
                return TopicName(TopicKind.SUBSCRIPTION, sink_type, sid)
            case "retry", delay if _is_duration(delay):
                return TopicName(TopicKind.RETRY, sink_type)
            case "dead", "":
                return TopicName(TopicKind.DEAD, sink_type)
            case "test", "":
                return TopicName(TopicKind.TEST, sink_type)
            case _:
                return None

    def retry(self, sink_type: str, delay: timedelta) -> str:
        """The topic on which records of one sink type wait for their next attempt, at most ``delay`` at a time."""
        return f"{self._prefix}retry.{sink_type}.{format_duration(delay)}"

    def dead(self, sink_type: str) -> str:
        """The topic of the dead letters of one sink type."""
        return f"{self._prefix}dead.{sink_type}"

    def test(self, sink_type: str) -> str:
        """The topic on which the test events for sinks of one type wait for their worker."""
        return f"{self._prefix}test.{sink_type}"

    def sink_type_of_dead(self, topic: str) -> str | None:
        """The sink type whose dead letters ``topic`` holds; None if it holds none of a sink type."""
        start = f"{self._prefix}dead."
        return topic.removeprefix(start) if topic.startswith(start) and topic != self.router_dead else None

    def sink_type_of_retry(self, topic: str) -> str | None:
        """The sink type whose retries wait on ``topic``; None if it is not a retry topic."""
        start = f"{self._prefix}retry."
        return topic.removeprefix(start).rpartition(".")[0] if topic.startswith(start) else None

    def retries(self, sink_type: str, existing: Iterable[str] = ()) -> Mapping[str, timedelta]:
        """The retry topics of one sink type and the delay of each.

        Includes those of the ``existing`` topics that earlier settings created, so that nothing waits there forever.
        """
        found = {self.retry(sink_type, delay): delay for delay in self._settings.retry_delays}
        start = f"{self._prefix}retry.{sink_type}."
        for topic in existing:
            if topic.startswith(start) and self.read(topic) is not None:
                found[topic] = parse_duration(topic.removeprefix(start))
        return found

    def group(self, role: str) -> str:
        """Consumer group id of a role, distinct from those of other installations on the same Kafka."""
        return f"{self._prefix}{role}"

    def base_specs(self) -> list[TopicSpec]:
        """The topics that every installation has."""
        settings = self._settings
        return [
            self._spec(self.events, settings.events_partitions, retention_ms=_EVENTS_DAYS * _DAY_MS),
            self._spec(self.control, 1, compacted=True),
            self._spec(self.attempts, settings.attempts_partitions, retention_ms=_ATTEMPT_DAYS * _DAY_MS),
            self._spec(self.router_dead, 1, retention_ms=_DEAD_LETTER_DAYS * _DAY_MS),
            self._spec(self.jobs, 1, compacted=True),
            # Each key has one answer, so there is nothing to compact. With small segments, old ones are deleted soon.
            self._spec(self.answers, 1, retention_ms=ANSWERS_MS, segment_ms=_HOUR_MS, retention_bytes=_ANSWERS_BYTES),
            # One partition: there are few records, and the order in which things were done matters.
            self._spec(
                self.audit,
                1,
                retention_ms=int(settings.audit_retention.total_seconds() * 1000),
                retention_bytes=settings.audit_max_mib << 20,
            ),
        ]

    def worker_specs(self, sink_type: str) -> list[TopicSpec]:
        """The retry, dead-letter and test topics of one sink type."""
        partitions = self._settings.retry_partitions
        return [
            *(self._spec(name, partitions, retention_ms=self.waiting_ms) for name in self.retries(sink_type)),
            self._spec(self.dead(sink_type), 1, retention_ms=_DEAD_LETTER_DAYS * _DAY_MS),
            self.test_spec(sink_type),
        ]

    def test_spec(self, sink_type: str) -> TopicSpec:
        """The test topic of one sink type. One partition will do, as tests are rare and do not wait for each other."""
        return self._spec(self.test(sink_type), 1, retention_ms=self.waiting_ms)

    def subscription_spec(self, sink_type: str, subscription_sid: str, *, partitions: int = 1) -> TopicSpec:
        """The topic of one subscription. By default it has one partition, so that a sink's order, throttle and breaker
        have exactly one owner.
        """
        name = self.subscription(sink_type, subscription_sid)
        return self._spec(name, partitions, retention_ms=self.waiting_ms, small_indexes=True)

    def waiting(self, existing: Iterable[str]) -> list[str]:
        """Those of ``existing`` topics on which events wait until their deadline."""
        return [name for name in existing if (told := self.read(name)) is not None and told.kind in _WAITING]

    @property
    def waiting_ms(self) -> int:
        """The retention of those topics: a day more than the longest wait, so that Kafka never drops what is owed."""
        return self.ttl_ms + _DAY_MS

    @property
    def ttl_ms(self) -> int:
        """How long events are tried."""
        return int(self._settings.ttl.total_seconds() * 1000)

    def _spec(
        self,
        name: str,
        partitions: int,
        *,
        retention_ms: int | None = None,
        segment_ms: int | None = None,
        retention_bytes: int | None = None,
        small_indexes: bool = False,
        compacted: bool = False,
    ) -> TopicSpec:
        replicas = self._settings.replication_factor
        config = {
            # The broker's clock decides when an event was accepted, never a producer's.
            "message.timestamp.type": "LogAppendTime",
            # With three replicas one may be missing; with fewer there is none to spare.
            "min.insync.replicas": "2" if replicas >= 3 else "1",  # noqa: PLR2004 - a majority of three
            "max.message.bytes": str(MAX_EVENT_BYTES if name == self.events else MAX_COPY_BYTES),
        }
        if compacted:
            config |= {"cleanup.policy": "compact", "min.compaction.lag.ms": "60000"}
        if retention_ms is not None:
            config["retention.ms"] = str(retention_ms)
        if segment_ms is not None:
            config["segment.ms"] = str(segment_ms)
        if small_indexes:
            config |= SMALL_INDEXES
        if retention_bytes is not None:
            # Whole segments are deleted, so each is an eighth of it, and seven eighths are always kept.
            config |= {
                "retention.bytes": str(retention_bytes),
                "segment.bytes": str(min(retention_bytes >> 3, SEGMENT)),
            }
        return TopicSpec(name, partitions, config)


def _is_duration(text: str) -> bool:
    try:
        parse_duration(text)
    except ValueError:
        return False
    return True
