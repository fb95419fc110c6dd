"""A batch as ``Delivery`` takes it apart: each record goes to the sink of its own subscription."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Final, cast

import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from structlog.testing import capture_logs
from typing_extensions import override

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import SubscribedType, Subscription
from eventstreams.control.snapshot import Snapshot
from eventstreams.headers import TRACEPARENT, DeliveryProgress, routed_headers
from eventstreams.kafka.records import Record
from eventstreams.reasons import DeadReason
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.sinks import Capabilities, Delivered, DeliveryOutcome, OutboundEvent, RetryLater, RetryReason, Sink
from eventstreams.telemetry.metrics import Metrics
from eventstreams.telemetry.trace_context import TraceContext
from eventstreams.telemetry.tracing import Tracing
from producers.encoder import EncodedEvent, EventEncoder
from sink_workers.delivery.attempt_entries import Rest
from sink_workers.delivery.delivery import Delivery
from sink_workers.delivery.inbound import read_event, read_progress
from sink_workers.delivery.pending import PendingDelivery, first_batch
from sink_workers.delivery.settle import DeadLetter, Settler
from sink_workers.delivery.sink_pool import OpenSink, SinkPool
from sink_workers.gates.gate import GateState
from sink_workers.gates.gates import Gates, steady_ms
from sink_workers.lanes.handler import LaneHandle
from sink_workers.lanes.offsets import OffsetTracker
from sink_workers.notices import FailureNotices
from tests.support.events import SENT, message_event
from tests.support.no_log import no_log
from tests.support.topic import eventually

ACCOUNT: Final = "AC" + "1" * 32
CODEC: Final = Codec(Catalog.load(), schema_base_url="https://schemas.example.com")
NOW_MS: Final = 1_000_000


class Feed:
    """The control topic, of which all is known."""

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        self.snapshot = Snapshot()
        self.snapshot.subscriptions.update({each.sid: each for each in subscriptions})

    def listen(self, listener: object) -> None:
        """Nothing changes."""


class Pool:
    """Sinks that take everything, and remember what. The first ``failures`` deliveries fail, and those with ``bad``."""

    def __init__(
        self, *, failures: int = 0, bad: Sequence[str] = (), tried_together: bool = False, pause_s: float = 0.0
    ) -> None:
        self.delivered: dict[str, list[str]] = {}
        self.attempts: list[tuple[int, int]] = []
        self.failures = failures
        self.bad = bad
        self.answers = asyncio.Event()
        self.answers.set()
        self._tried_together = tried_together
        self._pause_s = pause_s

    def capabilities(self, sink_sid: str) -> Capabilities:
        return Capabilities(
            timeout_s=5, max_batch_events=100, tried_together=self._tried_together, pause_s=self._pause_s
        )

    def take_open(self, sink_sid: str) -> OpenSink | None:
        return None

    async def take(self, sink_sid: str) -> OpenSink:
        pool = self

        class Taking:
            async def deliver(self, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
                pool.attempts.append((len(batch), batch[0].attempt))
                await pool.answers.wait()
                if len(pool.attempts) <= pool.failures:
                    return [RetryLater(RetryReason.SERVER_ERROR)] * len(batch)
                if any(event.id in pool.bad for event in batch):
                    raise ValueError
                pool.delivered.setdefault(sink_sid, []).extend(event.id for event in batch)
                return [Delivered() for _ in batch]

        return OpenSink(cast(Sink, Taking()), self.capabilities(sink_sid), ())

    def give_back(self, opened: OpenSink) -> None:
        """Nothing is counted."""


class Quiet(FailureNotices):
    """Tells nobody, and remembers of which sinks an event has expired."""

    def __init__(self) -> None:
        self.over: list[str] = []

    @override
    def settled(self, *_: object) -> None:
        """Is not told."""

    @override
    def expired(self, sink_sid: str, *_: object) -> None:
        self.over.append(sink_sid)


class Burying:
    """A settler that makes dead letters only."""

    def __init__(self) -> None:
        self.dead: list[tuple[int, DeadReason]] = []

    async def write_dead_letters(self, dead_letters: Sequence[DeadLetter]) -> None:
        self.dead += [(dead_letter.record.offset, dead_letter.reason) for dead_letter in dead_letters]


def subscription() -> Subscription:
    return Subscription(
        sid=new_sid(SidKind.SUBSCRIPTION),
        account_sid=ACCOUNT,
        sink_sid=new_sid(SidKind.SINK),
        sink_type="webhook",
        description="",
        types=(SubscribedType(type=SENT, schema_version=1, since_ms=0),),
        created_ms=0,
        updated_ms=0,
    )


def record(offset: int, of: Subscription) -> Record:
    encoded = EventEncoder(Catalog.load(), CODEC).encode(message_event(ACCOUNT, offset))
    assert isinstance(encoded, EncodedEvent)
    headers = routed_headers(encoded.headers, accepted_at_ms=NOW_MS, deadline_ms=NOW_MS + 1000, subscription_sid=of.sid)
    return Record("es.retry.webhook.5s", 0, offset, encoded.key, encoded.value, headers, NOW_MS)


def delivery_to(
    pool: Pool,
    subscriptions: Sequence[Subscription],
    settler: object = None,
    gates: Gates | None = None,
    tracing: Tracing | None = None,
    notices: FailureNotices | None = None,
    now_ms: int = NOW_MS,
) -> Delivery:
    settings, metrics = Settings.load(), Metrics()
    feed = cast(ControlFeed, Feed(subscriptions))
    return Delivery(
        "webhook",
        feed=feed,
        codec=CODEC,
        pool=cast(SinkPool, pool),
        gates=gates or Gates(feed),
        settler=cast(Settler, settler),
        notices=notices or Quiet(),
        attempt_log=no_log(settings, "webhook", metrics=metrics, clock=lambda: NOW_MS),
        metrics=metrics,
        clock=lambda: now_ms,
        tracing=tracing,
    )


def lane_for(records: Sequence[Record]) -> tuple[LaneHandle, OffsetTracker]:
    tracker = OffsetTracker()
    for each in records:
        tracker.take(each)
    return LaneHandle(tracker, asyncio.get_running_loop().create_future()), tracker


async def test_records_of_a_retry_topic_that_come_together_go_to_their_own_sinks() -> None:
    """A lane takes them together once their deadlines are over; a clock that is set back finds them alive."""
    ours, theirs = subscription(), subscription()
    records = [record(0, ours), record(1, theirs), record(2, ours)]
    pool = Pool()
    lane, tracker = lane_for(records)

    await delivery_to(pool, [ours, theirs]).handle(records, lane, waits=False)

    ids = [dict(each.headers)["ce_id"].decode() for each in records]
    assert pool.delivered == {ours.sink_sid: [ids[0], ids[2]], theirs.sink_sid: [ids[1]]}
    assert tracker.committable == records[-1].offset + 1


@pytest.mark.parametrize("number", [1, 3])
async def test_what_has_expired_before_it_is_read_is_a_dead_letter_and_told_of_once(number: int) -> None:
    ours, pool, settler, notices = subscription(), Pool(), Burying(), Quiet()
    records = [record(offset, ours) for offset in range(number)]
    lane, tracker = lane_for(records)
    delivery = delivery_to(pool, [ours], settler, notices=notices, now_ms=NOW_MS + 1000)

    await delivery.handle(records, lane, waits=True)

    assert settler.dead == [(offset, DeadReason.EXPIRED) for offset in range(number)]
    assert notices.over == [ours.sink_sid] * number
    assert (pool.attempts, tracker.committable) == ([], number)


async def test_a_failed_batch_of_a_sink_that_wants_it_is_tried_again_as_it_is() -> None:
    ours = subscription()
    records = [record(number, ours) for number in range(3)]
    pool = Pool(failures=1, tried_together=True)
    lane, tracker = lane_for(records)

    await delivery_to(pool, [ours]).handle(records, lane, waits=True)  # without a settler: nothing goes elsewhere

    assert pool.attempts == [(3, 1), (3, 2)]
    assert tracker.committable == 3


async def test_a_failed_batch_that_waits_is_let_go_of_when_the_lane_stops() -> None:
    ours = subscription()
    records = [record(number, ours) for number in range(3)]
    pool = Pool(failures=100, tried_together=True)
    lane, tracker = lane_for(records)

    handling = asyncio.create_task(delivery_to(pool, [ours]).handle(records, lane, waits=True))
    while not pool.attempts:
        await asyncio.sleep(0)
    lane.stopped.set_result(None)
    await handling

    assert tracker.committable is None
    assert len(pool.attempts) <= 2


@pytest.mark.parametrize(("failures", "probes"), [(9, 0), (10, 1)])
async def test_an_attempt_at_a_broken_sink_is_a_probe_for_which_no_drain_waits(failures: int, probes: int) -> None:
    ours, pool = subscription(), Pool()
    gates = Gates(cast(ControlFeed, Feed([ours])))
    gate = gates.of(ours.sink_sid)
    for _ in range(failures):
        assert gate.try_enter(1)
        gate.leave([RetryLater(RetryReason.SERVER_ERROR)], began_ms=steady_ms())
    pool.answers.clear()
    lane, tracker = lane_for([one := record(0, ours)])

    handling = asyncio.create_task(delivery_to(pool, [ours], gates=gates).handle([one], lane, waits=True))
    await eventually(lambda: bool(pool.attempts))
    assert len(lane.probes) == probes
    pool.answers.set()
    await handling

    assert (lane.probes, tracker.committable) == (set(), 1)


class Elsewhere(Settler):
    """Takes every record that is to be tried again on its own."""

    def __init__(self) -> None:
        self.retried: list[int] = []

    @override
    async def retry(self, record: Record, *_: object, **__: object) -> Rest:
        self.retried.append(record.offset)
        return Rest("es.retry.webhook.5s/0/0", NOW_MS)


async def test_a_batch_that_fails_again_and_again_at_a_sink_that_works_is_taken_apart() -> None:
    ours = subscription()
    late = record(0, ours)._replace(headers=[*record(0, ours).headers, ("es_attempt", b"10")])
    pool, elsewhere = Pool(failures=1, tried_together=True), Elsewhere()
    lane, tracker = lane_for([late])

    await delivery_to(pool, [ours], elsewhere).handle([late], lane, waits=True)

    assert pool.attempts == [(1, 10)]
    assert (elsewhere.retried, tracker.committable) == ([0], 1)


async def test_attempts_that_a_subscription_counts_keep_its_delays_between_them() -> None:
    ours = replace(subscription(), max_attempts=5)
    records = [record(number, ours) for number in range(3)]
    pool, elsewhere = Pool(failures=5, tried_together=True), Elsewhere()
    lane, tracker = lane_for(records)

    await delivery_to(pool, [ours], elsewhere).handle(records, lane, waits=True)

    assert pool.attempts == [(3, 1)]
    assert (elsewhere.retried, tracker.committable) == ([0, 1, 2], 3)


async def broken_gates(sink_sid: str) -> Gates:
    """Gates of which that of one sink is broken, whose probes are always due: each look at the clock is a minute on."""
    minutes = count(step=60_000)
    gates = Gates(cast(ControlFeed, Feed([])), clock=lambda: next(minutes))
    gate, never = gates.of(sink_sid), asyncio.get_running_loop().create_future()
    while gate.state is not GateState.BROKEN:
        assert await gate.enter(1, within_ms=1000, stopped=never)
        gate.leave([RetryLater(RetryReason.SERVER_ERROR)], began_ms=0)
    return gates


@pytest.mark.parametrize(
    ("bad", "together"),
    [([0], False), ([0], True), ([2], False), ([4], False), ([0, 1], False), ([1, 3], False), ([0, 1, 2, 3, 4], False)],
    ids=str,
)
async def test_no_event_that_a_plugin_cannot_handle_holds_the_others_while_its_sink_is_tried_out(
    bad: list[int],
    together: bool,  # noqa: FBT001 - a parameter
) -> None:
    ours = subscription()
    records = [record(number, ours) for number in range(5)]
    ids = [dict(each.headers)["ce_id"].decode() for each in records]
    pool, elsewhere = Pool(bad=[ids[each] for each in bad], tried_together=together), Elsewhere()
    lane, tracker = lane_for(records)

    gates = await broken_gates(ours.sink_sid)
    await delivery_to(pool, [ours], elsewhere, gates).handle(records, lane, waits=True)

    delivered = pool.delivered.get(ours.sink_sid, [])
    assert delivered == [each for number, each in enumerate(ids) if number not in elsewhere.retried]
    assert set(bad) <= set(elsewhere.retried)
    assert bool(delivered) == (len(bad) < len(ids))
    assert tracker.committable == len(records)


async def test_a_sink_that_is_broken_and_says_so_is_tried_out_with_the_same_batch() -> None:
    ours = subscription()
    records = [record(number, ours) for number in range(4)]
    pool = Pool(failures=3)
    lane, tracker = lane_for(records)

    await delivery_to(pool, [ours], None, await broken_gates(ours.sink_sid)).handle(records, lane, waits=True)

    assert pool.attempts == [(4, 1), (4, 2), (4, 3), (4, 4)]
    assert tracker.committable == len(records)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_sink_is_left_alone_after_each_delivery_for_as_long_as_it_wants(
    fails: bool,  # noqa: FBT001 - a parameter
) -> None:
    ours = subscription()
    records = [record(number, ours) for number in range(2)]
    pool, now_ms = Pool(failures=int(fails), pause_s=10.0, tried_together=True), 5_000
    gates = Gates(cast(ControlFeed, Feed([])), clock=lambda: now_ms)
    gate = gates.of(ours.sink_sid)
    lane, tracker = lane_for(records)

    handling = asyncio.create_task(delivery_to(pool, [ours], None, gates).handle(records, lane, waits=True))
    while gate.state is not GateState.WAITING:
        await asyncio.sleep(0)
    assert pool.attempts == [(2, 1)]
    assert gate.look_again_ms(paused=False) == 10_000
    assert tracker.committable == (None if fails else 2)  # what failed waits with the others, and is not elsewhere

    now_ms += 10_000
    gate.changed()
    await handling
    assert pool.attempts == [(2, 1), (2, 2)][: 1 + fails]
    assert (tracker.committable, gate.state) == (2, GateState.WAITING if fails else GateState.OPEN)


async def test_a_sink_that_could_not_be_opened_was_not_delivered_to_and_begins_no_pause() -> None:
    ours = subscription()
    late = record(0, ours)

    class Closed(Pool):
        @override
        async def take(self, sink_sid: str) -> RetryLater:  # type: ignore[override]  # no sink here
            return RetryLater(RetryReason.SINK_UNUSABLE)

    gates = Gates(cast(ControlFeed, Feed([])), clock=lambda: 5_000)
    lane, _ = lane_for([late])

    await delivery_to(Closed(pause_s=10.0), [ours], Elsewhere(), gates).handle([late], lane, waits=True)

    assert gates.of(ours.sink_sid).state is GateState.OPEN


@pytest.mark.parametrize(("sized_as_avro", "fit"), [(True, 4), (False, 1)])
def test_a_batch_has_as_many_bytes_as_its_sink_takes_of_avro_or_of_json(
    sized_as_avro: bool,  # noqa: FBT001 - a parameter
    fit: int,
) -> None:
    ours = subscription()
    records = [record(number, ours) for number in range(5)]
    deliveries = []
    for each in records:
        progress = read_progress(dict(each.headers))
        assert isinstance(progress, DeliveryProgress)
        event = read_event(dict(each.headers), each.value, progress, ours, CODEC)
        assert isinstance(event, OutboundEvent)
        deliveries.append(PendingDelivery(each, progress, event, ours.types))
    room = sum(len(each.value) for each in records[:4])
    assert len(deliveries[0].event.json()) < room < sum(len(each.event.json()) for each in deliveries[:2])

    takes = Capabilities(timeout_s=5, max_batch_events=100, max_batch_bytes=room, sized_as_avro=sized_as_avro)

    assert len(first_batch(deliveries, takes)) == fit


@pytest.mark.parametrize("damage", [b"", b"\x00"], ids=["whole", "damaged"])
def test_what_a_sink_takes_as_avro_is_looked_through_and_read_only_when_it_asks(damage: bytes) -> None:
    newest = Catalog.load().newest_schema(SENT)
    assert newest is not None
    asked = SubscribedType(type=SENT, schema_version=newest.version, since_ms=0)
    ours = replace(subscription(), types=(asked,))
    sent = record(1, ours)
    progress = read_progress(dict(sent.headers))
    assert isinstance(progress, DeliveryProgress)

    read, later = (
        read_event(dict(sent.headers), sent.value + damage, progress, ours, CODEC, as_avro=each)
        for each in (False, True)
    )

    assert later == read
    if isinstance(read, OutboundEvent):
        assert isinstance(later, OutboundEvent)
        assert type(later.data) is not dict
        assert later.json() == read.json()
    else:
        assert damage


class Broken(SpanProcessor):
    """Of an SDK that raises where a span begins, or ends."""

    def __init__(self, at: str) -> None:
        self._at = at

    @override
    def on_start(self, *_: object, **__: object) -> None:
        if self._at == "start":
            raise RuntimeError("of the SDK")

    @override
    def on_end(self, *_: object) -> None:
        if self._at == "end":
            raise RuntimeError("of the SDK")


@pytest.mark.parametrize("at", ["start", "end"])
async def test_where_tracing_raises_events_are_settled_as_without_it_and_that_is_said_once(at: str) -> None:
    async def settled(tracing: Tracing | None) -> tuple[object, ...]:
        pool, elsewhere = Pool(bad=[ids[2]]), Elsewhere()
        lane, tracker = lane_for(records)
        await delivery_to(pool, [ours], elsewhere, tracing=tracing).handle(records, lane, waits=True)
        await delivery_to(pool, [ours], elsewhere, tracing=tracing).handle(records[:2], lane, waits=True)
        return pool.attempts, pool.delivered, elsewhere.retried, tracker.committable

    ours = subscription()
    parent = (TRACEPARENT, b"00-%s-%s-01" % (b"a" * 32, b"b" * 16))
    records = [each._replace(headers=[*each.headers, parent]) for each in (record(number, ours) for number in range(4))]
    ids = [dict(each.headers)["ce_id"].decode() for each in records]
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Broken(at))

    with capture_logs() as logs:
        found = await settled(Tracing(provider))

    assert found == await settled(None)
    assert [each["event"] for each in logs].count("trace.not_made") == 1


@pytest.mark.parametrize("at", ["start", "end"])
def test_where_tracing_raises_gateway_and_router_go_on_as_well(at: str) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Broken(at))
    tracing = Tracing(provider)
    parent = TraceContext("00-" + "a" * 32 + "-" + "b" * 16 + "-01")

    with capture_logs() as logs:
        span, context = tracing.accept(parent, {"a": 1})
        tracing.ended([span])
        tracing.routed({TRACEPARENT: parent.traceparent.encode()}, {}, began_ns=1)

    assert (context == parent) == (at == "start")
    assert [each["event"] for each in logs] == ["trace.not_made"]
