"""What becomes of retries whose sink takes none: each look at one is another write to Kafka."""

import heapq
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, cast

import pytest
from typing_extensions import override

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import Subscription
from eventstreams.headers import DeliveryProgress, retry_headers
from eventstreams.kafka.records import Record
from eventstreams.retry import HOLD_MS, RetryWheel
from eventstreams.settings import Settings
from eventstreams.sinks import Delivered, DeliveryOutcome, RetryLater, RetryReason
from eventstreams.telemetry.metrics import Metrics
from sink_workers.delivery.delivery import Delivery
from sink_workers.delivery.settle import DeadLetter, Settler
from sink_workers.delivery.sink_pool import SinkPool
from sink_workers.gates.gate import Gate
from sink_workers.gates.gates import Gates
from tests.support.no_log import no_log
from tests.unit.test_delivery_batches import NOW_MS, Feed, Pool, Quiet, lane_for, record, subscription
from tests.unit.test_gate import record as sink_record

_FOUR_HOURS_MS: Final = timedelta(hours=4) // timedelta(milliseconds=1)
_FAILED: Final[Sequence[DeliveryOutcome]] = [RetryLater(RetryReason.SERVER_ERROR)]


class Topics(Settler):
    """The retry topics, as the settings have them: hold one record, and say when it is looked at next."""

    def __init__(self) -> None:
        settings = Settings.load()
        self._wheel = RetryWheel(settings.retry_delays, partitions=settings.retry_partitions)
        self.now_ms = NOW_MS + 5_000
        self.writes = 0
        self.waits_ms: list[int] = []
        self.record: Record
        self.dead = 0

    @override
    async def wait_on(self, record: Record, progress: DeliveryProgress) -> str:
        self.writes += 1
        self.waits_ms.append(progress.not_before_ms - self.now_ms)
        self.record = record._replace(headers=retry_headers(record.headers, progress))
        look_ms = self.now_ms + self._wheel.slot(self.waits_ms[-1]).wait_ms
        self.now_ms = progress.not_before_ms if progress.not_before_ms <= look_ms + HOLD_MS else look_ms
        return ""

    @override
    async def write_dead_letters(self, dead_letters: Sequence[DeadLetter]) -> None:
        self.dead += len(dead_letters)


def retry_of(ours: Subscription) -> Record:
    """A record whose first attempt has failed just now, with four hours before it."""
    fresh = record(0, ours)
    progress = DeliveryProgress(
        NOW_MS,
        NOW_MS + _FOUR_HOURS_MS,
        ours.sid,
        2,
        NOW_MS,
        NOW_MS + 5_000,
        "",
        "server_error",
        last_attempt_at_ms=NOW_MS,
    )
    headers = [(name, value) for name, value in fresh.headers if name != "es_deadline"]
    headers.append(("es_deadline", b"%d" % progress.deadline_ms))
    return fresh._replace(headers=retry_headers(headers, progress))


def worker(ours: Subscription, topics: Topics, gates: Gates) -> Delivery:
    settings, metrics = Settings.load(), Metrics()

    def clock() -> int:
        return topics.now_ms

    return Delivery(
        "webhook",
        feed=cast(ControlFeed, Feed([ours])),
        codec=Codec(Catalog.load(), schema_base_url="https://schemas.example.com"),
        pool=cast(SinkPool, Pool()),
        gates=gates,
        settler=topics,
        notices=Quiet(),
        attempt_log=no_log(settings, "webhook", metrics=metrics, clock=clock),
        metrics=metrics,
        clock=clock,
    )


async def test_a_retry_of_a_paused_subscription_is_written_anew_a_hundred_times_in_four_hours_and_not_a_thousand() -> (
    None
):
    ours, topics = replace(subscription(), paused=True), Topics()
    gates = Gates(cast(ControlFeed, Feed([])), clock=lambda: topics.now_ms)
    delivery, topics.record = worker(ours, topics, gates), retry_of(ours)

    while not topics.dead:
        lane, tracker = lane_for([topics.record])
        await delivery.handle([topics.record], lane, waits=False)
        assert tracker.unsettled == 0

    assert topics.now_ms == NOW_MS + _FOUR_HOURS_MS
    assert topics.writes < 150
    assert topics.waits_ms[0] == 10_000  # a pause of a minute is over for it ten seconds later
    assert max(topics.waits_ms) == 150_000


@pytest.mark.parametrize(
    ("held_ms", "again_ms"), [(0, 10_000), (60_000, 10_000), (160_000, 25_000), (_FOUR_HOURS_MS, 150_000)]
)
async def test_the_longer_a_paused_sink_holds_a_retry_the_more_seldom_it_is_looked_at(
    held_ms: int, again_ms: int
) -> None:
    assert Gate(lambda: 1_000).look_again_ms(paused=True, held_ms=held_ms) == again_ms


async def test_a_sink_that_is_left_alone_is_not_asked_for_all_its_retries_whenever_it_is_tried_out() -> None:
    gate = Gate(lambda: 1_000, jitter=lambda: 0.0)
    for _ in range(10):
        assert gate.try_enter(1)
        gate.leave(_FAILED, began_ms=1_000)

    assert gate.look_again_ms(paused=False, held_ms=30_000) == 1_000  # with the next try
    assert gate.look_again_ms(paused=False, held_ms=460_000) == 100_000


@pytest.mark.parametrize(("held_ms", "again_ms"), [(60_000, 1_000), (100_000, 10_000), (_FOUR_HOURS_MS, 30_000)])
async def test_a_retry_of_a_sink_that_is_only_busy_is_looked_at_within_half_a_minute(
    held_ms: int, again_ms: int
) -> None:
    gate = Gate(lambda: 1_000, jitter=lambda: 0.0)
    gate.set_ceiling(1)
    while gate.try_enter_for_retry(1):
        pass

    assert gate.look_again_ms(paused=False, held_ms=held_ms) == again_ms
    gate.leave([Delivered()], began_ms=1_000, is_retry=True)
    assert gate.try_enter_for_retry(1)


async def test_a_sink_that_asks_for_moments_of_rest_is_tried_again_soon_after_each() -> None:
    gate = Gate(lambda: 1_000, jitter=lambda: 0.0)
    assert gate.try_enter(1)
    gate.leave([RetryLater(RetryReason.THROTTLED)], began_ms=1_000, wait_ms=5_000)

    assert gate.look_again_ms(paused=False, held_ms=0) == 5_000
    assert gate.look_again_ms(paused=False, held_ms=_FOUR_HOURS_MS) == 30_000


async def test_a_retry_of_a_sink_at_a_very_low_rate_is_not_written_anew_each_second() -> None:
    ours, topics = subscription(), Topics()
    gates = Gates(cast(ControlFeed, Feed([])), clock=lambda: topics.now_ms)
    gate = gates.of(ours.sink_sid)
    gate.configure(sink_record(rate_limit=0.001))
    assert gate.try_enter_for_retry(1)
    assert gate.try_enter_for_retry(1)  # on credit: it takes a quarter of an hour to be paid back
    delivery, topics.record = worker(ours, topics, gates), retry_of(ours)

    while topics.now_ms < NOW_MS + 900_000:
        lane, _ = lane_for([topics.record])
        await delivery.handle([topics.record], lane, waits=False)

    assert topics.writes < 150  # of 900, one in each second


async def test_retries_that_came_together_use_the_rate_of_their_sink_though_they_are_looked_at_seldom() -> None:
    now_ms, held_ms = 1_000, 600_000
    gate = Gate(lambda: now_ms, jitter=random.Random(1).random)
    gate.configure(sink_record(rate_limit=1.0))
    looks_ms = [now_ms] * 200

    while looks_ms:
        now_ms = max(now_ms, heapq.heappop(looks_ms))
        if gate.try_enter_for_retry(1):
            gate.leave([Delivered()], began_ms=now_ms, is_retry=True)
        else:
            heapq.heappush(looks_ms, now_ms + gate.look_again_ms(paused=False, held_ms=held_ms + now_ms))

    assert now_ms < 400_000  # 200 would be the least; all at the same time each half a minute would take 3,000
