"""CloudEvents JSON to events, and what is wrong with those that are none."""

from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstreams.catalog import Catalog
from eventstreams.events import Event
from eventstreams.sids import SidKind, is_sid
from producers.cloudevents import CloudEventParser, render
from producers.outcomes import Invalid
from producers.strict_json import parse_json

SENT = "com.twilio.messaging.message.sent"
ACCOUNT = "AC" + "1" * 32
OTHER = "AC" + "2" * 32
MINIMAL = {"specversion": "1.0", "type": SENT, "source": "/m/1", "data": {"a": 1}}


@cache
def parser() -> CloudEventParser:
    return CloudEventParser(Catalog.load())


def parse(value: object, *, account_sid: str | None = ACCOUNT) -> Event | Invalid:
    return parser().parse(value, account_sid=account_sid)


def parsed(**attributes: object) -> Event:
    event = parse(MINIMAL | attributes)
    assert isinstance(event, Event), event
    return event


def test_every_attribute_arrives() -> None:
    event = parsed(
        id="EZ1",
        time="2026-03-29T06:01:02.345+02:00",
        subject="s",
        partitionkey="k",
        accountsid=OTHER,
        datacontenttype="application/json; charset=utf-8",
        dataschema="https://anywhere/Messaging.MessageStatus/3",
    )

    assert event == Event(
        type=SENT,
        source="/m/1",
        account_sid=OTHER,
        data={"a": 1},
        id="EZ1",
        time=datetime(2026, 3, 29, 4, 1, 2, 345000, UTC),
        subject="s",
        partition_key="k",
        schema_version=3,
    )


def test_an_id_and_a_time_are_made_where_there_are_none() -> None:
    first, second = parsed(), parsed(id=None, time=None)

    assert is_sid(first.id, SidKind.EVENT)
    assert first.id != second.id
    assert abs(datetime.now(UTC) - first.time) < timedelta(seconds=10)
    assert first.schema_version is None


def test_the_given_account_counts_where_the_event_names_none() -> None:
    assert parsed().account_sid == ACCOUNT
    assert parse(MINIMAL, account_sid=None) == Invalid(
        "$.accountsid", "is missing: give the account that the event belongs to"
    )


def test_an_extension_that_we_do_not_know_is_left_out() -> None:
    event = parsed(id="EZ1", time="2026-01-01T00:00:00Z")

    assert parsed(id="EZ1", time="2026-01-01T00:00:00Z", traceparent="00-1-2-01", sequence=5) == event


@pytest.mark.parametrize(
    ("attributes", "path", "reason"),
    [
        pytest.param({"specversion": "0.3"}, "$.specversion", 'must be "1.0"', id="old version"),
        pytest.param({"specversion": 1.0}, "$.specversion", "must be a string, not a number", id="version as number"),
        pytest.param({"type": None}, "$.type", "is missing", id="no type"),
        pytest.param({"source": True}, "$.source", "must be a string, not true or false", id="source of wrong type"),
        pytest.param({"id": 7}, "$.id", "must be a string, not a number", id="id of wrong type"),
        pytest.param({"accountsid": []}, "$.accountsid", "must be a string, not a list", id="account of wrong type"),
        pytest.param(
            {"partitionKey": "k"}, "$.partitionKey", "is not a valid attribute name", id="misspelled attribute"
        ),
        pytest.param({"": "k"}, "$.", "is not a valid attribute name", id="empty name"),
        pytest.param({"data": None}, "$.data", "is missing", id="no data"),
        pytest.param({"data": "{}"}, "$.data", "must be an object, not a string", id="data as text"),
        pytest.param({"data": None, "data_base64": "e30="}, "$.data_base64", "is not supported", id="binary data"),
        pytest.param({"datacontenttype": "text/xml"}, "$.datacontenttype", "must be application/json", id="XML"),
        pytest.param({"time": "yesterday"}, "$.time", "must be an RFC 3339 time", id="no time"),
        pytest.param({"time": "2026-03-29T04:01:02"}, "$.time", "must be an RFC 3339 time", id="no offset"),
        pytest.param({"time": "2026-02-30T04:01:02Z"}, "$.time", "must be an RFC 3339 time", id="no such day"),
        pytest.param(
            {"time": "0001-01-01T00:00:00+23:00"}, "$.time", "must be an RFC 3339 time", id="before the year 1"
        ),
        pytest.param({"dataschema": "Messaging.MessageStatus"}, "$.dataschema", "must end in", id="no version"),
        pytest.param({"dataschema": "x/Messaging.MessageStatus/0"}, "$.dataschema", "must end in", id="version 0"),
        pytest.param(
            {"dataschema": "x/Messaging.MessageStatus/\u0663"}, "$.dataschema", "must end", id="foreign digit"
        ),
        pytest.param({"dataschema": "x/Voice.WebhookEvent/1"}, "$.dataschema", "must end in", id="another schema"),
    ],
)
def test_what_is_wrong_is_told_with_its_path(attributes: dict[str, object], path: str, reason: str) -> None:
    problem = parse(MINIMAL | attributes)

    assert isinstance(problem, Invalid)
    assert problem.path == path
    assert problem.reason.startswith(reason)


@pytest.mark.parametrize("value", [None, [], "x", 1, True], ids=repr)
def test_what_is_no_object_is_no_event(value: object) -> None:
    problem = parse(value)

    assert isinstance(problem, Invalid)
    assert (problem.path, problem.reason[:21]) == ("$", "must be a JSON object")


@pytest.mark.parametrize("raw", [b"", b"{", b"[NaN]", b"[" * 5000, b'{"a":"\\ud800"}', b"[1e999]"], ids=repr)
def test_what_is_not_json_is_told(raw: bytes) -> None:
    problem = parse_json(raw)

    assert isinstance(problem, Invalid)
    assert str(problem).startswith("$ is not JSON: ")


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b"\xff", "byte 0xff at offset 0"),
        (b'{"a":"\xed\xa0\x80"}', "byte 0xed at offset 6"),
        ('{"to":"J\u00f6rg"}'.encode("latin-1"), "byte 0xf6 at offset 8"),
    ],
    ids=["no text", "surrogate", "Latin-1"],
)
def test_the_first_byte_that_is_not_utf8_is_told(raw: bytes, where: str) -> None:
    assert parse_json(raw) == Invalid("$", f"is not UTF-8, which JSON must be: {where}")


def test_a_rendered_event_parses_to_itself() -> None:
    event = parsed(id="EZ1", time="2026-03-29T04:01:02.345Z", subject="s", partitionkey="k", accountsid=OTHER)

    assert parse(render(event), account_sid=None) == event


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
NAMES = (
    "specversion",
    "type",
    "source",
    "id",
    "time",
    "subject",
    "dataschema",
    "datacontenttype",
    "accountsid",
    "data",
)


@given(st.dictionaries(st.sampled_from(NAMES), JSON | st.datetimes().map(lambda at: at.isoformat() + "Z")))
def test_no_json_makes_it_raise(attributes: dict[str, object]) -> None:
    assert isinstance(parse(MINIMAL | attributes), Event | Invalid)
