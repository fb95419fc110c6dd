"""Measures what the processes and topics of a cluster on this machine use during a run, and how fast that grows."""

import asyncio
import itertools
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from eventstreams.settings import PREFIX

_STEP_S: Final = 5.0
_MOST: Final = 1_000
_HOUR_S: Final = 3_600.0
_LEAST: Final = 12  # samples that a slope needs
_WARM_S: Final = 600.0  # after the start of a process or of the run: one-time allocations are over by then
_LEAST_S: Final = 240.0  # that the samples must span, as a minute says nothing about an hour
_BLOCK: Final = 512  # bytes per block of st_blocks
_MIB: Final = 1 << 20
_PAIRED: Final = 120  # the most samples that are compared pairwise
_NOT_OURS: Final = "kafka"
_FAMILIES: Final = ("events", "sub", "retry", "dead", "attempts", "control")

MOST_MEMORY_SHARE: Final = 0.1
"""The share of its memory by which a process may grow while it is observed."""
MOST_MEMORY_MIB: Final = 16.0
"""The memory by which a process may grow while it is observed, however small it is."""
MOST_HANDLES: Final = 5.0
"""The descriptors, or threads, by which a process may grow while it is observed."""


@dataclass(frozen=True, slots=True)
class Use:
    """What a process used ``at_s`` seconds after the run began. ``memory_mib``: resident memory, including shared."""

    at_s: float
    memory_mib: float
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Life:
    """One process, from when it was first seen until it or the run ended."""

    name: str
    pid: int
    uses: list[Use] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Growth:
    """The growth of a process in the second half of the run or, if it started later, from ten minutes after its start.

    Attributes:
        seconds: How much of that time the process lived.
        memory_mib, descriptors, threads: Medians.
        memory_an_hour, descriptors_an_hour, threads_an_hour: The median of the slopes between any two samples
            (Theil-Sen estimator), which ignores a single step, such as one more connection for each of twenty clients,
            but not a leak.
    """

    name: str
    pid: int
    seconds: float
    memory_mib: float
    descriptors: float
    threads: float
    memory_an_hour: float
    descriptors_an_hour: float
    threads_an_hour: float

    @property
    def is_judged(self) -> bool:
        """Whether its growth is judged: a broker's is only reported."""
        return self.name != _NOT_OURS

    @property
    def problems(self) -> Sequence[str]:
        """What grows too much; always empty for a broker, which fills its heap and maps its files."""
        if not self.is_judged:
            return ()
        found = []
        hours = self.seconds / _HOUR_S
        if self.memory_an_hour * hours > max(MOST_MEMORY_SHARE * self.memory_mib, MOST_MEMORY_MIB):
            found.append(f"memory, {self.memory_mib:.0f} MiB, by {self.memory_an_hour:.0f} MiB per hour")
        for what, count, slope in (
            ("descriptors", self.descriptors, self.descriptors_an_hour),
            ("threads", self.threads, self.threads_an_hour),
        ):
            if slope * hours > MOST_HANDLES:
                found.append(f"{what}, {count:.0f}, by {slope:.0f} an hour")
        return found


@dataclass(frozen=True, slots=True)
class TopicSize:
    """What all replicas of the topics of one kind take on the brokers' disks; ``bytes_then`` is half-way through."""

    kind: str
    bytes_then: int
    bytes_now: int


@dataclass(frozen=True, slots=True)
class Usage:
    """The results of ``Watch``: processes, the growth of those that lived long enough, and topics."""

    growths: Sequence[Growth] = ()
    lives: Sequence[Life] = ()
    topics: Sequence[TopicSize] = ()


class Watch:
    """Samples every process that this one has started, and the brokers' files."""

    def __init__(self, data: Path, *, began: float) -> None:
        """``data``: where the cluster keeps its data. ``began``: ``time.monotonic()`` when the run began."""
        self._data = data
        self._began = began
        self._step_s = _STEP_S
        self._lives: dict[tuple[int, float], Life | None] = {}  # None: it does not belong to the cluster
        self._sizes: list[tuple[float, Mapping[str, int]]] = []
        self._rounds = 0

    async def keep(self) -> None:
        """Take samples at a steady rate, forever; if there are too many, drop half of them and halve the rate."""
        while True:
            await asyncio.to_thread(self.take)
            await asyncio.sleep(self._step_s)

    def take(self) -> None:
        """Take one sample of everything."""
        at_s = time.monotonic() - self._began
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):  # it has just ended
                self._look(process, at_s)
        self._sizes.append((at_s, sizes_by_kind(self._data)))
        self._rounds += 1
        if self._rounds > _MOST:
            self._rounds //= 2
            self._step_s *= 2
            del self._sizes[1::2]
            for life in self._lives.values():
                if life is not None:
                    del life.uses[1::2]

    def usage(self) -> Usage:
        """The results so far."""
        until_s = self._sizes[-1][0] if self._sizes else 0.0
        known = list(self._lives.values())  # a copy, as the sampling thread may add one meanwhile
        lives = [life for life in known if life is not None and life.uses]
        half = [sizes for at_s, sizes in self._sizes if at_s <= until_s / 2]
        last = self._sizes[-1][1] if self._sizes else {}
        then = half[-1] if half else {}
        topics = [TopicSize(kind, then.get(kind, 0), size) for kind, size in sorted(last.items())]
        return Usage(list(growths_of(lives, until_s)), lives, topics)

    def _look(self, process: psutil.Process, at_s: float) -> None:
        key = (process.pid, process.create_time())
        if key not in self._lives:
            name = _name_of(process)
            self._lives[key] = None if name is None else Life(name, process.pid)
        life = self._lives[key]
        if life is not None:
            with process.oneshot():
                life.uses.append(Use(at_s, process.memory_info().rss / _MIB, process.num_fds(), process.num_threads()))


def growths_of(lives: Iterable[Life], until_s: float) -> Iterator[Growth]:
    """The growth of each process that lived for half of the second half of a run of ``until_s`` seconds, by name.

    Empty for runs shorter than eight minutes.
    """
    for life in sorted(lives, key=lambda each: (each.name, each.pid)):
        began_s = life.uses[0].at_s
        from_s = max(until_s / 2, began_s + min(_WARM_S, until_s / 2))
        uses = [use for use in life.uses if use.at_s >= from_s]
        if len(uses) < _LEAST or uses[-1].at_s - uses[0].at_s < max(until_s / 4, _LEAST_S):
            continue
        at = [use.at_s for use in uses]
        columns = (
            [use.memory_mib for use in uses],
            [float(use.descriptors) for use in uses],
            [float(use.threads) for use in uses],
        )
        medians = [statistics.median(column) for column in columns]
        slopes = [_slope(at, column) * _HOUR_S for column in columns]
        yield Growth(
            life.name,
            life.pid,
            at[-1] - at[0],
            memory_mib=medians[0],
            descriptors=medians[1],
            threads=medians[2],
            memory_an_hour=slopes[0],
            descriptors_an_hour=slopes[1],
            threads_an_hour=slopes[2],
        )


def _slope(at: Sequence[float], values: Sequence[float]) -> float:
    """The median of the slopes between any two of at most ``_PAIRED`` points, in units per second."""
    every = -(-len(at) // _PAIRED)
    points = list(zip(at[::every], values[::every], strict=True))
    return statistics.median(
        (value - before) / (moment - earlier)
        for (earlier, before), (moment, value) in itertools.combinations(points, 2)
    )


def sizes_by_kind(data: Path) -> Mapping[str, int]:
    """Bytes on disk of all partitions below ``data``, by kind of topic: ``es.retry``, ``Kafka's own`` and so on."""
    found: dict[str, int] = defaultdict(int)
    for folder, _, files in os.walk(data):
        topic, _, partition = Path(folder).name.rpartition("-")
        if topic and partition.isdecimal() and any(name.endswith(".log") for name in files):
            for name in files:
                with suppress(OSError):  # it was just deleted
                    found[_kind_of(topic)] += Path(folder, name).stat().st_blocks * _BLOCK
    return found


def _kind_of(topic: str) -> str:
    if topic.startswith("__"):
        return "Kafka's own"
    for family in _FAMILIES:
        if f".{family}" in topic:
            return f"es.{family}"
    return "others"


def _name_of(process: psutil.Process) -> str | None:
    """Its role, or its instance name if it has one; None if it does not belong to the cluster."""
    words = process.cmdline()
    if any(word == "kafka.Kafka" for word in words):
        return "kafka"
    after_module = words[words.index("-m") + 1 :] if "-m" in words else []
    if after_module[:1] != ["eventstreams"] or len(after_module) < 2:  # noqa: PLR2004 - the module, and a role
        return None
    role = "-".join(after_module[1:3] if after_module[1] == "worker" else after_module[1:2])
    instance = process.environ().get(f"{PREFIX}INSTANCE", "")
    return instance if instance.startswith(role) else role
