"""The worker's side of the delivery log, with no Kafka to take it: deliveries do not notice."""

from typing import Self, cast

import pytest

from eventstreams.attempts import Entry, decode
from eventstreams.control.records import Subscription
from eventstreams.control.snapshot import Snapshot
from eventstreams.headers import DeliveryProgress
from eventstreams.kafka.records import Record
from eventstreams.reasons import DeadReason, RetryReason
from eventstreams.settings import Settings
from eventstreams.sinks import Delivered, DeliveryOutcome, OutboundEvent, Rejected, RetryLater
from eventstreams.telemetry.metrics import Metrics
from sink_workers.delivery.attempt_entries import Rest
from sink_workers.delivery.attempt_log import AttemptLog
from tests.support.entries import ACCOUNT, NOW_MS, SINK, SUBSCRIPTION

TOPIC = f"es.sub.webhook.{SUBSCRIPTION}"
RECORD = Record(TOPIC, 0, 7, b"k", b"value", [("ce_id", b"EZ1"), ("ce_accountsid", ACCOUNT.encode())], NOW_MS)
PROGRESS = DeliveryProgress(NOW_MS - 1000, NOW_MS + 60_000, SUBSCRIPTION)
EVENT = OutboundEvent(
    id="EZ1",
    type="com.acme.sent",
    source="/m/1",
    time="2026-01-01T00:00:00.000Z",
    dataschema="http://s/Acme.Message/1",
    account_sid=ACCOUNT,
    data={"secret": "of the event"},
)


class Kept:
    """Takes what is offered, instead of Kafka."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.waiting = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def offer(self, topic: str, value: bytes, *, weight: int) -> None:
        self.values.append(value)

    def poll(self) -> None: ...

    @property
    def entries(self) -> list[Entry | None]:
        return [entry for value in self.values for entry in decode(value)]


class Bench:
    """A log, its metrics, and what it would have written."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.kept = Kept()
        self.snapshot = Snapshot()
        settings = Settings.load(kafka="127.0.0.1:9")
        self.log = AttemptLog(
            settings,
            "webhook",
            snapshot=self.snapshot,
            metrics=self.metrics,
            clock=lambda: NOW_MS,
            producer=lambda _: self.kept,
        )

    def attempted(
        self, outcome: DeliveryOutcome, *, rest: Rest | None = None, progress: DeliveryProgress = PROGRESS
    ) -> None:
        self.log.attempted(
            RECORD,
            progress,
            EVENT,
            outcome,
            account_sid=EVENT.account_sid,
            sink_sid=SINK,
            began_ms=NOW_MS,
            duration_ms=3,
            rest=rest,
        )

    @property
    def dropped(self) -> float | None:
        labels = {"sink_type": "webhook"}
        return self.metrics.registry.get_sample_value("eventstreams_attempt_log_dropped_total", labels)


@pytest.fixture
async def bench() -> Bench:
    return Bench()


async def test_a_delivery_is_an_entry_without_anything_of_the_event_but_its_names(bench: Bench) -> None:
    async with bench.log:
        bench.attempted(Delivered())

    [entry] = bench.kept.entries
    assert entry == Entry(
        kind="delivered",
        at_ms=NOW_MS,
        event_id="EZ1",
        event_type="com.acme.sent",
        account_sid=ACCOUNT,
        subscription_sid=SUBSCRIPTION,
        sink_sid=SINK,
        sink_type="webhook",
        attempt=1,
        duration_ms=3,
        accepted_ms=NOW_MS - 1000,
        deadline_ms=NOW_MS + 60_000,
        origin=f"{TOPIC}/0/7",
    )
    assert b"of the event" not in bench.kept.values[0]


async def test_a_delivery_tells_what_its_destination_answered_where_that_has_a_status(bench: Bench) -> None:
    async with bench.log:
        bench.attempted(Delivered(204))

    [entry] = bench.kept.entries
    assert entry is not None
    assert (entry.kind, entry.status, entry.reason) == ("delivered", 204, None)


async def test_a_failure_says_why_where_its_copy_is_and_when_it_is_tried_again(bench: Bench) -> None:
    async with bench.log:
        bench.attempted(
            RetryLater(RetryReason.THROTTLED, "HTTP 429", None, 429, "x" * 5000),
            rest=Rest("es.retry.webhook.5s/1/2", 5),
        )
        bench.attempted(Rejected(DeadReason.REFUSED, "HTTP 400", 400), rest=Rest("es.dead.webhook/0/9"))

    retried, rejected = bench.kept.entries
    assert retried is not None
    assert (retried.kind, retried.reason, retried.code, retried.status) == ("retry_later", "throttled", 91302, 429)
    assert (retried.rests_at, retried.next_at_ms, retried.answer) == ("es.retry.webhook.5s/1/2", 5, "x" * 1024)
    assert rejected is not None
    assert (rejected.kind, rejected.reason, rejected.code, rejected.detail) == (
        "rejected",
        "refused",
        91305,
        "HTTP 400",
    )
    assert (rejected.rests_at, rejected.next_at_ms) == ("es.dead.webhook/0/9", None)


async def test_what_died_is_told_with_its_attempts_and_its_sink(bench: Bench) -> None:
    bench.snapshot.subscriptions[SUBSCRIPTION] = Subscription(
        sid=SUBSCRIPTION,
        account_sid=ACCOUNT,
        sink_sid=SINK,
        sink_type="webhook",
        description="",
        types=(),
        created_ms=1,
        updated_ms=1,
    )
    progress = DeliveryProgress(
        1, 2, SUBSCRIPTION, attempt=4, origin=f"{TOPIC}/0/1", last_status=503, last_answer="busy"
    )
    rest = Rest("es.dead.webhook/0/9")

    async with bench.log:
        bench.log.died(RECORD, progress, DeadReason.EXPIRED, code=91306, detail="3 attempts", rest=rest)
        bench.log.died(RECORD, None, DeadReason.BAD_HEADER, code=91303, detail="no number", rest=rest)

    expired, unreadable = bench.kept.entries
    assert expired is not None
    assert (expired.kind, expired.reason, expired.attempt, expired.sink_sid) == ("died", "expired", 3, SINK)
    assert (expired.origin, expired.status, expired.answer) == (f"{TOPIC}/0/1", 503, "busy")
    assert unreadable is not None
    assert (unreadable.subscription_sid, unreadable.attempt, unreadable.deadline_ms) == (SUBSCRIPTION, 0, None)
    assert (unreadable.event_id, unreadable.account_sid) == ("EZ1", ACCOUNT)


async def test_what_a_plugin_must_not_return_costs_its_own_entries_only(bench: Bench) -> None:
    async with bench.log:
        bench.attempted(RetryLater(RetryReason.THROTTLED, "\ud800 alone", None, 429))
        bench.log._write()
        bench.attempted(RetryLater(RetryReason.THROTTLED, "", None, cast("int", object())))
        bench.log._write()
        bench.attempted(Delivered())

    assert [entry and entry.kind for entry in bench.kept.entries] == ["retry_later", "delivered"]
    assert bench.dropped == 1


async def test_many_entries_share_a_record_and_long_ones_do_not_make_it_too_large(bench: Bench) -> None:
    async with bench.log:
        for _ in range(1000):
            bench.attempted(Delivered())
        for _ in range(1000):
            bench.attempted(RetryLater(RetryReason.THROTTLED, "\x01" * 1024, None, 429, "\x01" * 1024))

    assert len(bench.kept.entries) == 2000
    assert len(bench.kept.values) < 20
    assert max(map(len, bench.kept.values)) < 2 << 20


async def test_what_is_pending_is_bounded_and_the_rest_is_counted(bench: Bench) -> None:
    async with bench.log:
        for _ in range(25_000):  # the loop does not turn meanwhile
            bench.attempted(Delivered())

    assert len(bench.kept.entries) == 20_000
    assert bench.dropped == 5000


async def test_without_kafka_nothing_waits_and_all_that_is_lost_is_counted() -> None:
    metrics = Metrics()
    settings = Settings.load(kafka="127.0.0.1:9")
    async with AttemptLog(settings, "webhook", snapshot=Snapshot(), metrics=metrics, clock=lambda: NOW_MS) as log:
        for _ in range(20):
            for _ in range(5000):
                log.attempted(
                    RECORD,
                    PROGRESS,
                    EVENT,
                    Delivered(),
                    account_sid=EVENT.account_sid,
                    sink_sid=SINK,
                    began_ms=NOW_MS,
                    duration_ms=3,
                    rest=None,
                )
            log._write()

    labels = {"sink_type": "webhook"}
    assert metrics.registry.get_sample_value("eventstreams_attempt_log_dropped_total", labels) == 100_000
