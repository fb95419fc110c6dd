"""Kafka, a worker and its sink in memory, for property tests of settlement: what is lost here would be lost for good.

The lanes, the offset tracker, the retry wheel and the settler are the real ones. Broker, consumer and sink are models,
which a test can have do the worst that a real one may do, at any time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from typing_extensions import override

from eventstreams.headers import REASON, DeliveryProgress, Headers, routed_headers
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.commits import Commit
from eventstreams.kafka.producer import Acked, AckedProducer, Answer, NotAcked, Sendable
from eventstreams.kafka.records import Partition, Record
from eventstreams.retry import RetryWheel
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.sinks import Delivered, DeliveryOutcome, Rejected, RetryLater
from eventstreams.telemetry.metrics import Metrics
from eventstreams.topics import Topics, TopicSpec
from sink_workers.delivery.alone import Alone
from sink_workers.delivery.delivery import Delivery
from sink_workers.delivery.handlers import RetryHandler
from sink_workers.delivery.inbound import Undeliverable, read_progress
from sink_workers.delivery.settle import DeadLetter, Settler, expired
from sink_workers.lanes.handler import LaneHandle, Limits
from sink_workers.lanes.lane import Lane
from sink_workers.lanes.settled_ahead import AlreadySettled, from_note
from tests.support.no_log import no_log

TTL_MS: Final = 30_000
_START_MS: Final = 1_000_000
_SID: Final = new_sid(SidKind.SUBSCRIPTION)
_BUFFER_BYTES: Final = 20_000  # a dozen records: small enough to fill up now and then


class Mood(Enum):
    """What the broker does with a record that is sent to it."""

    UP = auto()
    REFUSING = auto()
    """Refuses it with an error."""
    DEAF = auto()
    """Stores it, but the acknowledgement is lost."""
    STUCK = auto()
    """Does not respond until the mood changes."""


class Broker(AckedProducer):
    """Topics in memory, and committed offsets. Outlives every worker."""

    def __init__(self, clock: Callable[[], int]) -> None:
        # Not super().__init__(): that would be a client of Kafka.
        self.mood = Mood.UP
        self.refused: set[str] = set()  # topics for which every record is too large
        self.refusals = 0
        self.logs: dict[Partition, list[Record]] = {}
        self.committed: dict[Partition, Commit] = {}
        self._ends: dict[Partition, int] = {}
        self._clock = clock
        self._changed = asyncio.Event()
        self._on_their_way: list[tuple[Partition, bytes, Headers]] = []

    def change(self, mood: Mood) -> None:
        self.mood = mood
        if mood is not Mood.STUCK:  # records sent by a dead worker arrive after all
            for sent in self._on_their_way:
                self.append(*sent)
            self._on_their_way.clear()
        self._changed.set()
        self._changed = asyncio.Event()

    @override
    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int = -1,
    ) -> Acked | NotAcked:
        await asyncio.sleep(0)
        try:
            while self.mood is Mood.STUCK:
                await self._changed.wait()
        except asyncio.CancelledError:
            self._on_their_way.append((Partition(topic, max(partition, 0)), value or b"", headers))
            raise
        if self.mood is Mood.REFUSING:
            return NotAcked("not now", retriable=True)
        if topic in self.refused:
            self.refusals += 1
            return NotAcked("Broker: Message size too large", retriable=False)
        record = self.append(Partition(topic, max(partition, 0)), value or b"", headers)
        await asyncio.sleep(0)
        if self.mood is Mood.DEAF:
            return NotAcked("timed out", retriable=True)
        return Acked(record.partition, record.offset, record.timestamp_ms)

    @override
    def enqueue_many(self, topic: str, records: Iterable[Sendable]) -> "asyncio.Future[list[Answer]]":
        sends = (self.send(topic, each.value, key=each.key, headers=each.headers) for each in records)
        return asyncio.ensure_future(_all(sends))

    def append(self, partition: Partition, value: bytes, headers: Headers, *, gap: int = 0) -> Record:
        """Append a record, leaving ``gap`` offsets unused before it."""
        offset = self._ends.get(partition, 0) + gap
        record = Record(partition.topic, partition.number, offset, None, value, headers, self._clock())
        self.logs.setdefault(partition, []).append(record)
        self._ends[partition] = offset + 1
        return record

    def uncommitted(self, partition: Partition) -> Sequence[Record]:
        """Return the records that a new owner of ``partition`` would read and not find settled already."""
        commit = self.committed.get(partition, Commit(0))
        records = [record for record in self.logs.get(partition, []) if record.offset >= commit.offset]
        ahead = from_note(commit.note, partition, commit.offset)
        before = AlreadySettled(ahead) if ahead else None
        return [record for record in records if before is None or not before.has(record)]


async def _all(sends: Iterable[Awaitable[Acked | NotAcked]]) -> list[Answer]:
    return [await send for send in sends]


class _Admin(KafkaAdmin):
    """All topics exist already."""

    def __init__(self) -> None:
        pass

    @override
    async def ensure(self, specs: Sequence[TopicSpec]) -> None:
        pass


@dataclass(eq=False)
class Attempt:
    """A batch that the sink has not answered yet."""

    records: Sequence[Record]
    answer: "asyncio.Future[Sequence[DeliveryOutcome]]"


class World:
    """Broker, worker and sink together. Runs on the event loop that it was created on; all times are that loop's."""

    def __init__(self, *, delays: str, partitions: int) -> None:
        self._loop = asyncio.get_running_loop()
        settings = Settings.load(retry_delays=delays, retry_partitions=partitions)
        topics = Topics(settings)
        self.broker = Broker(self.clock)
        self.subscription = Partition(topics.subscription("webhook", _SID), 0)
        self.dead_topic = topics.dead("webhook")
        self.retries = [Partition(topic, number) for topic in topics.retries("webhook") for number in range(partitions)]
        self.retrying = retry_handler(settings)
        self.limits = Limits(max_batch_events=1, max_batch_bytes=1 << 20, linger_s=0.0, max_in_flight=1)
        self.published: set[str] = set()
        self.delivered: set[str] = set()
        self.refused: set[str] = set()
        self.attempts: list[Attempt] = []
        self.crashes: list[BaseException] = []
        self.settler = Settler(
            settings,
            "webhook",
            producer=self.broker,
            alone=Alone(lambda: nullcontext(self.broker)),
            admin=_Admin(),
            attempt_log=no_log(settings, "webhook", metrics=Metrics(), clock=self.clock),
            metrics=Metrics(),
            clock=self.clock,
        )
        self.worker = Worker(self)

    def clock(self) -> int:
        return _START_MS + round(self._loop.time() * 1000)

    def publish(self, *, gap: int = 0, ttl_ms: int = TTL_MS) -> None:
        """Put a router's copy of a new event on the subscription's topic."""
        event_id = f"EZ{len(self.published)}"
        self.published.add(event_id)
        headers = routed_headers(
            [], accepted_at_ms=self.clock(), deadline_ms=self.clock() + ttl_ms, subscription_sid=_SID
        )
        self.broker.append(self.subscription, event_id.encode(), headers, gap=gap)

    def answer(self, attempt: Attempt, outcomes: Sequence[DeliveryOutcome]) -> None:
        """Let the sink answer. It keeps what it accepted, whatever becomes of the worker."""
        self.attempts.remove(attempt)
        if attempt.answer.done():
            return  # its worker is gone
        for record, outcome in zip(attempt.records, outcomes, strict=True):
            match outcome:
                case Delivered():
                    self.delivered.add(record.value.decode())
                case Rejected():
                    self.refused.add(record.value.decode())
                case RetryLater():
                    pass
        attempt.answer.set_result(outcomes)

    @property
    def dead(self) -> Mapping[str, Sequence[str]]:
        """Event ids of the dead letters, each with the reasons."""
        found: dict[str, list[str]] = {}
        for record in self.broker.logs.get(Partition(self.dead_topic, 0), []):
            found.setdefault(record.value.decode(), []).append(dict(record.headers)[REASON].decode())
        return found

    @property
    def owed(self) -> set[str]:
        """Events that a new owner of the partitions would find."""
        return {
            record.value.decode()
            for partition in (self.subscription, *self.retries)
            for record in self.broker.uncommitted(partition)
        }

    def new_worker(self) -> None:
        """Have a new worker take over from the last commit."""
        self.worker = Worker(self)


class Worker:
    """A process that has all partitions: it fetches and handles records, and commits what its lanes report."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.paused: set[Partition] = set()
        self._handlers = {partition: _Handler(world) for partition in (world.subscription, *world.retries)}
        self.lanes = {partition: self._lane(partition) for partition in self._handlers}
        self._left = {partition: list(world.broker.uncommitted(partition)) for partition in self.lanes}
        self._fetched = {partition: world.broker.committed.get(partition, Commit(0)).offset for partition in self.lanes}

    def fetch(self, partition: Partition, most: int) -> None:
        """Hand the next ``most`` records to the lane, unless it has paused its partition."""
        if partition in self.paused:
            return
        log = self._world.broker.logs.get(partition, [])
        records = [record for record in log if record.offset >= self._fetched[partition]][:most]
        if records:
            self._fetched[partition] = records[-1].offset + 1
            self.lanes[partition].offer(records)

    def commit(self) -> None:
        """Commit as the consumer does now and then."""
        for partition, lane in self.lanes.items():
            if lane.commit is not None:
                before = self._world.broker.committed.get(partition, Commit(0)).offset
                offset = lane.commit.offset
                assert offset >= before, f"{partition} is committed backwards, from {before} to {offset}"
                self._world.broker.committed[partition] = lane.commit

    def wake(self) -> None:
        for handler in self._handlers.values():
            handler.wake()

    async def drain(self, timeout_s: float) -> None:
        """Revoke its partitions gracefully."""
        await asyncio.gather(*(lane.drain(timeout_s) for lane in self.lanes.values()))
        self.commit()

    def abandon(self) -> None:
        """End it, or take its partitions away as lost: nothing of it is committed any more."""
        for lane in self.lanes.values():
            lane.abandon()

    def _lane(self, partition: Partition) -> Lane:
        return Lane(
            partition,
            self._handlers[partition],
            clock=self._world.clock,
            buffer_bytes=_BUFFER_BYTES,
            pause=self.paused.add,
            resume=self.paused.discard,
            on_crash=self._world.crashes.append,
            commit=self._world.broker.committed.get(partition),
        )


class _Handler:
    """``Delivery`` at its simplest: one attempt, then each record is settled by its outcome."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.wake: Callable[[], None] = lambda: None

    def limits(self, partition: Partition) -> Limits:
        return self._world.limits

    def ready_at_ms(self, record: Record) -> int:
        return 0 if record.topic == self._world.subscription.topic else self._world.retrying.ready_at_ms(record)

    def deadline_ms(self, record: Record) -> int:
        return progress_of(record).deadline_ms

    def attach(self, partition: Partition, wake: Callable[[], None]) -> Callable[[], None]:
        self.wake = wake
        return lambda: None

    async def handle(self, records: Sequence[Record], lane: LaneHandle) -> None:
        world, tried = self._world, []
        for record in records:
            progress = progress_of(record)
            if progress.deadline_ms <= world.clock():
                await world.settler.write_dead_letters([expired(record, progress)])
                lane.settled(record)
            elif progress.not_before_ms > world.clock():
                await self._write_if_dead(await world.settler.wait_on(record, progress))
                lane.settled(record)
            else:
                tried.append((record, progress))
        late = [record for record, progress in tried if progress.deadline_ms <= world.clock()]
        if not tried:
            return
        if late:  # Kafka delayed the others
            await self.handle([record for record, _ in tried], lane)
            return
        began_ms = world.clock()
        attempt = Attempt([record for record, _ in tried], asyncio.get_running_loop().create_future())
        world.attempts.append(attempt)
        outcomes = await attempt.answer
        for (record, progress), outcome in zip(tried, outcomes, strict=True):
            match outcome:
                case RetryLater():
                    found = await world.settler.retry(record, progress, outcome, began_ms=began_ms)
                    await self._write_if_dead(found)
                case Rejected():
                    await world.settler.reject(record, progress, outcome, began_ms=began_ms)
                case Delivered():
                    pass
            lane.settled(record)

    async def _write_if_dead(self, found: object) -> None:
        if isinstance(found, DeadLetter):
            await self._world.settler.write_dead_letters([found])


def progress_of(record: Record) -> DeliveryProgress:
    progress = read_progress(dict(record.headers))
    assert not isinstance(progress, Undeliverable), progress
    return progress


class _NoDelivery(Delivery):
    def __init__(self) -> None:
        pass


def retry_handler(settings: Settings) -> RetryHandler:
    """Return a retry handler that is only called when a record is ready."""
    wheel = RetryWheel(settings.retry_delays, partitions=settings.retry_partitions)
    return RetryHandler(_NoDelivery(), wheel, Topics(settings).retries("webhook"))
