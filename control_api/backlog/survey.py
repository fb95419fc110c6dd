"""Asks Kafka every 15 s how far everything is settled. Records are read only to tell them from transaction markers."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from control_api.backlog.figures import STILL_S, OldestSearch, PartitionLag, Progress, State, due_now
from control_api.backlog.gauges import BacklogGauges, TypeBacklog, Unrouted
from control_api.plane import ControlPlane
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import AccountStatus, Subscription
from eventstreams.errors import BrokerUnreachableError, TopicError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.committed import committed_offsets
from eventstreams.kafka.ranges import Range, RangeReader
from eventstreams.kafka.records import Partition
from eventstreams.process import Process
from eventstreams.retry import RetryWheel
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from eventstreams.times import Clock
from eventstreams.topics import Topics

_EVERY_S: Final = 15.0
_OVERDUE_MS: Final = 60_000
_DAY_S: Final = 86_400.0
_MOST_SEARCHED: Final = 256  # partitions of a group: those without progress for longest, which hold the oldest events
_MOST_MARKERS: Final = 100  # each transaction leaves one; a redrive makes one for some hundred events
_MOST_READ: Final = 32  # partitions that are read in one look
_READ_S: Final = 5.0

_log = get_logger(__name__)


@asynccontextmanager
async def surveying(process: Process, plane: ControlPlane) -> AsyncIterator[None]:
    """Export what waits inside the block, and nothing afterwards: then another process does."""
    gauges = BacklogGauges(process.metrics.backlogs, most_subscriptions=process.settings.metrics_subscriptions)
    survey = Survey(
        process.settings,
        admin=plane.admin,
        topics=plane.topics,
        feed=plane.feed,
        sink_types=list(plane.delivered_types),
        clock=plane.clock,
    )

    def ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()):
            process.crash(error)

    task = asyncio.create_task(_keep_looking(survey, gauges), name="backlog-survey")
    task.add_done_callback(ended)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        gauges.end()


async def _keep_looking(survey: "Survey", gauges: BacklogGauges) -> None:
    while True:
        try:
            types, unrouted = await survey.look()
        except (BrokerUnreachableError, TopicError) as error:
            _log.warning("backlog.unknown", error=str(error), follows="its figures become out of date")
        else:
            gauges.tell(types, unrouted)
        await asyncio.sleep(_EVERY_S)


class Survey:
    """Surveys all topics; remembers what has moved between two looks."""

    def __init__(
        self,
        settings: Settings,
        *,
        admin: KafkaAdmin,
        topics: Topics,
        feed: ControlFeed,
        sink_types: Sequence[str],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._admin = admin
        self._topics = topics
        self._feed = feed
        self._sink_types = sink_types
        self._clock = clock
        self._wheel = RetryWheel(self._settings.retry_delays, partitions=self._settings.retry_partitions)
        self._progress = Progress()
        self._looked_at: dict[Partition, tuple[int, int, bool]] = {}  # settled, end, whether there are records between

    async def look(self) -> tuple[Sequence[TypeBacklog], Unrouted]:
        """Find out what waits now.

        Raises:
            BrokerUnreachableError: no broker answered.
            TopicError: Kafka refused or did not answer a request.
        """
        topics = self._topics
        there = await self._admin.topics()
        subscriptions = {
            topics.subscription(each.sink_type, each.sid): each for each in self._feed.snapshot.subscriptions.values()
        }
        types = sorted({*self._sink_types, *(each.sink_type for each in subscriptions.values())})
        retries = {each: topics.retries(each, existing=there) for each in types}
        asked = [*subscriptions, *(name for each in retries.values() for name in each), topics.events]
        ranges: dict[str, list[Range]] = {}
        for found in await self._admin.ranges(asked, committed=True):
            ranges.setdefault(found.topic, []).append(found)

        routed = await self._lags("router", ranges.get(topics.events, ()))
        fresh: dict[str, list[PartitionLag]] = {}
        waiting: dict[str, list[PartitionLag]] = {}
        for each in types:
            mine = [name for name, subscription in subscriptions.items() if subscription.sink_type == each]
            fresh[each] = await self._lags(f"worker.{each}", _of(ranges, mine))
            waiting[each] = await self._lags(f"worker.{each}.retry", _of(ranges, retries[each]))
        now = time.monotonic()
        still = self._progress.look([*routed, *(lag for lags in fresh.values() for lag in lags)], now)
        fresh = await self._without_markers(fresh, still)
        groups = {
            (each, state): [lag for lag in fresh[each] if self._state(lag, subscriptions, still) is state]
            for each in types
            for state in State
        }
        oldest = await self._oldest({**groups, ("", State.MOVING): routed}, still)
        due, overdue = await self._due(retries, waiting)
        found_types = [
            TypeBacklog(
                sink_type=each,
                events={state: sum(lag.waiting for lag in groups[each, state]) for state in State},
                oldest_s={state: oldest[each, state] for state in State},
                retries=sum(lag.waiting for lag in waiting[each]),
                due=due.get(each, 0),
                overdue=overdue.get(each, 0),
                subscriptions=_by_subscription(fresh[each], still),
            )
            for each in types
        ]
        return found_types, Unrouted(sum(lag.waiting for lag in routed), oldest["", State.MOVING])

    async def _lags(self, role: str, ranges: Sequence[Range]) -> list[PartitionLag]:
        partitions = [Partition(each.topic, each.partition) for each in ranges]
        if not partitions:
            return []
        group = self._topics.group(role)
        settled = await committed_offsets(self._settings, group, partitions)
        return [
            PartitionLag(at, max(settled.get(at, each.first), each.first), each.end)
            for at, each in zip(partitions, ranges, strict=True)
        ]

    def _state(
        self, lag: PartitionLag, subscriptions: Mapping[str, Subscription], still: Mapping[Partition, float]
    ) -> State:
        subscription, snapshot = subscriptions[lag.partition.topic], self._feed.snapshot
        sink, account = snapshot.sinks.get(subscription.sink_sid), snapshot.accounts.get(subscription.account_sid)
        suspended = account is not None and snapshot.status_of(account) is AccountStatus.SUSPENDED
        paused = subscription.paused or suspended or (sink is not None and sink.paused)
        if paused:
            return State.PAUSED
        return State.STILL if still[lag.partition] >= STILL_S else State.MOVING

    async def _without_markers(
        self, fresh: Mapping[str, Sequence[PartitionLag]], still: Mapping[Partition, float]
    ) -> dict[str, list[PartitionLag]]:
        """``fresh``, with nothing waiting where only markers of transactions are left, which redrives cause."""
        doubtful = [
            lag
            for lags in fresh.values()
            for lag in lags
            if 0 < lag.waiting <= _MOST_MARKERS and still[lag.partition] > 0
        ]
        known = {at: kept for at, kept in self._looked_at.items() if at in {lag.partition for lag in doubtful}}
        unknown = [lag for lag in doubtful if known.get(lag.partition, ())[:2] != (lag.settled, lag.end)]
        known |= await self._look_into(unknown[:_MOST_READ])
        self._looked_at = known
        empty = {at for at, (_, _, has_records) in known.items() if not has_records}
        return {
            sink_type: [
                PartitionLag(lag.partition, lag.end, lag.end)
                if lag.partition in empty and known[lag.partition][:2] == (lag.settled, lag.end)
                else lag
                for lag in lags
            ]
            for sink_type, lags in fresh.items()
        }

    async def _look_into(self, lags: Sequence[PartitionLag]) -> dict[Partition, tuple[int, int, bool]]:
        """For each of ``lags``, whether there is a record before its end; left out if that could not be found out."""
        if not lags:
            return {}
        ends = {lag.partition: lag for lag in lags}
        found: set[Partition] = set()
        ranges = [Range(*lag.partition, lag.settled, lag.end) for lag in lags]
        async with RangeReader(self._settings, ranges) as reader:
            deadline = time.monotonic() + _READ_S
            while not reader.ended and time.monotonic() < deadline:
                found.update(Partition(each.topic, each.partition) for each in await reader.read(_MOST_MARKERS))
            positions = reader.positions
        return {
            at: (lag.settled, lag.end, at in found)
            for at, lag in ends.items()
            if at in found or positions[at] >= lag.end
        }

    async def _oldest(
        self, groups: Mapping[tuple[str, State], Sequence[PartitionLag]], still: Mapping[Partition, float]
    ) -> Mapping[tuple[str, State], float]:
        longest_s = self._settings.ttl.total_seconds() + _DAY_S  # Kafka keeps nothing on those topics for longer
        searches: dict[tuple[str, State], OldestSearch] = {}
        for key, lags in groups.items():
            waiting = [lag for lag in lags if lag.waiting]
            waiting.sort(key=lambda lag: still[lag.partition], reverse=True)
            searches[key] = OldestSearch(waiting[:_MOST_SEARCHED], longest_s=longest_s)
        while questions := {key: asked for key, search in searches.items() if (asked := search.question)}:
            now_ms = self._clock()
            times = {at: now_ms - int(ago_s * 1000) for ats, ago_s in questions.values() for at in ats}
            offsets = await self._admin.offsets_at(times)
            for key in questions:
                searches[key].answer(offsets)
        return {key: search.age_s for key, search in searches.items()}

    async def _due(
        self, retries: Mapping[str, Mapping[str, timedelta]], waiting: Mapping[str, Sequence[PartitionLag]]
    ) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """By sink type: the retries that became due less than a minute ago, and those that did before."""
        delays = {name: delay for topics in retries.values() for name, delay in topics.items()}
        now_ms = self._clock()
        put_ms = {
            lag.partition: now_ms - self._wheel.wait_ms(delays[lag.partition.topic], lag.partition.number)
            for lags in waiting.values()
            for lag in lags
            if lag.waiting
        }
        sums: list[Mapping[str, int]] = []
        for back_ms in (0, _OVERDUE_MS):
            offsets = await self._admin.offsets_at({at: when - back_ms for at, when in put_ms.items()})
            sums.append(
                {
                    each: sum(due_now(lag, offsets[lag.partition]) for lag in lags if lag.partition in offsets)
                    for each, lags in waiting.items()
                }
            )
        due, overdue = sums
        return {each: due[each] - overdue[each] for each in due}, overdue


def _of(ranges: Mapping[str, Sequence[Range]], topics: Iterable[str]) -> Sequence[Range]:
    return [found for topic in topics for found in ranges.get(topic, ())]


def _by_subscription(lags: Iterable[PartitionLag], still: Mapping[Partition, float]) -> Mapping[str, tuple[int, float]]:
    found: dict[str, tuple[int, float]] = {}
    for lag in lags:
        if lag.waiting:
            sid = Topics.subscription_of(lag.partition.topic)
            events, still_s = found.get(sid, (0, 0.0))
            found[sid] = (events + lag.waiting, max(still_s, still[lag.partition]))
    return found
