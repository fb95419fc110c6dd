"""The plan: what becomes of one event, copies or a dead letter."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.control.records import SubscribedType, Subscription
from eventstreams.control.snapshot import Change
from eventstreams.reasons import DeadReason
from router.filtering import Filtering
from router.matcher import Matcher
from router.plan import Planner

ACCOUNT = "AC" + "1" * 32
SENT = "com.acme.message.sent"
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
    topic: str = "es.events"
    partition: int = 2
    offset: int = 7
    timestamp: int = 1000
    key: bytes | None = b"k"
    value: bytes | None = b"v"


def record(**changes: bytes | None) -> FakeRecord:
    merged = {**HEADERS, **changes}
    return FakeRecord([(name, value) for name, value in merged.items() if value is not None])


@pytest.fixture(scope="module")
def planner() -> Planner:
    matcher = Matcher(default_ttl_ms=5000, topic_of=lambda kind, sid: f"es.sub.{kind}.{sid}")
    for number in (1, 2):
        made = Subscription(
            sid=f"DF{number:032x}",
            account_sid=ACCOUNT,
            sink_sid="DG",
            sink_type="webhook",
            description="",
            types=(SubscribedType(type=SENT, schema_version=1, since_ms=0),),
            created_ms=1,
            updated_ms=1,
        )
        matcher.apply(Change(None, made))
    filtering = Filtering(Codec(Catalog.load(), schema_base_url="http://s"), tell=lambda _: None)
    return Planner(matcher, filtering=filtering, event_types={SENT, "com.acme.other"}, dead_topic="es.dead.router")


def test_each_matching_subscription_gets_a_copy_with_its_own_headers(planner: Planner) -> None:
    copies = planner.plan(record())

    assert [copy.topic for copy in copies] == [f"es.sub.webhook.DF{number:032x}" for number in (1, 2)]
    for number, copy in enumerate(copies, start=1):
        assert dict(copy.headers) == HEADERS | {
            "es_accepted_at": b"1000",
            "es_deadline": b"6000",
            "es_subscription": f"DF{number:032x}".encode(),
        }


def test_an_event_that_nobody_wants_has_no_copy(planner: Planner) -> None:
    assert planner.plan(record(ce_type=b"com.acme.other")) == []


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
    (dead,) = planner.plan(record(**changes))

    headers = dict(dead.headers)
    assert dead.topic == "es.dead.router"
    assert headers["es_reason"] == reason.encode()
    assert headers["es_origin"] == b"es.events/2/7"
    assert headers["es_code"] == b"91303"
    assert headers["es_detail"]


@given(st.lists(st.tuples(st.sampled_from([*HEADERS, "x", "es_deadline"]), st.binary(max_size=40)), max_size=12))
def test_no_headers_whatsoever_make_planning_raise(planner: Planner, headers: list[tuple[str, bytes]]) -> None:
    for copy in planner.plan(FakeRecord(headers)):
        assert copy.topic
