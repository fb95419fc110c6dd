"""Headers known by their bytes: those that differ in values that vary, whatever else was seen, and a bounded number."""

from collections.abc import Sequence
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from router.planning import known_headers
from router.planning.known_headers import KnownHeaders
from router.record_format import header_fields

VARYING = ["ce_id", "ce_source", "ce_time", "ce_subject", "ce_partitionkey", "traceparent", "tracestate"]

some_headers = st.lists(
    st.tuples(
        st.sampled_from([*VARYING, "ce_type", "ce_accountsid", "x", ""]),
        st.one_of(
            st.just(cast(bytes, None)), st.sampled_from([b"", b"1", b"\x0cce_id", b"\x0cce_id\x02"]), st.binary()
        ),
    ),
    max_size=6,
)


def what_counts(headers: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes | int]]:
    """The headers, with the length in place of each value that varies and is not empty."""
    return [(name, len(value) if name in VARYING and value else value) for name, value in headers]


@given(st.lists(some_headers, min_size=1, max_size=8), some_headers)
def test_headers_are_known_by_what_counts_alone(
    known: list[list[tuple[str, bytes]]], headers: list[tuple[str, bytes]]
) -> None:
    found = KnownHeaders[list[tuple[str, bytes | int]]](100)
    for each in known:
        found.add(each, what_counts(each))

    assert found.find(header_fields(headers)) in (None, what_counts(headers))
    assert found.find(header_fields(known[-1])) == what_counts(known[-1])


def test_values_that_vary_are_not_looked_at() -> None:
    known = KnownHeaders[str](10)
    known.add([("ce_id", b"EZ1"), ("ce_type", b"t"), ("ce_source", b"/a")], "found")

    assert known.find(header_fields([("ce_id", b"EZ2"), ("ce_type", b"t"), ("ce_source", b"/b")])) == "found"
    assert known.find(header_fields([("ce_id", b"EZ22"), ("ce_type", b"t"), ("ce_source", b"/")])) is None
    assert known.find(header_fields([("ce_id", b"EZ2"), ("ce_type", b"u"), ("ce_source", b"/b")])) is None


def test_what_was_found_last_counts() -> None:
    known = KnownHeaders[str](10)
    known.add([("ce_id", b"1")], "first")
    known.add([("ce_id", b"2")], "second")

    assert known.find(header_fields([("ce_id", b"3")])) == "second"
    known.forget()
    assert known.find(header_fields([("ce_id", b"3")])) is None


def test_no_more_are_kept_than_may_be() -> None:
    known = KnownHeaders[int](10)
    for number in range(25):
        known.add([("ce_type", b"%02d" % number)], number)

    found = [known.find(header_fields([("ce_type", b"%02d" % number)])) for number in range(25)]
    assert found == [*[None] * 20, *range(20, 25)]


def test_no_more_layouts_of_one_length_are_tried_than_may_be() -> None:
    known = KnownHeaders[int](1000)
    most = known_headers._LAYOUTS
    layouts = [[("ce_type", b"t" * (20 - n)), ("ce_subject", b"s" * (1 + n))] for n in range(most + 3)]
    for number, headers in enumerate(layouts):
        known.add(headers, number)

    found = [known.find(header_fields(headers)) for headers in layouts]
    assert found == [None, None, None, *range(3, most + 3)]


def test_where_layouts_are_many_those_in_use_are_seldom_replaced() -> None:
    known = KnownHeaders[int](1000)
    most, seldom = known_headers._LAYOUTS, known_headers._SELDOM
    layouts = [[("ce_type", b"t" * (20 - n)), ("ce_subject", b"s" * (1 + n))] for n in range(most + 1)]
    length = len(header_fields(layouts[0]))
    for number, headers in enumerate(layouts[:most]):
        assert known.wants(length)
        known.add(headers, number)

    assert [known.wants(length) for _ in range(2 * seldom)].count(True) == 2
    assert known.wants(length + 1), "of another length there are none yet"


def test_headers_that_take_much_memory_are_not_kept() -> None:
    known = KnownHeaders[int](1000)
    long = [("content-type", b"x" * known_headers._LONGEST_BYTES)]
    many = [("ce_id", b"")] * (known_headers._MOST_HEADERS + 1)
    for headers in (long, many):
        known.add(headers, 1)

    assert [known.find(header_fields(headers)) for headers in (long, many)] == [None, None]
    assert not known.wants(len(header_fields(long)))
