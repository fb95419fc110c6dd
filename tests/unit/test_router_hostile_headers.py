"""Headers of a hostile producer: those recognized by their bytes must mean what parsing them would say."""

import tracemalloc
from collections.abc import Sequence
from typing import Any, cast

from eventstreams.control.records import SubscribedType, Subscription
from eventstreams.control.snapshot import Change
from router.planning import known_headers
from router.planning.matcher import Matcher
from router.planning.plan import Planner
from router.record_format import header_fields
from tests.unit.test_router_plan import HEADERS, SENT, FakeRecord, learned

FIRST, SECOND = (b"AC" + each * 32 for each in (b"1", b"2"))
_Header = tuple[str, bytes]


def _planner(*accounts: bytes) -> Planner:
    matcher = Matcher(default_ttl_ms=5000, topic_of=lambda kind, sid: f"es.sub.{kind}.{sid}")
    for number, account in enumerate(accounts, 1):
        types = (SubscribedType(type=SENT, schema_version=1, since_ms=0),)
        matcher.apply(
            Change(
                None,
                Subscription(
                    sid=f"DF{number:032x}", account_sid=account.decode(), sink_sid="DG", sink_type="webhook",
                    description="", types=types, filter=None, created_ms=1, updated_ms=1,
                ),
            )
        )  # fmt: skip
    return Planner(matcher, filtering=cast(Any, None), event_types={SENT}, dead_topic="dead")


def _ways(planner: Planner, headers: Sequence[_Header]) -> Sequence[str]:
    found = planner.ways_by_bytes(header_fields(headers), len(headers), 1000)
    return [place[0] for place, *_ in found]


def test_a_layout_is_not_taken_for_another_of_the_same_length() -> None:
    """Of two layouts only how the values that vary share the bytes differs; a third event lies in between."""
    planner = _planner(FIRST, SECOND)
    fixed = [(name, value) for name, value in HEADERS.items() if name not in {"ce_accountsid", "ce_subject"}]
    begins, ends = [("ce_accountsid", FIRST), *fixed], [("content-type", b"application/avro")]
    other = ("ce_accountsid", SECOND)  # again, and the last one counts
    head = header_fields([("ce_subject", b"")])
    long = len(header_fields([other])) - len(head)  # bytes of a subject that takes as much as ``other``
    part = head[:-1] + header_fields([("ce_subject", b"s" * long)])[len(head) - 1 : len(head)]
    one = [*begins, ("ce_partitionkey", b"k"), ("ce_subject", b"s" * (long + len(part))), *ends]
    two = [*begins, ("ce_partitionkey", b"k" + part), ("ce_subject", b"s" * long), *ends]
    between = [*begins, ("ce_partitionkey", b"k" + part), other, *ends]
    assert len({len(header_fields(each)) for each in (one, two, between)}) == 1
    assert learned(planner, FakeRecord(one))
    assert learned(planner, FakeRecord(two))

    right = [place[0] for place, *_ in planner.ways(FakeRecord(between))]

    assert right == [f"es.sub.webhook.DF{2:032x}"], "of the second account"
    assert _ways(planner, between) in ([], right)


def test_what_is_known_takes_little_memory_however_long_headers_are() -> None:
    planner = _planner(FIRST)
    tracemalloc.start()
    try:
        for number in range(200):
            learned(planner, FakeRecord([*HEADERS.items(), ("content-type", b"%09d" % number * 10_000)]))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 4 << 20, f"{kept >> 20} MiB of 200 events; {known_headers._LENGTHS=} and 32,768 of these may be kept"


def test_what_is_known_takes_little_memory_however_many_headers_there_are() -> None:
    planner = _planner(FIRST)
    tracemalloc.start()
    try:
        for number in range(4):
            learned(planner, FakeRecord([*HEADERS.items(), *[("ce_id", b"1")] * (20_000 + number)]))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 1 << 20, f"{kept >> 10} KiB of 4 events of 160 KB"
