"""Where each event spends its time, computed from what the system records anyway, so the path stays unchanged.

    published ─► accepted ─► copied ─► begun ─► came
      loader     es.events   es.sub    attempts  receiver

``accepted`` and ``copied`` are the broker's timestamps of its records, ``begun`` is the worker's of its attempt, all in
whole ms; ``published`` and ``came`` are the loader's and the receiver's. All share the clock of one machine.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from confluent_kafka import Consumer, Message, TopicPartition

from benchmarks.path.installation import EVENTS, RunningInstallation
from benchmarks.path.receiver import event_id
from eventstreams.attempts import decode
from eventstreams.headers import ID

STAGES: Final = ("to Kafka", "router", "to the worker", "request")
_ATTEMPTS: Final = "es.attempts"
_SHARES: Final = (0.5, 0.9, 0.99, 1.0)
_PATIENCE_S: Final = 30.0  # the attempts topic lags behind
_FLOOR_MS: Final = 0.5  # how much truncation to whole ms takes off, on average
_SPELL_MS: Final = 100.0  # slow events published no further apart than this are one spell
_SPELLS: Final = 5


class Journey(NamedTuple):
    """When one event reached each point, in ms since the epoch."""

    published: float
    accepted: float
    copied: float
    begun: float
    came: float

    @property
    def stages(self) -> Sequence[float]:
        """How long each of ``STAGES`` took, in ms."""
        return [after - before for before, after in pairwise(self)]

    @property
    def total(self) -> float:
        return self.came - self.published


@dataclass(frozen=True, slots=True)
class Spell:
    """A period whose events are among the slowest hundredth.

    Attributes:
        at_s: When its first event was published, in seconds since the first event of the run.
        events: Number of its events.
        worst_ms: The longest total time of one of them.
        stages: Their mean time in each stage, in ms.
    """

    at_s: float
    events: int
    worst_ms: float
    stages: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Told:
    """The result.

    Attributes:
        delays: For each stage and for ``all``: the 50th, 90th and 99th percentile and the maximum, in ms.
        slowest: The mean time in each stage of the slowest hundredth of all events, in ms.
        spells: The five spells with the slowest events.
    """

    delays: Mapping[str, Sequence[float]]
    slowest: Mapping[str, float]
    spells: Sequence[Spell]


def journeys(installation: RunningInstallation, name: str, subscription: str) -> Sequence[Journey]:
    """Return the journeys of the events that ``name`` got from ``subscription``, in the order of publishing."""
    times = {
        event_id(number, sent).decode(): (sent, came)
        for number, (sent, came) in enumerate(installation.receiver.times(name))
    }
    since_ms = min(sent for sent, _ in times.values()) // 1_000_000 - 1
    read = _Reader(installation.kafka, since_ms, times)
    accepted = read.all_of(EVENTS, _stamped)
    copied = read.all_of(f"es.sub.webhook.{subscription}", _stamped)
    begun = read.all_of(_ATTEMPTS, _attempted)
    return [
        Journey(sent / 1e6, accepted[key] + _FLOOR_MS, copied[key] + _FLOOR_MS, begun[key] + _FLOOR_MS, came / 1e6)
        for key, (sent, came) in times.items()
    ]


def tell(found: Sequence[Journey]) -> Told:
    """Summarize ``found`` in figures. No I/O."""
    by_stage = {stage: sorted(each.stages[index] for each in found) for index, stage in enumerate(STAGES)}
    by_stage["all"] = sorted(each.total for each in found)
    slow = sorted(sorted(found, key=lambda each: each.total)[-max(len(found) // 100, 1) :])
    return Told(
        {stage: [_share(ordered, share) for share in _SHARES] for stage, ordered in by_stage.items()},
        _means(slow),
        sorted(_spells(slow, found[0].published), key=lambda spell: -spell.worst_ms)[:_SPELLS],
    )


def lines(told: Told) -> Iterator[str]:
    """Format ``told`` for people to read."""
    for stage, (half, most, nearly_all, largest) in told.delays.items():
        slowest = f"{told.slowest[stage]:8.1f}" if stage in told.slowest else ""
        yield (
            f"    {stage:<14} p50 {half:7.1f}  p90 {most:7.1f}  p99 {nearly_all:7.1f}  most {largest:7.1f} ms"
            f"  of the slowest 1 %: {slowest}"
        )
    for spell in told.spells:
        where = ", ".join(f"{stage} {mean:.0f}" for stage, mean in spell.stages.items())
        yield f"    slow at {spell.at_s:5.1f} s: {spell.events:4} events, up to {spell.worst_ms:.0f} ms ({where})"


def _spells(slow: Sequence[Journey], start: float) -> Iterator[Spell]:
    run: list[Journey] = []
    for each in slow:
        if run and each.published - run[-1].published > _SPELL_MS:
            yield _spell(run, start)
            run = []
        run.append(each)
    if run:
        yield _spell(run, start)


def _spell(run: Sequence[Journey], start: float) -> Spell:
    return Spell((run[0].published - start) / 1000, len(run), max(each.total for each in run), _means(run))


def _means(found: Sequence[Journey]) -> Mapping[str, float]:
    return {stage: sum(each.stages[index] for each in found) / len(found) for index, stage in enumerate(STAGES)}


def _share(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class _Reader:
    """Reads topics from a point in time, until every wanted event was found."""

    def __init__(self, kafka: str, since_ms: int, wanted: Mapping[str, object]) -> None:
        self._kafka = kafka
        self._since_ms = since_ms
        self._wanted = wanted

    def all_of(self, topic: str, find: Callable[[Message], Iterator[tuple[str, float]]]) -> Mapping[str, float]:
        """Return for each wanted event the first time that ``find`` yields for it from the records of ``topic``.

        Raises:
            TimeoutError: some events were not found within ``_PATIENCE_S``.
        """
        consumer = Consumer({"bootstrap.servers": self._kafka, "group.id": "stages", "enable.auto.commit": False})
        found: dict[str, float] = {}
        try:
            numbers = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            asked = [TopicPartition(topic, number, self._since_ms) for number in numbers]
            consumer.assign(consumer.offsets_for_times(asked, timeout=10))
            deadline = time.monotonic() + _PATIENCE_S
            while len(found) < len(self._wanted):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{topic} tells of {len(found):,} of {len(self._wanted):,} events")
                for message in consumer.consume(1000, 0.2):
                    if message.error() is None:
                        for key, at in find(message):
                            if key in self._wanted:
                                found.setdefault(key, at)
        finally:
            consumer.close()
        return found


def _stamped(message: Message) -> Iterator[tuple[str, float]]:
    identity = dict(message.headers() or ()).get(ID)
    if isinstance(identity, bytes):
        yield identity.decode(), message.timestamp()[1]


def _attempted(message: Message) -> Iterator[tuple[str, float]]:
    for entry in decode(message.value() or b""):
        if entry is not None:
            yield entry.event_id, entry.at_ms
