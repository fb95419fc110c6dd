"""Failure notices without Kafka: what they say, who is told, and that nobody ever waits for one."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson
import pytest

from eventstreams.catalog import Catalog
from eventstreams.catalog.schema_rules import broken_rules
from eventstreams.codec import Codec
from eventstreams.control.records import (
    Resource,
    SinkRecord,
    SinkStatus,
    SubscribedType,
    Subscription,
    SubscriptionState,
)
from eventstreams.control.snapshot import Change, Snapshot
from eventstreams.events import Event
from eventstreams.headers import DeliveryProgress, Headers
from eventstreams.kafka.producer import Acked, NotAcked
from eventstreams.reasons import DeadReason, RetryReason
from eventstreams.sinks import Delivered, DeliveryOutcome, Rejected, RetryLater
from eventstreams.telemetry.metrics import Metrics
from sink_workers.notices.cadence import Cadence, Trouble
from sink_workers.notices.failures import FailureNotices
from sink_workers.notices.notice import ERROR_LOGGED, notice
from sink_workers.notices.outbox import Outbox
from sink_workers.notices.readers import ErrorLogReaders

ACCOUNT = "AC" + "1" * 32
SENT = "com.twilio.messaging.message.sent"
SINK = SinkRecord(
    sid="DG" + "2" * 32,
    account_sid=ACCOUNT,
    description="",
    sink_type="webhook",
    configuration="locked",
    status=SinkStatus.ACTIVE,
    created_ms=1,
    updated_ms=1,
)
READER = Subscription(
    sid="DF" + "3" * 32,
    account_sid=ACCOUNT,
    sink_sid=SINK.sid,
    sink_type="webhook",
    description="",
    types=(SubscribedType(type=SENT, schema_version=1), SubscribedType(type=ERROR_LOGGED, schema_version=1)),
    created_ms=1,
    updated_ms=1,
)
ANSWERED = "what the destination answered"
CATALOG = Catalog.load()
CODEC = Codec(CATALOG, schema_base_url="https://schemas.example")

REASONS = [
    *RetryReason,
    DeadReason.REFUSED,
    DeadReason.TOO_LARGE,
    DeadReason.EXPIRED,
]


# -- what a notice says ----------------------------------------------------------------------------------------


def told(reason: RetryReason | DeadReason, *, status: int | None = None, errors: int = 1) -> Event:
    return notice(
        SINK,
        subscription_sid=READER.sid,
        reason=reason,
        code=reason.code,
        status=status,
        trouble=Trouble(errors, since_ms=1_800_000_000_000, at_ms=1_800_000_060_000),
    )


@pytest.mark.parametrize("reason", REASONS)
def test_a_notice_fits_its_schema_and_says_what_happened_in_words_of_its_own(reason: RetryReason | DeadReason) -> None:
    event = told(reason)
    schema = CATALOG.newest_schema(ERROR_LOGGED)
    assert schema is not None

    value = CODEC.encode(schema, event.data)

    for version in (1, 2):
        assert CODEC.decode(CODEC.dataschema(schema), value, version=version) == event.data
    payload = orjson.loads(str(event.data["payload"]))
    assert payload["reason"] == reason.value
    assert str(payload["code"]) == event.data["error_code"] == str(reason.code)
    assert "could not be given an event" not in payload["message"]  # what is said of a reason without words


@pytest.mark.parametrize("reason", REASONS)
def test_only_what_the_reference_calls_a_warning_is_one(reason: RetryReason | DeadReason) -> None:
    is_warning = reason.code in {91302, 91304}

    assert told(reason).data["level"] == ("WARNING" if is_warning else "ERROR")


def test_a_notice_says_how_often_and_since_when() -> None:
    payload = orjson.loads(str(told(RetryReason.SERVER_ERROR, status=503, errors=100).data["payload"]))

    assert payload["message"] == (
        f"Sink {SINK.sid} answered with an error (status 503); the event is tried again until its deadline. 100 "
        "errors since 2027-01-15T08:00:00.000Z."
    )
    assert (payload["status"], payload["errors"], payload["since"]) == (503, 100, "2027-01-15T08:00:00.000Z")


def test_the_schema_keeps_the_rules_of_the_catalogue() -> None:
    first, second = CATALOG.schemas["ErrorLogs.Error"].versions

    assert broken_rules(first.avro) == []
    assert broken_rules(second.avro, first.avro) == []


# -- who is told -----------------------------------------------------------------------------------------------


def snapshot_of(*resources: Resource) -> Snapshot:
    snapshot = Snapshot()
    for resource in resources:
        snapshot._replace(resource.sid, resource)
    return snapshot


def notices_for(*resources: Resource) -> tuple[FailureNotices, list[Event]]:
    """Notices in an installation with ``resources``, and the list of what they post."""
    snapshot, posted = snapshot_of(*resources), list[Event]()
    readers, cadence = ErrorLogReaders(snapshot), Cadence(lambda: 1_800_000_000_000)
    return FailureNotices(snapshot, readers, cadence, posted.append), posted


def payloads(events: Sequence[Event]) -> list[Mapping[str, object]]:
    return [orjson.loads(str(event.data["payload"])) for event in events]


@pytest.mark.parametrize(
    ("outcome", "code", "status"),
    [
        (RetryLater(RetryReason.THROTTLED, ANSWERED, status=429, answer=ANSWERED), 91302, 429),
        (RetryLater(RetryReason.TIMED_OUT), 91308, None),
        (Rejected(DeadReason.REFUSED, ANSWERED, status=404, answer=ANSWERED), 91305, 404),
    ],
)
def test_an_error_is_told_with_code_and_status_and_never_with_the_answer(
    outcome: DeliveryOutcome, code: int, status: int | None
) -> None:
    notices, posted = notices_for(SINK, READER)

    notices.settled(SINK.sid, READER.sid, SENT, outcome)

    [payload] = payloads(posted)
    assert (payload["code"], payload.get("status")) == (code, status)
    assert ANSWERED not in str(posted)


def test_an_event_that_expires_is_told_with_the_code_and_status_of_its_last_attempt() -> None:
    notices, posted = notices_for(SINK, READER)

    notices.expired(SINK.sid, DeliveryProgress(1, 2, READER.sid, attempt=4, last_code=91306, last_status=502), SENT)

    [payload] = payloads(posted)
    assert (payload["reason"], payload["code"], payload["status"]) == ("expired", 91306, 502)
    assert posted[0].data["level"] == "ERROR"


@pytest.mark.parametrize(
    ("resources", "event_type", "outcome"),
    [
        pytest.param((SINK, READER), SENT, Delivered(), id="no error"),
        pytest.param((SINK,), SENT, Rejected(DeadReason.REFUSED), id="nobody subscribes"),
        pytest.param((READER,), SENT, Rejected(DeadReason.REFUSED), id="the sink is gone"),
        pytest.param((SINK, READER), ERROR_LOGGED, Rejected(DeadReason.REFUSED), id="the event is a notice"),
    ],
)
def test_nobody_is_told(resources: tuple[Resource, ...], event_type: str, outcome: DeliveryOutcome) -> None:
    notices, posted = notices_for(*resources)

    for _ in range(100):
        notices.settled(SINK.sid, READER.sid, event_type, outcome)
    notices.expired(SINK.sid, DeliveryProgress(1, 2, READER.sid), ERROR_LOGGED)

    assert posted == []


def test_failing_notices_are_not_errors_of_the_sink() -> None:
    notices, posted = notices_for(SINK, READER)

    for number in range(10):
        notices.settled(SINK.sid, READER.sid, SENT if number < 9 else ERROR_LOGGED, Rejected(DeadReason.REFUSED))

    assert [payload["errors"] for payload in payloads(posted)] == [1]


def test_readers_follow_what_subscriptions_become() -> None:
    readers = ErrorLogReaders(snapshot_of(READER))
    second = replace(READER, sid="DF" + "4" * 32)
    others = replace(READER, types=READER.types[:1])
    leaving = replace(second, state=SubscriptionState.DELETING)

    steps = [
        (Change(None, second), True),
        (Change(READER, others), True),
        (Change(second, leaving), False),
        (Change(leaving, None), False),
        (Change(others, READER), True),
        (Change(None, SINK), True),
        (Change(READER, None), False),
    ]
    assert ACCOUNT in readers
    for change, reads in steps:
        readers.apply(change)
        assert (ACCOUNT in readers) is reads


# -- nobody waits ----------------------------------------------------------------------------------------------


class Broker:
    """Answers once it is let."""

    def __init__(self, answer: Acked | NotAcked) -> None:
        self.answers = asyncio.Event()
        self.sent: list[str] = []
        self._answer = answer

    async def send(
        self, topic: str, value: bytes | None, *, key: bytes | None = None, headers: Headers = ()
    ) -> Acked | NotAcked:
        await self.answers.wait()
        self.sent.append(dict(headers)["ce_id"].decode())
        return self._answer


def outbox_to(broker: Broker, metrics: Metrics, *, max_waiting: int = 5) -> Outbox:
    return Outbox(
        "es.events",
        catalog=CATALOG,
        codec=CODEC,
        producer=broker,
        metrics=metrics,
        on_crash=raising,
        max_waiting=max_waiting,
    )


def raising(error: BaseException) -> None:
    raise error


def count(metrics: Metrics, outcome: str) -> float:
    return metrics.registry.get_sample_value("eventstreams_failure_notices_total", {"outcome": outcome}) or 0.0


async def test_while_the_broker_is_away_posting_returns_at_once_and_what_is_too_many_is_counted() -> None:
    broker, metrics = Broker(Acked(0, 0, 0)), Metrics()
    events = [told(RetryReason.TIMED_OUT) for _ in range(20)]

    async with outbox_to(broker, metrics) as outbox:
        for event in events:
            outbox.post(event)
        broker.answers.set()

    assert broker.sent == [event.id for event in events[:5]]
    assert (count(metrics, "published"), count(metrics, "dropped")) == (5, 15)
    accepted = metrics.registry.get_sample_value("eventstreams_accepted_events_total", {"event_type": ERROR_LOGGED})
    assert accepted == 5


async def test_a_notice_that_is_not_acknowledged_is_counted_and_the_next_one_goes_out() -> None:
    broker, metrics = Broker(NotAcked("no broker", retriable=True)), Metrics()
    broker.answers.set()

    async with outbox_to(broker, metrics) as outbox:
        outbox.post(told(RetryReason.TIMED_OUT))
        outbox.post(told(RetryReason.TIMED_OUT))

    assert count(metrics, "not_acknowledged") == 2


async def test_a_notice_that_fits_no_schema_is_dropped_and_the_next_one_goes_out() -> None:
    broker, metrics = Broker(Acked(0, 0, 0)), Metrics()
    broker.answers.set()
    good = told(RetryReason.TIMED_OUT)

    async with outbox_to(broker, metrics) as outbox:
        outbox.post(replace(good, data={"sid": 7}))
        outbox.post(good)

    assert broker.sent == [good.id]
    assert count(metrics, "dropped") == 1


async def test_a_process_that_ends_does_not_wait_for_a_broker_that_is_away() -> None:
    broker, metrics = Broker(Acked(0, 0, 0)), Metrics()

    async with asyncio.timeout(60):
        async with outbox_to(broker, metrics) as outbox:
            outbox.post(told(RetryReason.TIMED_OUT))

    assert broker.sent == []
