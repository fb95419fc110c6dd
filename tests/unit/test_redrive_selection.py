"""What a selection takes, what becomes of it, and how fast: without a broker."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_api.redrive.copies import Copier, Copy
from control_api.redrive.dead_letter import DeadLetter, Place
from control_api.redrive.jobs import (
    Job,
    JobKind,
    Order,
    Progress,
    decode_order,
    decode_progress,
    encode,
)
from control_api.redrive.pace import MAX_RATE, Pace, chunk_of
from control_api.redrive.parameters import FILTERS, REDRIVE, Parameters
from control_api.redrive.selection import Selection, Selector, narrow
from eventstreams import headers as names
from eventstreams.catalog import Catalog
from eventstreams.client.values import JobStatus, SkipReason
from eventstreams.codec import Codec
from eventstreams.control.records import SubscribedType, Subscription, SubscriptionState
from eventstreams.http import RefusedError
from eventstreams.kafka.ranges import Range
from eventstreams.kafka.records import Partition, Record
from eventstreams.reasons import DeadReason
from eventstreams.settings import Settings
from eventstreams.topics import Topics
from sink_workers.lanes.offsets import OffsetTracker

ACCOUNT = "AC" + "1" * 32
OTHER = "AC" + "2" * 32
SUBSCRIPTION = "DF" + "1" * 32
JOB = "JR" + "1" * 32
SENT = "com.acme.sent"
TOPICS = Topics(Settings(topic_prefix="es."))

EVENT = [
    ("ce_id", b"EZ1"),
    ("ce_type", SENT.encode()),
    ("ce_source", b"/x"),
    ("ce_time", b"2026-03-29T04:00:00Z"),
    ("ce_dataschema", b"https://s/Acme.Sent/1"),
    ("ce_accountsid", ACCOUNT.encode()),
]
DEAD = [
    *EVENT,
    ("es_accepted_at", b"5000"),
    ("es_deadline", b"9000"),
    ("es_subscription", SUBSCRIPTION.encode()),
    ("es_attempts", b"3"),
    ("es_reason", b"refused"),
    ("es_code", b"91305"),
]


def dead_letter_record(**changes: bytes | None) -> Record:
    """A dead letter; a header that is None is not there."""
    headers = [(name, value) for name, value in {**dict(DEAD), **changes}.items() if value is not None]
    return Record("es.dead.webhook", 0, 12, b"key", b"value", headers, 70_000)


def event_record(**changes: bytes | None) -> Record:
    headers = [(name, value) for name, value in {**dict(EVENT), **changes}.items() if value is not None]
    return Record("es.events", 3, 12, b"key", b"value", headers, 70_000)


def subscription(**changes: object) -> Subscription:
    made = Subscription(
        sid=SUBSCRIPTION,
        account_sid=ACCOUNT,
        sink_sid="DG" + "1" * 32,
        sink_type="webhook",
        description="",
        types=(SubscribedType(type=SENT, schema_version=1),),
        created_ms=1,
        updated_ms=1,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # of a test


def copier(kind: JobKind, selection: Selection, *known: Subscription) -> Copier:
    return Copier(
        kind,
        selection,
        job_sid=JOB,
        topics=TOPICS,
        subscriptions=lambda: {each.sid: each for each in known},
        default_ttl_ms=1000,
        codec=Codec(Catalog.load(), schema_base_url="http://s"),
    )


@pytest.mark.parametrize(
    ("chosen", "taken"),
    [
        ({}, True),
        ({"subscription_sid": SUBSCRIPTION}, True),
        ({"subscription_sid": "DF" + "2" * 32}, False),
        ({"types": (SENT,)}, True),
        ({"types": ("com.acme.other",)}, False),
        ({"event_ids": ("EZ0", "EZ1")}, True),
        ({"event_ids": ("EZ2",)}, False),
        ({"reasons": ("refused",), "codes": (91305,)}, True),
        ({"reasons": ("refused",), "codes": (91300,)}, False),
        ({"dead_letter_ids": ("webhook.0.12",)}, True),
        ({"dead_letter_ids": ("webhook.0.13",)}, False),
        ({"account_sid": OTHER}, False),
        ({"expression": "attempts == 3"}, True),
        ({"expression": "attempts == 4"}, False),
    ],
)
def test_a_dead_letter_is_taken_if_all_that_is_chosen_fits(chosen: dict[str, object], *, taken: bool) -> None:
    selection = Selection(**{"account_sid": ACCOUNT, **chosen})  # type: ignore[arg-type]  # of a test

    dead_letter = DeadLetter.read(dead_letter_record(), "webhook")

    assert Selector(selection, of_dead_letters=True).takes_dead_letter(dead_letter) is taken


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, True),
        ({"ce_accountsid": OTHER.encode()}, False),
        ({"ce_type": b"com.acme.other"}, False),
        ({"ce_type": b"\xff"}, False),
        ({"ce_id": None}, False),
        ({"ce_time": b""}, False),
    ],
)
def test_a_replay_takes_well_formed_events_of_its_account_and_types(
    changes: dict[str, bytes | None], *, taken: bool
) -> None:
    selection = Selection(account_sid=ACCOUNT, subscription_sid=SUBSCRIPTION, types=(SENT,))

    assert Selector(selection, of_dead_letters=False).takes_event(event_record(**changes)) is taken


def test_a_redriven_copy_has_the_events_own_headers_a_fresh_window_and_its_jobs_name() -> None:
    made = copier(JobKind.REDRIVE, Selection(account_sid=ACCOUNT), subscription()).copy(
        dead_letter_record(), now_ms=90_000
    )

    assert isinstance(made, Copy)
    assert (made.record.topic, made.record.key, made.record.value) == (
        f"es.sub.webhook.{SUBSCRIPTION}",
        b"key",
        b"value",
    )
    assert made.record.headers == [
        *EVENT,
        ("es_accepted_at", b"5000"),
        ("es_deadline", b"91000"),
        ("es_subscription", SUBSCRIPTION.encode()),
        ("es_redrive", JOB.encode()),
    ]


@pytest.mark.parametrize(("ttl_ms", "deadline"), [(7, b"107"), (100_000, b"1100")], ids=["shorter", "longer"])
def test_a_subscriptions_own_ttl_makes_the_window_and_none_longer_than_the_setting(
    ttl_ms: int, deadline: bytes
) -> None:
    made = copier(
        JobKind.REPLAY,
        Selection(account_sid=ACCOUNT, subscription_sid=SUBSCRIPTION, types=(SENT,)),
        subscription(ttl_ms=ttl_ms),
    ).copy(event_record(), now_ms=100)

    assert isinstance(made, Copy)
    headers = dict(made.record.headers)
    assert (headers[names.ACCEPTED_AT], headers[names.DEADLINE]) == (b"70000", deadline)


@pytest.mark.parametrize(
    ("changes", "known", "reason"),
    [
        ({}, (), SkipReason.SUBSCRIPTION_DELETED),
        ({}, (subscription(state=SubscriptionState.DELETING),), SkipReason.SUBSCRIPTION_DELETED),
        ({}, (subscription(account_sid=OTHER),), SkipReason.OTHER_ACCOUNT),
        ({"es_subscription": None}, (subscription(),), SkipReason.UNREADABLE),
        ({"es_accepted_at": b"then"}, (subscription(),), SkipReason.UNREADABLE),
        ({"es_accepted_at": None}, (subscription(),), SkipReason.UNREADABLE),
    ],
)
def test_a_dead_letter_that_cannot_go_back_is_skipped_with_the_reason(
    changes: dict[str, bytes | None], known: tuple[Subscription, ...], reason: SkipReason
) -> None:
    made = copier(JobKind.REDRIVE, Selection(account_sid=ACCOUNT), *known).copy(dead_letter_record(**changes), now_ms=1)

    assert made is reason


@given(st.dictionaries(st.sampled_from([name for name, _ in DEAD]), st.binary(max_size=30)))
def test_a_dead_letter_is_read_whatever_its_headers_are(changes: dict[str, bytes]) -> None:
    dead_letter = DeadLetter.read(dead_letter_record(**changes), "webhook")

    assert Place.parse(str(dead_letter.place)) == dead_letter.place == Place("webhook", 0, 12)


@pytest.mark.parametrize("text", ["", "webhook", "webhook.0", "webhook.0.x", "webhook.0.-1", f"webhook.0.{'1' * 19}"])
def test_what_is_no_id_names_no_dead_letter(text: str) -> None:
    assert Place.parse(text) is None


def test_a_choice_of_dead_letters_narrows_what_is_looked_through() -> None:
    whole = Range("es.dead.webhook", 0, 100, 200)

    assert narrow(whole, "webhook", ()) == whole
    assert narrow(whole, "webhook", ("webhook.0.150", "webhook.0.120", "kinesis.0.1")) == replace(
        whole, first=120, end=151
    )
    assert narrow(whole, "webhook", ("webhook.0.99",)).records == 0
    assert narrow(whole, "kinesis", ("webhook.0.150",)).records == 0


# -- progress --------------------------------------------------------------------------------------------------


def test_progress_counts_what_was_dealt_with_and_drops_ranges_that_are_over() -> None:
    left = (Range("t", 0, 5, 10), Range("t", 1, 0, 3))
    begun = Progress(status=JobStatus.STARTING, left=left, updated_ms=1, started_ms=1)

    first = begun.moved(
        {Partition("t", 0): 7, Partition("t", 1): 3},
        examined=5,
        copied=3,
        skipped={SkipReason.UNREADABLE: 1},
        now_ms=2,
    )
    second = first.moved(
        {Partition("t", 0): 10},
        examined=3,
        copied=0,
        skipped={SkipReason.UNREADABLE: 1, SkipReason.OTHER_ACCOUNT: 1},
        now_ms=3,
    )

    assert first.left == (Range("t", 0, 7, 10),)
    assert (second.left, second.status, second.updated_ms, second.started_ms) == ((), JobStatus.RUNNING, 3, 1)
    assert (second.examined, second.selected, second.copied) == (8, 6, 3)
    assert second.skipped == {SkipReason.UNREADABLE: 2, SkipReason.OTHER_ACCOUNT: 1}


def test_an_order_and_its_progress_survive_the_jobs_topic() -> None:
    order = Order(
        sid=JOB,
        kind=JobKind.REPLAY,
        selection=Selection(account_sid=ACCOUNT, types=(SENT,), codes=(91305,), after_ms=5),
        ranges=(Range("es.events", 3, 7, 9),),
        rate=50,
        created_ms=1,
    )
    progress = Progress(
        status=JobStatus.RUNNING,
        left=order.ranges,
        updated_ms=2,
        started_ms=1,
        copied=4,
        skipped={SkipReason.SUBSCRIPTION_DELETED: 3},
    )

    assert decode_order(encode(order)) == order
    assert decode_progress(encode(progress)) == progress


def test_a_cancelled_job_is_cancelling_until_its_runner_has_ended_it() -> None:
    order = SimpleNamespace(created_ms=1, sid=JOB)
    running = Progress(status=JobStatus.RUNNING, left=(), updated_ms=1, started_ms=1)

    def status(progress: Progress | None, *, cancelled: bool) -> JobStatus:
        return Job(order, progress, cancelled).status  # type: ignore[arg-type]  # only its status is asked for

    assert status(None, cancelled=False) is JobStatus.SUBMITTED
    assert status(None, cancelled=True) is JobStatus.CANCELLING
    assert status(running, cancelled=True) is JobStatus.CANCELLING
    assert status(replace(running, status=JobStatus.COMPLETED), cancelled=True) is JobStatus.COMPLETED


# -- pace ------------------------------------------------------------------------------------------------------


@given(
    rate=st.integers(1, MAX_RATE),
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=40),
)
def test_no_span_of_time_has_more_than_the_rate_and_one_chunk(rate: int, pauses: list[float]) -> None:
    pace, chunk, now_s, passed = Pace(rate), chunk_of(rate), 100.0, []
    for pause in pauses:
        now_s += pause
        now_s += pace.wait_s(chunk, now_s=now_s)
        passed.append(now_s)

    for first, begin in enumerate(passed):
        for last in range(first, len(passed)):
            events = (last - first + 1) * chunk
            assert events <= rate * (passed[last] - begin) + chunk + 1e-6 * rate


# -- parameters ------------------------------------------------------------------------------------------------


def test_empty_parameters_choose_nothing() -> None:
    selection = Parameters.check([("Reason", ""), ("Type", "")], REDRIVE).selection(ACCOUNT, of_dead_letters=True)

    assert selection.takes_all


def test_parameters_become_a_selection() -> None:
    given_ = [
        ("SubscriptionSid", SUBSCRIPTION),
        ("Reason", "expired"),
        ("Reason", "refused"),
        ("Code", "91300"),
        ("After", "2026-03-29T06:00:00+02:00"),
        ("Filter", "status > 400"),
        ("Rate", "7"),
    ]

    checked = Parameters.check(given_, REDRIVE)

    assert checked.rate() == 7
    assert checked.selection(ACCOUNT, of_dead_letters=True) == Selection(
        account_sid=ACCOUNT,
        subscription_sid=SUBSCRIPTION,
        reasons=("expired", "refused"),
        codes=(91300,),
        after_ms=1_774_756_800_000,
        expression="status > 400",
    )
    assert Parameters.check([], REDRIVE).rate() == 50


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ([("SubscriptionSid", SUBSCRIPTION)] * 2, "only be given once"),
        ([("EventId", "x")] * 1001, "more than 1000 values"),
        ([("reason", "expired")], "Unknown parameter reason"),
        ([("After", "0001-01-01T00:00:00+10:00")], "must be a time"),
        ([("Code", "\u0661")], "must be an integer"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(given_: list[tuple[str, str]], words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        Parameters.check(given_, FILTERS).selection(ACCOUNT, of_dead_letters=True)


def test_every_reason_can_be_chosen() -> None:
    for reason in DeadReason:
        assert Parameters.check([("Reason", reason.value)], FILTERS).selection(ACCOUNT, of_dead_letters=True).reasons


# -- what a transaction leaves in a partition ------------------------------------------------------------------


@given(gaps=st.lists(st.integers(1, 5), min_size=1, max_size=30), order=st.randoms())
def test_offsets_with_gaps_as_transactions_leave_them_are_committed_in_order(gaps: list[int], order: object) -> None:
    offsets = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    tracker, settled = OffsetTracker(), set[int]()
    records = {offset: Record("es.sub.webhook.DF1", 0, offset, None, b"", [], 0) for offset in offsets}
    for each in records.values():
        tracker.take(each)

    shuffled = list(offsets)
    order.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis' random
    for offset in shuffled:
        tracker.settle(records[offset])
        settled.add(offset)
        left = [each for each in offsets if each not in settled]
        assert tracker.committable == (left[0] if left else offsets[-1] + 1)
    assert tracker.unsettled == 0
