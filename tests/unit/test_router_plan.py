"""The plan: what becomes of one event, copies or a dead letter."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.control.records import SubscribedType, Subscription
from eventstreams.control.snapshot import Change
from eventstreams.headers import UNREADABLE
from eventstreams.reasons import DeadReason
from router.planning.filtering import Filtering
from router.planning.matcher import Matcher
from router.planning.plan import Planner, Run, Way
from router.planning.traced_planner import TracedPlanner
from router.record_format import header_fields

ACCOUNT = "AC" + "1" * 32
SENT = "com.acme.message.sent"
FILTERED = "com.acme.message.filtered"
HEADERS = {
    "ce_specversion": b"1.0",
    "ce_id": b"EZ1",
    "ce_type": SENT.encode(),
    "ce_source": b"/m/1",
    "ce_time": b"2026-01-01T00:00:00.000Z",
    "ce_dataschema": b"http://s/Acme.Message/1",
    "ce_accountsid": ACCOUNT.encode(),
}


@dataclass(frozen=True)
class FakeRecord:
    headers: Sequence[tuple[str, bytes]]
    offset: int = 7
    timestamp: int = 1000
    key: bytes | None = b"k"
    value: bytes | None = b"v"


RUN = Run("es.events", 2, [], is_last=True)


def record(**changes: bytes | None) -> FakeRecord:
    merged = {**HEADERS, **changes}
    return FakeRecord([(name, value) for name, value in merged.items() if value is not None])


def subscription(number: int, types: Sequence[str]) -> Subscription:
    return Subscription(
        sid=f"DF{number:032x}",
        account_sid=ACCOUNT,
        sink_sid="DG",
        sink_type="webhook",
        description="",
        types=tuple(SubscribedType(type=each, schema_version=1, since_ms=0) for each in types),
        filter="source == '/m/1'" if FILTERED in types else None,
        created_ms=1,
        updated_ms=1,
    )


@pytest.fixture(scope="module")
def planner() -> Planner:
    matcher = Matcher(default_ttl_ms=5000, topic_of=lambda kind, sid: f"es.sub.{kind}.{sid}")
    for number, types in ((1, [SENT]), (2, [SENT]), (3, [FILTERED])):
        matcher.apply(Change(None, subscription(number, types)))
    filtering = Filtering(Codec(Catalog.load(), schema_base_url="http://s"), tell=lambda _: None)
    return Planner(
        matcher, filtering=filtering, event_types={SENT, FILTERED, "com.acme.other"}, dead_topic="es.dead.router"
    )


def test_each_matching_subscription_gets_a_copy_with_its_own_headers(planner: Planner) -> None:
    copies = planner.plan(RUN, record())

    assert [copy.topic for copy in copies] == [f"es.sub.webhook.DF{number:032x}" for number in (1, 2)]
    for number, copy in enumerate(copies, start=1):
        assert dict(copy.headers) == HEADERS | {
            "es_accepted_at": b"1000",
            "es_deadline": b"6000",
            "es_subscription": f"DF{number:032x}".encode(),
        }


def test_a_filter_is_asked_although_all_headers_are_where_they_were(planner: Planner) -> None:
    taken, kept_back = (
        planner.plan(RUN, record(ce_type=FILTERED.encode(), ce_source=each)) for each in (b"/m/1", b"/")
    )

    assert (len(taken), kept_back) == (1, [])


def test_an_ordinary_event_has_its_ways_and_whatever_takes_a_closer_look_has_none(planner: Planner) -> None:
    ordinary, filtered = record(), record(ce_type=FILTERED.encode())
    odd = [record(es_deadline=b"1"), record(ce_id=None), record(ce_type=b"com.acme.other")]

    assert [topic for (topic, _), *_ in planner.ways(ordinary)] == [f"es.sub.webhook.DF{each:032x}" for each in (1, 2)]
    assert [*map(planner.ways, (filtered, *odd))] == [(), (), (), []]


def learned(planner: Planner, record: FakeRecord) -> Sequence[Way]:
    return planner.learn(record, len(header_fields(record.headers)))


def by_bytes(planner: Planner, record: FakeRecord) -> Sequence[Way]:
    return planner.ways_by_bytes(header_fields(record.headers), len(record.headers), record.timestamp)


def test_once_an_event_was_parsed_others_like_it_are_known_by_their_bytes() -> None:
    planner = planner_of(
        replace(subscription(1, []), types=(SubscribedType(type=SENT, schema_version=1, since_ms=900),))
    )
    first, like_it = record(ce_subject=b"abc"), record(ce_subject=b"xyz", ce_id=b"EZ2", ce_source=b"/m/2")
    odd = [
        record(),  # without a subject
        record(ce_subject=b"abc", ce_id=b""),
        record(ce_subject=b"abc", ce_accountsid=ACCOUNT.replace("1", "2").encode()),
        record(ce_subject=b"abc", ce_type=b"com.acme.message.snet"),
        record(ce_subject=b"abc", es_deadline=b"1"),
        replace(like_it, timestamp=899),
    ]

    assert not by_bytes(planner, first)
    ways = learned(planner, first)

    assert ways
    assert by_bytes(planner, first) == by_bytes(planner, like_it) == ways
    assert not any(by_bytes(planner, each) for each in odd)
    assert not planner.ways_by_bytes(header_fields(first.headers), len(first.headers) + 1, first.timestamp)


def test_what_is_known_by_bytes_is_forgotten_when_routes_change() -> None:
    matcher = Matcher(default_ttl_ms=5000, topic_of=lambda kind, sid: f"es.sub.{kind}.{sid}")
    matcher.apply(Change(None, subscription(1, [SENT])))
    planner = Planner(matcher, filtering=cast(Any, None), event_types={SENT}, dead_topic="dead")
    learned(planner, record())
    known = by_bytes(planner, record())

    matcher.apply(Change(None, subscription(2, [SENT])))

    assert len(known) == 1
    assert not by_bytes(planner, record())
    assert len(learned(planner, record())) == len(by_bytes(planner, record())) == 2


def test_a_traced_event_is_told_with_its_copies_and_others_are_not() -> None:
    told = list[Any]()
    matcher = Matcher(default_ttl_ms=5000, topic_of=lambda kind, sid: f"es.sub.{kind}.{sid}")
    matcher.apply(Change(None, subscription(1, [SENT])))
    tracing = SimpleNamespace(routed=lambda _, attributes, began_ns: told.append((attributes, began_ns > 0)))
    traced = TracedPlanner(
        matcher, filtering=cast(Any, None), event_types={SENT}, dead_topic="dead", tracing=cast(Any, tracing)
    )
    in_a_trace = record(traceparent=b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")

    in_no_trace = record(traceparent=b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")

    assert len(traced.plan(RUN, record())) == len(traced.plan(RUN, in_a_trace)) == 1
    assert learned(traced, record()) == by_bytes(traced, record())
    assert by_bytes(traced, record())
    assert learned(traced, in_no_trace)
    assert not learned(traced, in_a_trace)
    assert not by_bytes(traced, in_a_trace)
    attributes = {"cloudevents.event_id": "EZ1", "cloudevents.event_type": SENT, "eventstreams.copies": 1}
    assert told == [(attributes, True)]


def test_an_event_that_nobody_wants_has_no_copy(planner: Planner) -> None:
    assert planner.plan(RUN, record(ce_type=b"com.acme.other")) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ce_type": None}, DeadReason.MISSING_HEADER),
        ({"ce_id": None}, DeadReason.MISSING_HEADER),
        ({"ce_dataschema": b""}, DeadReason.MISSING_HEADER),
        ({"ce_accountsid": None}, DeadReason.MISSING_HEADER),
        ({"ce_accountsid": b"nobody"}, DeadReason.BAD_HEADER),
        ({"ce_source": b"\xff", "ce_type": b"com.acme.other"}, DeadReason.BAD_HEADER),
        ({"ce_type": b"com.acme.unheard-of"}, DeadReason.UNKNOWN_EVENT_TYPE),
    ],
)
def test_a_malformed_event_becomes_a_dead_letter_with_its_reason(
    planner: Planner, changes: dict[str, bytes | None], reason: DeadReason
) -> None:
    (dead,) = planner.plan(RUN, record(**changes))

    headers = dict(dead.headers)
    assert dead.topic == "es.dead.router"
    assert headers["es_reason"] == reason.encode()
    assert headers["es_origin"] == b"es.events/2/7"
    assert headers["es_code"] == b"91303"
    assert headers["es_detail"]


@st.composite
def nearly_right(draw: st.DrawFn) -> list[tuple[str, bytes]]:
    """A producer's headers in any order, with some there twice, some missing, some changed and some of others."""
    odd = st.sampled_from([*HEADERS, "ce_subject", "traceparent", "x", "es_deadline", UNREADABLE])
    values = st.sampled_from([b"", b"1", b"nobody", b"\xff", cast(bytes, None), *HEADERS.values(), FILTERED.encode()])
    headers = [*HEADERS.items(), *draw(st.lists(st.tuples(odd, values), max_size=3))]
    if draw(st.booleans()):
        headers = draw(st.permutations(headers))
    return headers[: draw(st.integers(0, 3)) or None] if draw(st.integers(0, 9)) == 0 else headers


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(nearly_right(), min_size=1, max_size=4))
def test_headers_by_their_places_are_planned_as_by_their_names(
    planner: Planner, events: Sequence[list[tuple[str, bytes]]]
) -> None:
    """Whatever came before, and so is known of how headers lie."""
    for number, headers in enumerate([*events, *events]):
        record = FakeRecord(headers, timestamp=1000 + number // 2)
        by_bytes = planner.ways_by_bytes(header_fields(headers), len(headers), record.timestamp)

        assert not by_bytes or by_bytes == planner.ways(record)
        assert learned(planner, record) == planner.ways(record)
        assert planner.plan(RUN, record) == planner.plan_closely(RUN, record)


def test_headers_of_any_order_and_twice_count_with_their_last_value(planner: Planner) -> None:
    headers = [("ce_type", b"com.acme.other"), ("ce_id", b""), *reversed(HEADERS.items())]

    first, second = planner.plan(RUN, FakeRecord(headers))

    assert [copy.headers[:9] for copy in (first, second)] == [headers, headers]
    assert planner.plan(RUN, FakeRecord([*HEADERS.items(), ("ce_type", b"com.acme.other")])) == []


@given(st.lists(st.tuples(st.sampled_from([*HEADERS, "x", "es_deadline"]), st.binary(max_size=40)), max_size=12))
def test_no_headers_whatsoever_make_planning_raise(planner: Planner, headers: list[tuple[str, bytes]]) -> None:
    for copy in planner.plan(RUN, FakeRecord(headers)):
        assert copy.topic


def test_an_event_is_for_who_wanted_it_when_it_was_accepted_whatever_was_asked_before() -> None:
    late = replace(subscription(2, [SENT]), types=(SubscribedType(type=SENT, schema_version=1, since_ms=2000),))
    planner = planner_of(subscription(1, [SENT]), late)
    first, second = (f"es.sub.webhook.DF{number:032x}" for number in (1, 2))

    for accepted_at, wanted in ((1999, [first]), (2000, [first, second]), (1999, [first]), (3000, [first, second])):
        copies = planner.plan(RUN, replace(record(), timestamp=accepted_at))

        assert [copy.topic for copy in copies] == wanted
        for copy in copies:
            headers = dict(copy.headers)
            assert (headers["es_accepted_at"], headers["es_deadline"]) == (
                b"%d" % accepted_at, b"%d" % (accepted_at + 5000)
            )  # fmt: skip


def test_what_is_known_of_accounts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.planning.plan._MOST_KNOWN", 10)
    planner = planner_of(subscription(1, [SENT]))

    for number in range(100):
        assert planner.plan(RUN, record(ce_accountsid=b"AC%032d" % number)) == []
        assert len(planner.plan(RUN, record())) == 1
        assert len(planner._known) <= 10


def planner_of(*subscriptions: Subscription) -> Planner:
    matcher = Matcher(default_ttl_ms=5000, topic_of=lambda kind, sid: f"es.sub.{kind}.{sid}")
    for each in subscriptions:
        matcher.apply(Change(None, each))
    filtering = Filtering(Codec(Catalog.load(), schema_base_url="http://s"), tell=lambda _: None)
    return Planner(matcher, filtering=filtering, event_types={SENT}, dead_topic="es.dead.router")
