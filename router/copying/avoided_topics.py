"""The way around topics that take no copies now: a retry topic, from which a copy is delivered all the same.

A topic may have no leader, or too few replicas in step, for hours. What its subscription is owed then goes where the
workers look anyway, and the offsets of all others' events go on. Pure, but for its clocks.
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
_LOOK_S: Final = 5.0  # between two copies that are sent to see whether the topic takes them again
_FORGET_S: Final = 600.0  # a topic that nobody had an event for is looked after then: its subscription may be gone
_OF_THE_WAY_AROUND: Final = frozenset({ATTEMPT, ORIGIN, NOT_BEFORE})


@dataclass(slots=True)
class _Avoided:
    """``look_at``: when the next copy is sent there; ``used_at``: when there was one to send, or a look for routes.

    ``partitions``: those that took nothing. A copy that another one takes says nothing of them.
    """

    look_at: float
    used_at: float
    partitions: set[int]


class AvoidedTopics:
    """Which topics are avoided, and where their copies go meanwhile. For the lane's thread alone."""

    def __init__(
        self,
        settings: Settings,
        *,
        tell: Callable[[int], None],
        wanted: Callable[[], Container[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Avoids nothing yet.

        Args:
            settings: Which topics.
            tell: Hears how many topics are avoided, whenever that changes.
            wanted: The topics that any route leads to. May take its time.
            clock: In s.
        """
        self._topics = Topics(settings)
        self._delays = settings.retry_delays
        self._partitions = settings.retry_partitions
        self._tell = tell
        self._wanted = wanted
        self._clock = clock
        self.avoided: dict[str, _Avoided] = {}
        self._slots: dict[tuple[str, int], float] = {}  # of retry topics that took nothing either: until when

    def avoids(self, copy: Copy) -> bool:
        """Whether ``copy`` is not to go where it says."""
        if copy.home is not None:
            return self._slots.get((copy.topic, copy.partition), 0.0) > self._clock()
        return copy.topic in self.avoided

    def avoid(self, copy: Copy, partition: int) -> None:
        """Let nothing go where ``copy`` was to go, its own topic or a partition of a retry topic, for now.

        ``partition`` is the one that did not take it; -1 where that is not known.
        """
        now = self._clock()
        if copy.home is not None:
            self._slots[copy.topic, copy.partition] = now + _FORGET_S
            return
        known = self.avoided.get(copy.topic)
        if known is None:
            _log.warning("topic.avoided", topic=copy.topic, follows="its events take a retry topic meanwhile")
        partitions = {partition} if known is None else {*known.partitions, partition}
        self.avoided[copy.topic] = _Avoided(now + _LOOK_S, now, partitions)
        self._tell(len(self.avoided))

    def forget(self) -> None:
        """Avoid no topic that no route leads to any more: nobody would ever find out that it takes copies, or is gone.

        One that is only quiet stays: tried like any other, it would make everybody wait each time.
        """
        now = self._clock()
        due = [each for each in self.avoided.items() if each[1].used_at + _FORGET_S < now]
        wanted = self._wanted() if due else ()  # once: there can be a hundred thousand
        for topic, known in due:
            if topic in wanted:
                known.used_at = now
            else:
                del self.avoided[topic]
                self._tell(len(self.avoided))

    def take_back(self, topic: str, partition: int) -> None:
        """``partition`` of ``topic`` took a copy. Once all of them do, so does the topic."""
        known = self.avoided.get(topic)
        if known is None:
            return
        known.partitions -= {partition, -1}
        known.look_at = self._clock()  # at the next one, at once
        if not known.partitions:
            del self.avoided[topic]
            _log.warning("topic.taken_back", topic=topic)
            self._tell(len(self.avoided))

    def partition_of(self, topic: str) -> int:
        """Which partition of ``topic``, which is avoided, is to be looked at next; -1: any."""
        return max(self.avoided[topic].partitions)

    def is_due(self, topic: str) -> bool:
        """Whether it is time to see if ``topic``, which is avoided, takes a copy."""
        return self.avoided[topic].look_at <= self._clock()

    def sent(self, topic: str) -> None:
        """A copy is on its way to ``topic`` to see whether it takes it: no other need be for a while."""
        known, now = self.avoided[topic], self._clock()
        known.look_at, known.used_at = now + _LOOK_S, now

    def around(self, copy: Copy) -> Copy:
        """``copy`` on its way around; as it first was where no retry topic takes anything.

        All that one topic is owed takes the same partition, so that it keeps its order on the way.
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
        """Which topic a copy with these ``headers``, that goes to ``topic``, is on its way around; None: it is not."""
        origin = dict(headers).get(ORIGIN) if self._topics.sink_type_of_retry(topic) else None
        return None if origin is None else origin.decode()

    def _slots_of(self, home: str) -> Sequence[tuple[str, int]]:
        """Those of the shortest delay: what has to wait there is soon out of the way."""
        topic = self._topics.retry(self._topics.sink_type_of(home), self._delays[0])
        return [(topic, partition) for partition in range(self._partitions)]


def _due_now(headers: Headers, home: str) -> list[tuple[str, bytes]]:
    """As if the first attempt of what is on ``home`` had been put off until now. ``home`` holds no record of it."""
    return [*headers, (ATTEMPT, b"1"), (ORIGIN, home.encode()), (NOT_BEFORE, b"%d" % now_ms())]


def _as_at_first(headers: Headers) -> list[tuple[str, bytes]]:
    return [header for header in headers if header[0] not in _OF_THE_WAY_AROUND]
