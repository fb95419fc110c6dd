"""Filters: what they take, what they refuse and in which words, and that none of them can be made to work for long."""

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstreams.catalog import Catalog
from eventstreams.control.records import SubscribedType
from eventstreams.filters import MAX_LENGTH, Filter, FilterChecker, FilterError, Verdict
from eventstreams.filters.descriptions import Description

FAILED = SubscribedType(type="com.twilio.messaging.message.failed", schema_version=8)
CALL = SubscribedType(type="com.twilio.voice.insights.call-summary.complete", schema_version=6)
HEADERS = {
    "ce_id": b"EZ1",
    "ce_type": b"com.twilio.messaging.message.failed",
    "ce_source": b"/2010-04-01/Accounts/AC1/Messages/SM1.json",
    "ce_time": b"2026-03-29T04:01:02.345Z",
    "ce_dataschema": b"https://events-schemas.twilio.com/Messaging.MessageStatus/8",
    "ce_accountsid": b"AC1",
}
DATA: Mapping[str, object] = {
    "messageStatus": "FAILED",
    "errorCode": 30004,
    "from": "+15005550006",
    "tags": {"campaign": "spring"},
}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load()


@pytest.fixture(scope="module")
def checker(catalog: Catalog) -> FilterChecker:
    return FilterChecker(catalog)


def verdict(text: str, data: Mapping[str, object] = DATA, headers: Mapping[str, bytes] = HEADERS) -> Verdict:
    return Filter(text).ask(headers, lambda: data).verdict


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data.messageStatus == 'FAILED' && data.errorCode == 30004", "taken"),
        ("data.messageStatus == 'SENT'", "excluded"),
        ("type.endsWith('.failed') && source.contains('/Messages/')", "taken"),
        ("event.type == type", "taken"),
        ("subject == '' && partitionkey == ''", "taken"),
        ("accountsid == 'AC1' && id == 'EZ1' && dataschema.endsWith('/8')", "taken"),
        ("time > timestamp('2026-03-29T00:00:00Z')", "taken"),
        ("time < timestamp('2026-03-29T00:00:00Z')", "excluded"),
        ("data.errorCode in [30003, 30004]", "taken"),
        ("data.errorCode >= 30000 && data.errorCode < 31000", "taken"),
        ("!(data.errorCode == 30004)", "excluded"),
        ("'campaign' in data.tags && data.tags.campaign == 'spring'", "taken"),
        ("data.from.startsWith('+1') ? true : false", "taken"),
        ("size(data.from) == 12 || string(data.errorCode) == '1'", "taken"),
    ],
)
def test_a_filter_takes_what_it_says(checker: FilterChecker, text: str, expected: str) -> None:
    checker.check(text, [FAILED])

    assert verdict(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data.body == 'hello'", Verdict.UNDECIDED),
        ("data.body != 'hello'", Verdict.UNDECIDED),
        ("!has(data.body) || data.body != 'hello'", Verdict.TAKEN),
        ("has(data.body)", Verdict.EXCLUDED),
        ("data.body == 'hello' || data.errorCode == 30004", Verdict.TAKEN),
        ("data.body == 'hello' && data.errorCode == 1", Verdict.EXCLUDED),
        ("data.tags.colour == 'red'", Verdict.UNDECIDED),
        ("int(data.from) == 1 || timestamp(data.from) == time", Verdict.UNDECIDED),
    ],
)
def test_what_an_event_does_not_have_decides_nothing(checker: FilterChecker, text: str, expected: Verdict) -> None:
    checker.check(text, [FAILED])

    assert verdict(text) is expected
    assert Verdict.UNDECIDED.delivers is False


def test_the_answer_says_what_the_event_does_not_have() -> None:
    answer = Filter("data.body == 'hello'").ask(HEADERS, lambda: DATA)

    assert "body" in answer.detail


def test_an_event_that_cannot_be_read_is_delivered_and_not_asked_for_where_it_is_not_needed() -> None:
    broken = "value is not Avro"

    answer = Filter("data.body == 'hello'").ask(HEADERS, lambda: broken)

    assert (answer.verdict, answer.detail) == (Verdict.UNFILTERED, broken)
    assert Verdict.UNFILTERED.delivers
    assert Filter("type == 'x'").ask(HEADERS, _never).verdict is Verdict.EXCLUDED


@pytest.mark.parametrize(
    "data",
    [
        {"body": "a" * 100_000, "to": "a" * 50_000 + "b"},
        {"body": ["a" * 100_000], "to": {"a" * 50_000: "b"}},
        {"body": "é" * 30_000, "to": "é" * 15_000},
    ],
    ids=["texts", "inside", "no ASCII"],
)
def test_a_search_that_would_hold_up_others_is_not_begun(data: Mapping[str, object]) -> None:
    filter_ = Filter(" || ".join(["data.body.contains(data.to)"] * 32))
    began = time.thread_time()

    answer = filter_.ask(HEADERS, lambda: data)

    assert time.thread_time() - began < 0.1
    assert (answer.verdict, answer.detail) == (
        Verdict.UNFILTERED,
        "its strings are too long to search with contains",
    )


def test_a_long_text_is_searched_and_a_longer_one_compared() -> None:
    assert verdict("data.body.contains('needle')", data={"body": "x" * 10_000 + "needle"}) == "taken"
    assert verdict("data.body.endsWith('needle')", data={"body": "x" * 500_000 + "needle"}) == "taken"


def test_a_filter_decodes_only_if_it_is_about_data() -> None:
    assert not Filter("type == 'data.x'").needs_data
    assert Filter("has(data.x)").needs_data


def test_a_time_that_is_none_decides_nothing() -> None:
    assert verdict("time > timestamp('2026-03-29T00:00:00Z')", headers={**HEADERS, "ce_time": b"soon"}) == "undecided"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data.mesageStatus == 'FAILED'", "has no mesageStatus: did you mean messageStatus? (at character 5)"),
        ("has(data.zebra)", "message.failed in version 8 has no zebra: there are messageSid, accountSid"),
        ("messageStatus == 'FAILED'", "there is no messageStatus: write data.messageStatus"),
        ("messageStatus == 'FAILED' AND errorCode == 30004", "AND is not CEL: write && (at character 27)"),
        ("type == 'a' and id == 'b'", "and is not CEL: write && (at character 13)"),
        ("type == 'a' Or id == 'b'", "Or is not CEL: write || (at character 13)"),
        ("type == 'a' & id == 'b'", "& is not CEL: write && (at character 13)"),
        ("type == 'a' | id == 'b'", "| is not CEL: write || (at character 13)"),
        ("type = 'a'", "= is not CEL: write =="),
        ("type='a'", "= is not CEL: write == (at character 5)"),
        ("type =~ 'a'", "'=' is not allowed there (at character 6)"),
        ("type == \u201ca\u201d", "\u201c is not a quotation mark in CEL: write ' or \" (at character 9)"),
        ("\u00e9 == 1", "'\u00e9' is not allowed there (at character 1)"),
        ("colour == 1", "there is no colour, only id, type, source, subject, time"),
        ("data.errorCode > 'a'", "> cannot be applied to int and string"),
        ("data.errorCode > 1.5", "write 4 for a whole number"),
        ("data.errorCode in ['a']", "in cannot be applied to int and list(string)"),
        ("data.errorCode == null", "no field is ever null: test for a field that may be absent with has(data."),
        ("data.errorCode", "it must evaluate to true or false"),
        ("data == 1", "== cannot be applied to data and int"),
        ("time > '2026-03-29'", "write a time as timestamp("),
        ("type == 'a' &&\n type ==", "it ends prematurely (in line 2"),
        ("type == 'unterminated", "the text that begins with ' does not end: ' is missing (at character 9)"),
        ("data.body.matches('(a+)+$')", "matches is not supported, only comparisons"),
        ("[1].exists(x, x == 1)", "exists is not supported"),
        ("[1].all(x, x == 1)", "all is not supported"),
        ("[1].map(x, x) == [1]", "map is not supported"),
        ("[1].filter(x, x == 1) == [1]", "filter is not supported"),
        ("dyn(data) == 1", "dyn is not supported"),
        ("data['body'] == 'x'", "[] is not supported"),
        ("type + type == 'aa'", "+ is not supported"),
        ("data.errorCode - 1 == 2", "- is not supported"),
        ("data.body.foo == 1", "operand of a select"),
        ("data.errorCode == 99999999999999999999", "invalid int literal"),
        ("(" * 100 + "true" + ")" * 100, "nested too deeply"),
        (f"type == '{'x' * MAX_LENGTH}'", "at most 1000"),
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("type == '\ud800'", "characters that are not valid text"),
        ("type == '\0'", "characters that are not valid text"),
    ],
)
def test_what_is_no_filter_is_refused_with_what_is_wrong_and_where(
    checker: FilterChecker, text: str, words: str
) -> None:
    with pytest.raises(FilterError) as caught:
        checker.check(text, [FAILED])

    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_filter_must_fit_every_type_of_the_subscription(checker: FilterChecker) -> None:
    checker.check("data.errorCode == 1", [FAILED])

    with pytest.raises(FilterError, match=r"call-summary.complete in version 6 has no errorCode"):
        checker.check("data.errorCode == 1", [FAILED, CALL])
    assert checker.check("type.contains('a')", [FAILED, CALL]).needs_data is False


def test_a_filter_sees_only_what_the_pinned_version_has(checker: FilterChecker, catalog: Catalog) -> None:
    old = SubscribedType(type=FAILED.type, schema_version=1)
    added = {field["name"] for field in _fields(catalog, 8)} - {field["name"] for field in _fields(catalog, 1)}

    with pytest.raises(FilterError, match=r"version 1 has no"):
        checker.check(f"has(data.{min(added)})", [old])


def test_without_types_only_the_language_is_checked(checker: FilterChecker) -> None:
    assert checker.check("data.whatever == 1", []).needs_data

    with pytest.raises(FilterError, match="there is no colour, only id"):
        checker.check("colour == 1", [])
    with pytest.raises(FilterError, match="it must evaluate to true or false"):
        checker.check("data.whatever", [])


def test_times_at_the_ends_of_the_calendar_are_compared() -> None:
    for text in (b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59.999Z", b"0001-01-01T00:00:00+10:00", b""):
        assert verdict("time < timestamp('2026-01-01T00:00:00Z')", headers={**HEADERS, "ce_time": text}) in set(Verdict)


def test_inner_records_lists_and_maps_are_checked_too(checker: FilterChecker) -> None:
    checker.check("'x' in data.tags", [CALL])

    with pytest.raises(FilterError, match=r"this part of the data of .* has no nonsense"):
        checker.check("data.sip_edge.nonsense == 1", [CALL])


def test_every_schema_version_of_the_catalogue_can_be_filtered(catalog: Catalog) -> None:
    checker, seen = FilterChecker(catalog), set()
    for event_type in catalog.types.values():
        for version in catalog.schemas[event_type.schema_id].versions:
            if (version.schema_id, version.version) in seen:
                continue
            seen.add((version.schema_id, version.version))
            pinned = SubscribedType(type=event_type.name, schema_version=version.version)
            for field in _fields(catalog, version.version, version.schema_id):
                checker.check(f"has(data.{field['name']})", [pinned])
    assert len(seen) > 100


def test_names_that_protobuf_would_mix_up_can_be_described() -> None:
    description = Description(
        {
            "type": "record",
            "name": "Odd",
            "fields": [
                {"name": "a_b", "type": {"type": "map", "values": "string"}},
                {"name": "aB", "type": {"type": "map", "values": "string"}},
                {"name": "list", "type": {"type": "array", "items": {"type": "array", "items": "long"}}},
                {"name": "many", "type": ["null", "long", "string"]},
                {"name": "message", "type": "string"},
                {"name": "_1", "type": ["null", "boolean"]},
            ],
        }
    )
    assert description.fields["data.R0"] == ["a_b", "aB", "list", "many", "message", "_1"]


@pytest.mark.parametrize(
    "text",
    [
        "!" * (MAX_LENGTH - 4) + "true",
        "-" * (MAX_LENGTH - 5) + "1 < 0",
        "(" * 490 + "true" + ")" * 490,
        "true?" * 150 + "true" + ":true" * 20,
        "data" + ".a" * 490,
        "[" * 490 + "]" * 490,
        "||".join(["data.body.contains('a')"] * 40),
        "data.from in [" + ",".join(["data.from"] * 90) + "]",
    ],
)
def test_a_filter_that_was_made_to_be_expensive_is_refused_or_cheap(checker: FilterChecker, text: str) -> None:
    data = {"body": "b" * 100_000, "from": "c" * 100_000}
    began = time.process_time()

    try:
        checker.check(text, [FAILED])
    except FilterError:
        pass
    else:
        Filter(text).ask(HEADERS, lambda: data)

    assert time.process_time() - began < 5


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_filter_error(text: str) -> None:
    try:
        made = Filter(text)
    except FilterError:
        return
    assert made.ask(HEADERS, lambda: DATA).verdict in set(Verdict)


_PARTS = st.sampled_from(
    [
        "data.errorCode",
        "data.body",
        "type",
        "time",
        "1",
        "-1",
        "2.5",
        "'a'",
        "true",
        "null",
        "[1]",
        "{'a': 1}",
        "has(data.x)",
    ]
)
_JOINTS = st.sampled_from(
    [" == ", " != ", " < ", " && ", " || ", " in ", " ? true : ", ".size() > ", ".contains(", ") || "]
)


@given(st.lists(st.tuples(_PARTS, _JOINTS), min_size=1, max_size=6), _PARTS)
def test_whatever_is_put_together_from_its_parts_is_answered(parts: list[tuple[str, str]], last: str) -> None:
    text = "".join(part + joint for part, joint in parts) + last
    try:
        made = Filter(text)
    except FilterError:
        return
    assert made.ask(HEADERS, lambda: DATA).verdict in set(Verdict)


def _never() -> Mapping[str, object]:
    raise AssertionError("decoded for nothing")


def _fields(catalog: Catalog, version: int, schema_id: str = "Messaging.MessageStatus") -> list[Mapping[str, str]]:
    found = catalog.schemas[schema_id].version(version)
    assert found is not None
    assert isinstance(found.avro, dict)
    fields: list[Mapping[str, str]] = found.avro["fields"]
    return fields
