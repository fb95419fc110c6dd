"""Finds what waits for its first attempt, from Kafka's offsets. Concurrent callers share one look at Kafka."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from control_api.plane import ControlPlane
from control_api.redrive.service import RedriveService
from eventstreams.control.records import SinkRecord, Subscription
from eventstreams.errors import EventStreamsError
from eventstreams.headers import ACCEPTED_AT
from eventstreams.kafka.committed import committed_offsets
from eventstreams.kafka.ranges import Range, RangeReader
from eventstreams.kafka.records import Partition

FRESH_S: Final = 5.0
"""How old an answer may be: however many screens ask every second, Kafka is asked once in this time."""
_MOST_KEPT: Final = 1_000  # sinks and accounts, each with up to 100 subscriptions: 10 MiB
_HEADS: Final = 10  # offsets among which the first waiting record is looked for: some are not records
_READ_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits on one subscription's topic.

    Attributes:
        events: The number of events at most: transaction markers, which redrives leave on a topic, count as well.
        oldest_ms: When the first of them was accepted; None if nothing waits or that could not be read.
    """

    events: int
    oldest_ms: int | None


@dataclass(slots=True)
class _Known:
    """What is known of a sink or account.

    Attributes:
        asking: Held while Kafka is asked.
        at_s: When ``waiting`` was asked for.
        waiting: What waits, by the subscription's SID.
        looks: How often Kafka was asked.
        failure: The error of the last look, if it failed.
    """

    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    at_s: float = 0.0
    waiting: Mapping[str, Waiting] | None = None
    looks: int = 0
    failure: EventStreamsError | None = None


class Backlogs:
    """The backlogs of all sinks and accounts, cached for some seconds."""

    def __init__(
        self, plane: ControlPlane, redrives: RedriveService, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._plane = plane
        self._redrives = redrives
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def of(self, sink: SinkRecord, subscriptions: Sequence[Subscription]) -> Mapping[str, Waiting]:
        """What waits for each of ``subscriptions``, which are those of ``sink``, by SID.

        Raises:
            TopicError: Kafka did not answer.
            RefusedError: too many requests are waiting.
        """
        return await self._of(sink.sid, sink.account_sid, subscriptions)

    async def of_account(self, account_sid: str, subscriptions: Sequence[Subscription]) -> Mapping[str, Waiting]:
        """What waits for each of ``subscriptions``, which are all of the account's, by SID. Raises like ``of``."""
        return await self._of(account_sid, account_sid, subscriptions)

    async def _of(self, sid: str, account_sid: str, subscriptions: Sequence[Subscription]) -> Mapping[str, Waiting]:
        known = self._known.setdefault(sid, _Known())
        self._known.move_to_end(sid)
        if len(self._known) > _MOST_KEPT:
            self._known.popitem(last=False)
        looks = known.looks
        async with known.asking:
            if known.looks != looks and known.failure is not None:  # failed meanwhile: do not repeat it
                raise known.failure.with_traceback(None)
            wanted = {each.sid for each in subscriptions}
            waiting = known.waiting if self._clock() < known.at_s + FRESH_S else None
            if waiting is None or wanted - waiting.keys():
                at_s = self._clock()
                try:
                    async with self._redrives.reading.slot(account_sid):
                        waiting = await self._ask(subscriptions)
                except EventStreamsError as error:
                    known.looks, known.failure = known.looks + 1, error
                    raise
                known.looks, known.failure = known.looks + 1, None
                known.at_s, known.waiting = at_s, waiting
            return waiting

    async def _ask(self, subscriptions: Sequence[Subscription]) -> Mapping[str, Waiting]:
        topics = {self._plane.topics.subscription(each.sink_type, each.sid): each for each in subscriptions}
        there = await self._plane.admin.ranges(list(topics))
        settled: dict[Partition, int] = {}
        for sink_type in sorted({each.sink_type for each in subscriptions}):
            group = self._plane.topics.group(f"worker.{sink_type}")
            partitions = [Partition(e.topic, e.partition) for e in there if topics[e.topic].sink_type == sink_type]
            settled |= await committed_offsets(self._redrives.settings, group, partitions) if partitions else {}
        left = [
            Range(
                each.topic,
                each.partition,
                max(each.first, settled.get(Partition(each.topic, each.partition), 0)),
                each.end,
            )
            for each in there
        ]
        oldest, empty = await self._heads([each for each in left if each.records])
        left = [each for each in left if Partition(each.topic, each.partition) not in empty]
        return {
            each.sid: Waiting(sum(part.records for part in left if part.topic == topic), oldest.get(topic))
            for topic, each in topics.items()
        }

    async def _heads(self, left: Sequence[Range]) -> tuple[Mapping[str, int], Container[Partition]]:
        """Read the first records of ``left``, for at most five seconds.

        Returns:
            When the first record of each topic was accepted, and the partitions with nothing but transaction markers.
        """
        heads = [Range(each.topic, each.partition, each.first, min(each.end, each.first + _HEADS)) for each in left]
        found: dict[str, int] = {}
        if not heads:
            return found, ()
        empty = {Partition(each.topic, each.partition): each.end for each in left if each.records <= _HEADS}
        async with RangeReader(self._redrives.settings, heads) as reader:
            deadline = time.monotonic() + _READ_S
            while not reader.ended and time.monotonic() < deadline:
                for record in await reader.read(_HEADS):
                    empty.pop(Partition(record.topic, record.partition), None)
                    text = dict(record.headers).get(ACCEPTED_AT, b"")
                    if text.isdigit():
                        found[record.topic] = min(found.get(record.topic, int(text)), int(text))
            reached = reader.positions
        return found, {at for at, end in empty.items() if reached[at] >= end}


BACKLOGS: Final = web.AppKey("backlogs", Backlogs)
