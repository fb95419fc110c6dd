"""The detour for topics that accept no copies for now: a retry topic, from which a copy is delivered all the same.

A topic may have no leader, or too few in-sync replicas, for hours. Its subscription's copies then go to a retry topic,
which the workers read anyway, so that the offsets of all other events can advance. No I/O; reads clocks only.
"""

import time
from binascii import crc32
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Final

from eventstreams.headers import ATTEMPT, NOT_BEFORE, ORIGIN, Headers
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from eventstreams.times import now_ms
from eventstreams.topics import Topics
from router.planning.plan import Copy

_log = get_logger(__name__)
_LOOK_S: Final = 5.0  # between two copies that probe whether the topic accepts them again
_FORGET_S: Final = 600.0  # without events for a topic, its routes are looked up: its subscription may be gone
_OF_THE_WAY_AROUND: Final = frozenset({ATTEMPT, ORIGIN, NOT_BEFORE})


@dataclass(slots=True)
class _Avoided:
    """An avoided topic.

    Attributes:
        look_at: When the next probe may be sent.
        used_at: When there was last a copy for it, or its routes were last looked up.
        partitions: Those that accepted nothing. That another partition accepts a copy says nothing about them.
    """

    look_at: float
    used_at: float
    partitions: set[int]


class AvoidedTopics:
    """Which topics are avoided, and where their copies go meanwhile. Only for the lane's thread."""

    def __init__(
        self,
        settings: Settings,
        *,
        tell: Callable[[int], None],
        wanted: Callable[[], Container[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with nothing to avoid.

        Args:
            settings: Topic names and retry settings.
            tell: Called with the number of avoided topics whenever it changes.
            wanted: Returns all topics that a route leads to; may be slow.
            clock: Monotonic, in seconds.
        """
        self._topics = Topics(settings)
        self._delays = settings.retry_delays
        self._partitions = settings.retry_partitions
        self._tell = tell
        self._wanted = wanted
        self._clock = clock
        self.avoided: dict[str, _Avoided] = {}
        self._slots: dict[tuple[str, int], float] = {}  # retry partitions that failed, too: until when

    def avoids(self, copy: Copy) -> bool:
        """Return whether ``copy`` must not be sent to its own topic and partition now."""
        if copy.home is not None:
            return self._slots.get((copy.topic, copy.partition), 0.0) > self._clock()
        return copy.topic in self.avoided

    def avoid(self, copy: Copy, partition: int) -> None:
        """Avoid, for now, the destination of ``copy``: its own topic, or a partition of a retry topic.

        ``partition`` is the one that did not accept it; -1 if unknown.
        """
        now = self._clock()
        if copy.home is not None:
            self._slots[copy.topic, copy.partition] = now + _FORGET_S
            return
        known = self.avoided.get(copy.topic)
        if known is None:
            _log.warning("topic.avoided", topic=copy.topic, follows="its events go to a retry topic in the meantime")
        partitions = {partition} if known is None else {*known.partitions, partition}
        self.avoided[copy.topic] = _Avoided(now + _LOOK_S, now, partitions)
        self._tell(len(self.avoided))

    def forget(self) -> None:
        """Stop avoiding topics that no route leads to any more: they get no copies that could probe them.

        A topic that is only quiet stays avoided: tried like any other, it would stall all routing each time.
        """
        now = self._clock()
        due = [each for each in self.avoided.items() if each[1].used_at + _FORGET_S < now]
        wanted = self._wanted() if due else ()  # called once: there can be a hundred thousand
        for topic, known in due:
            if topic in wanted:
                known.used_at = now
            else:
                del self.avoided[topic]
                self._tell(len(self.avoided))

    def take_back(self, topic: str, partition: int) -> None:
        """Note that ``partition`` of ``topic`` accepted a copy; use the topic again once all its partitions do."""
        known = self.avoided.get(topic)
        if known is None:
            return
        known.partitions -= {partition, -1}
        known.look_at = self._clock()  # probe the next partition at once
        if not known.partitions:
            del self.avoided[topic]
            _log.warning("topic.taken_back", topic=topic)
            self._tell(len(self.avoided))

    def partition_of(self, topic: str) -> int:
        """Return which partition of the avoided ``topic`` to probe next; -1 for any."""
        return max(self.avoided[topic].partitions)

    def is_due(self, topic: str) -> bool:
        """Return whether it is time to probe the avoided ``topic``."""
        return self.avoided[topic].look_at <= self._clock()

    def sent(self, topic: str) -> None:
        """Note that a probe of ``topic`` is under way: the next one is due after ``_LOOK_S``."""
        known, now = self.avoided[topic], self._clock()
        known.look_at, known.used_at = now + _LOOK_S, now

    def around(self, copy: Copy) -> Copy:
        """Return ``copy`` redirected to a retry topic; as it originally was if no retry partition accepts anything.

        All copies of one topic take the same partition, so that they stay in order on the detour.
        """
        home = copy.topic if copy.home is None else copy.home
        if home in self.avoided:
            self.avoided[home].used_at = self._clock()
        slots, now = self._slots_of(home), self._clock()
        first = crc32(home.encode())
        for step in range(len(slots)):
            topic, partition = slots[(first + step) % len(slots)]
            if self._slots.get((topic, partition), now) <= now:
                headers = copy.headers if copy.home is not None else _due_now(copy.headers, home)
                return Copy(topic, headers, partition, home)
        self._slots.clear()
        return copy if copy.home is None else Copy(home, _as_at_first(copy.headers))

    def home_of(self, topic: str, headers: Headers) -> str | None:
        """Return which topic a copy with ``headers``, sent to ``topic``, makes a detour around; None if it is none."""
        origin = dict(headers).get(ORIGIN) if self._topics.sink_type_of_retry(topic) else None
        return None if origin is None else origin.decode()

    def _slots_of(self, home: str) -> Sequence[tuple[str, int]]:
        """Return the partitions of the retry topic with the shortest delay: copies there wait the least."""
        topic = self._topics.retry(self._topics.sink_type_of(home), self._delays[0])
        return [(topic, partition) for partition in range(self._partitions)]


def _due_now(headers: Headers, home: str) -> list[tuple[str, bytes]]:
    """Return ``headers`` as if a first attempt had been postponed until now. ``home`` itself has no such record."""
    return [*headers, (ATTEMPT, b"1"), (ORIGIN, home.encode()), (NOT_BEFORE, b"%d" % now_ms())]


def _as_at_first(headers: Headers) -> list[tuple[str, bytes]]:
    return [header for header in headers if header[0] not in _OF_THE_WAY_AROUND]
