"""Kafka headers: what is written is read again, and what is wrong is named."""

import dataclasses
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstreams import headers as names
from eventstreams.events import Event
from eventstreams.headers import (
    DeliveryProgress,
    Envelope,
    HeaderProblem,
    clip,
    dead_headers,
    event_headers,
    retry_headers,
    routed_headers,
)
from eventstreams.reasons import DeadReason

ACCOUNT = "AC" + "0" * 32
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
some_ms = st.integers(0, 2**45)


def an_event(**changes: object) -> Event:
    event = Event(
        id="EZ1",
        type="com.acme.thing.made",
        source="/things/1",
        account_sid=ACCOUNT,
        data={},
        time=datetime(2026, 3, 29, 4, 1, 2, 345678, tzinfo=UTC),
    )
    return dataclasses.replace(event, **changes)  # type: ignore[arg-type]  # any field


@given(id_=texts, kind=texts, source=texts, subject=st.none() | texts, key=st.none() | texts)
def test_an_event_survives_the_way_through_headers(
    id_: str, kind: str, source: str, subject: str | None, key: str | None
) -> None:
    event = an_event(id=id_, type=kind, source=source, subject=subject, partition_key=key)

    envelope = Envelope.parse(dict(event_headers(event, dataschema="http://s/A.B/1")))

    assert envelope == Envelope(
        id=id_,
        type=kind,
        source=source,
        time="2026-03-29T04:01:02.345Z",
        dataschema="http://s/A.B/1",
        account_sid=ACCOUNT,
        subject=subject,
        partition_key=key or source,
    )


@pytest.mark.parametrize("name", ["ce_id", "ce_type", "ce_source", "ce_time", "ce_dataschema", "ce_accountsid"])
@pytest.mark.parametrize("value", [None, b""], ids=["missing", "empty"])
def test_a_header_that_is_missing_is_named(name: str, value: bytes | None) -> None:
    headers = dict(event_headers(an_event(), dataschema="http://s/A.B/1"))
    if value is None:
        del headers[name]
    else:
        headers[name] = value

    problem = Envelope.parse(headers)

    assert problem == HeaderProblem(DeadReason.MISSING_HEADER, f"header {name} is missing or empty")


@pytest.mark.parametrize(
    ("name", "value"), [("ce_id", b"\xff"), ("ce_accountsid", b"AC12"), ("ce_accountsid", b"XX" + b"0" * 32)]
)
def test_a_header_that_cannot_be_read_is_a_problem_and_no_exception(name: str, value: bytes) -> None:
    headers = dict(event_headers(an_event(), dataschema="http://s/A.B/1")) | {name: value}

    problem = Envelope.parse(headers)

    assert isinstance(problem, HeaderProblem)
    assert problem.reason is DeadReason.BAD_HEADER


@given(
    st.dictionaries(st.sampled_from(["ce_id", "ce_type", "ce_accountsid", "es_deadline", "es_attempt"]), st.binary())
)
def test_no_headers_at_all_can_make_parsing_raise(headers: dict[str, bytes]) -> None:
    assert isinstance(Envelope.parse(headers), HeaderProblem)
    assert isinstance(DeliveryProgress.parse(headers), HeaderProblem)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("es_accepted_at", b"9" * 400),
        ("es_deadline", b"9" * 400),
        ("es_deadline", b"9" * 5000),
        ("es_not_before", b"9" * 400),
        ("es_attempt", b"0"),
        ("es_attempt", b"-7"),
    ],
)
def test_a_number_that_nobody_can_reckon_with_is_a_problem_and_no_exception(name: str, value: bytes) -> None:
    whole = {"es_accepted_at": b"1", "es_deadline": b"2", "es_subscription": b"DF1", "es_attempt": b"1"}

    assert isinstance(DeliveryProgress.parse(whole), DeliveryProgress)
    problem = DeliveryProgress.parse(whole | {name: value})

    assert isinstance(problem, HeaderProblem)
    assert problem.reason is DeadReason.BAD_HEADER


def test_routing_adds_its_own_headers_and_drops_any_that_a_producer_forged() -> None:
    forged = [("ce_id", b"1"), ("es_deadline", b"9"), ("es_subscription", b"DFevil")]

    routed = routed_headers(forged, accepted_at_ms=5, deadline_ms=9, subscription_sid="DF1")

    assert routed == [("ce_id", b"1"), ("es_accepted_at", b"5"), ("es_deadline", b"9"), ("es_subscription", b"DF1")]


@given(
    accepted=some_ms,
    deadline=some_ms,
    attempt=st.integers(1, 10**6),
    first=st.none() | some_ms,
    not_before=some_ms,
    reason=st.none() | st.sampled_from(["throttled", "timed_out"]),
)
def test_the_state_of_a_retry_survives_the_way_through_headers(
    accepted: int, deadline: int, attempt: int, first: int | None, not_before: int, reason: str | None
) -> None:
    routed = routed_headers([("ce_id", b"1")], accepted_at_ms=accepted, deadline_ms=deadline, subscription_sid="DF1")
    progress = DeliveryProgress(
        accepted_at_ms=accepted,
        deadline_ms=deadline,
        subscription_sid="DF1",
        attempt=attempt,
        first_attempt_at_ms=first,
        not_before_ms=not_before,
        origin="t/0/1",
        last_reason=reason,
        last_code=91302 if reason else None,
        last_detail="why" if reason else None,
    )

    once = retry_headers(routed, progress)
    twice = retry_headers(once, progress)

    assert DeliveryProgress.parse(dict(once)) == progress
    assert twice == once  # moving from slot to slot does not pile headers up


def test_a_dead_letter_keeps_the_headers_and_says_why() -> None:
    routed = routed_headers([("ce_id", b"1")], accepted_at_ms=5, deadline_ms=9, subscription_sid="DF1")
    progress = DeliveryProgress.parse(dict(routed))
    assert isinstance(progress, DeliveryProgress)

    dead = dict(
        dead_headers(routed, progress, origin="t/0/7", reason=DeadReason.REFUSED, code=91305, detail="HTTP 400: no")
    )

    assert dead == dict(routed) | {
        names.ATTEMPTS: b"0",
        names.ORIGIN: b"t/0/7",
        names.REASON: b"refused",
        names.CODE: b"91305",
        names.DETAIL: b"HTTP 400: no",
    }


@given(st.text())
def test_a_detail_is_cut_between_characters(detail: str) -> None:
    clipped = clip(detail * 50)

    assert len(clipped) <= names.MAX_DETAIL_BYTES
    clipped.decode()
