"""Filters in the router: who gets a copy, how often a value is decoded, and that nothing of it stops the router."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from typing_extensions import override

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec, CodecProblem, Data
from eventstreams.control.records import SubscribedType, Subscription
from eventstreams.control.snapshot import Change
from eventstreams.events import Event
from eventstreams.filters import Verdict
from router.planning.filtering import Filtering
from router.planning.matcher import Matcher
from router.planning.plan import Planner, Run
from tests.support.events import SENT, encoded, message_event

ACCOUNT = "AC" + "1" * 32

RUN = Run("es.events", 2, [], is_last=True)


class CountingCodec(Codec):
    """Remembers which versions it decoded."""

    @override
    def decode(self, dataschema: str, value: bytes, *, version: int | None = None) -> Data | CodecProblem:
        decoded.append(version)
        return super().decode(dataschema, value, version=version)


decoded: list[int | None] = []
verdicts: list[Verdict] = []


@dataclass(frozen=True)
class Record:
    headers: Sequence[tuple[str, bytes]]
    value: bytes | None
    key: bytes | None = None
    topic: str = "es.events"
    partition: int = 0
    offset: int = 0
    timestamp: int = 1000


@pytest.fixture(autouse=True)
def nothing_yet() -> None:
    decoded.clear()
    verdicts.clear()


def record(event: Event | None = None) -> Record:
    value, headers = encoded(event or message_event(ACCOUNT, 1))
    return Record(headers, value)


def subscription(number: int, text: str | None, *, version: int = 8) -> Subscription:
    return Subscription(
        sid=f"DF{number:032x}",
        account_sid=ACCOUNT,
        sink_sid="DG",
        sink_type="webhook",
        description="",
        types=(SubscribedType(type=SENT, schema_version=version, since_ms=0),),
        created_ms=1,
        updated_ms=1,
        filter=text,
    )


def planner(*subscriptions: Subscription) -> Planner:
    matcher = Matcher(default_ttl_ms=5000, topic_of=lambda _, sid: sid)
    for each in subscriptions:
        matcher.apply(Change(None, each))
    catalog = Catalog.load()
    filtering = Filtering(CountingCodec(catalog, schema_base_url="http://s"), tell=verdicts.append)
    return Planner(matcher, filtering=filtering, event_types=catalog.types, dead_topic="dead")


def topics(planner: Planner, record: Record) -> list[int]:
    """The numbers of the subscriptions that get a copy."""
    return [int(copy.topic.removeprefix("DF"), 16) for copy in planner.plan(RUN, record)]


def test_only_subscriptions_whose_filter_is_true_get_a_copy() -> None:
    made = planner(
        subscription(1, "data.messageStatus == 'SENT'"),
        subscription(2, "data.messageStatus == 'FAILED'"),
        subscription(3, None),
        subscription(4, "data.errorCode == 30004"),
        subscription(5, "type.endsWith('.sent')"),
    )

    assert topics(made, record()) == [1, 3, 5]
    assert verdicts == ["taken", "excluded", "undecided", "taken"]


def test_a_value_is_decoded_once_for_each_version_that_a_filter_asks_for() -> None:
    made = planner(
        *(subscription(number, "data.messageStatus == 'SENT'") for number in (1, 2, 3)),
        subscription(4, "has(data.body)", version=1),
        subscription(5, None, version=2),
        subscription(6, "id != ''", version=3),
    )

    assert topics(made, record()) == [1, 2, 3, 5, 6]
    assert decoded == [8, 1]


def test_a_filter_on_attributes_never_decodes() -> None:
    made = planner(subscription(1, "source.contains('/Messages/') && subject == ''"), subscription(2, None))

    assert topics(made, record()) == [1, 2]
    assert decoded == []


@pytest.mark.parametrize("value", [None, b"", b"\xff\xff\xff", b"\x00" * 3])
def test_an_event_that_cannot_be_decoded_is_delivered_for_the_worker_to_say_so(value: bytes | None) -> None:
    made = planner(subscription(1, "data.messageStatus == 'FAILED'"), subscription(2, "type == 'other'"))

    assert topics(made, Record(record().headers, value)) == [1]
    assert verdicts == ["unfiltered", "excluded"]


@pytest.mark.parametrize(
    "text", ["type.matches('.*')", "of_a_later_release()", "type ==", "", "\ud800", "x" * 5000, "1"]
)
def test_a_filter_that_this_release_cannot_read_holds_nothing_back(text: str) -> None:
    made = planner(subscription(1, text), subscription(2, None))

    assert [topics(made, record()) for _ in range(2)] == [[1, 2], [1, 2]]
    assert verdicts == ["unfiltered", "unfiltered"]


def test_a_malformed_event_is_a_dead_letter_before_any_filter_is_asked() -> None:
    made = planner(subscription(1, "type == 'other'"))
    headers = [header for header in record().headers if header[0] != "ce_id"]

    [copy] = made.plan(RUN, Record(headers, record().value))

    assert copy.topic == "dead"
    assert verdicts == []


def test_a_changed_filter_counts_at_once() -> None:
    before, after = subscription(1, "type == 'other'"), subscription(1, "type != 'other'")
    matcher = Matcher(default_ttl_ms=5000, topic_of=lambda _, sid: sid)
    filtering = Filtering(Codec(Catalog.load(), schema_base_url="http://s"), tell=verdicts.append)
    made = Planner(matcher, filtering=filtering, event_types={SENT}, dead_topic="dead")
    matcher.apply(Change(None, before))
    assert made.plan(RUN, record()) == []

    matcher.apply(Change(before, after))

    assert topics(made, record()) == [1]
