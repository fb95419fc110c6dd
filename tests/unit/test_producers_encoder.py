"""Events to records: what the checks before sending let through."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Final

import pytest

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.events import Event
from eventstreams.headers import Envelope
from eventstreams.topics import MAX_EVENT_BYTES
from producers.encoder import EncodedEvent, EventEncoder
from producers.outcomes import Invalid

ACCOUNT: Final = "AC" + "1" * 32
DATA: Final[Mapping[str, object]] = {
    "messageSid": "SM" + "1" * 32,
    "timestamp": "2026-03-29T04:01:02.345Z",
    "accountSid": ACCOUNT,
    "eventName": "com.twilio.messaging.message.sent",
    "apiVersion": "2010-04-01",
    "from": "+14155550100",
    "to": "+14155550101",
    "messageStatus": "SENT",
}
EVENT: Final = Event(
    type="com.twilio.messaging.message.sent",
    source="/2010-04-01/Accounts/AC1/Messages/SM1.json",
    account_sid=ACCOUNT,
    data=DATA,
    id="EZ1",
    time=datetime(2026, 3, 29, 4, 1, 2, 345678, UTC),
)


@cache
def codec() -> Codec:
    return Codec(Catalog.load(), schema_base_url="https://schemas.example/")


@cache
def encoder() -> EventEncoder:
    return EventEncoder(Catalog.load(), codec())


def encoded(event: Event) -> EncodedEvent:
    record = encoder().encode(event)
    assert isinstance(record, EncodedEvent), record
    return record


def test_the_value_decodes_to_the_data() -> None:
    record = encoded(EVENT)

    dataschema = dict(record.headers)["ce_dataschema"].decode()
    assert codec().decode(dataschema, record.value) == DATA


def test_the_headers_are_the_cloudevents_attributes() -> None:
    record = encoded(replace(EVENT, subject="s"))

    newest = Catalog.load().schemas["Messaging.MessageStatus"].latest.version
    assert Envelope.parse(dict(record.headers)) == Envelope(
        id="EZ1",
        type=EVENT.type,
        source=EVENT.source,
        time="2026-03-29T04:01:02.345Z",
        dataschema=f"https://schemas.example/Messaging.MessageStatus/{newest}",
        account_sid=ACCOUNT,
        subject="s",
        partition_key=EVENT.source,
    )


def test_the_key_is_the_resource_unless_the_event_names_one() -> None:
    assert encoded(EVENT).key == EVENT.source.encode()
    assert encoded(replace(EVENT, partition_key="k")).key == b"k"


def test_an_event_may_follow_an_older_schema_version() -> None:
    record = encoded(replace(EVENT, schema_version=1))

    assert dict(record.headers)["ce_dataschema"] == b"https://schemas.example/Messaging.MessageStatus/1"


@pytest.mark.parametrize(
    ("event", "path", "reason"),
    [
        pytest.param(
            replace(EVENT, type="com.twilio.messaging.message.snet"),
            "$.type",
            "is not an event type of the catalogue: did you mean com.twilio.messaging.message.sent?",
            id="misspelled type",
        ),
        pytest.param(
            replace(EVENT, type="weather"),
            "$.type",
            "is not an event type of the catalogue: one of your own must be in a folder of EVENTSTREAMS_CATALOG_DIRS",
            id="unknown type",
        ),
        pytest.param(
            replace(EVENT, schema_version=999),
            "$.dataschema",
            "specifies version 999 of Messaging.",
            id="unknown version",
        ),
        pytest.param(replace(EVENT, account_sid="AC1"), "$.accountsid", "must be AC and 32", id="malformed account"),
        pytest.param(replace(EVENT, id=""), "$.id", "is empty", id="empty id"),
        pytest.param(replace(EVENT, source="/\n"), "$.source", "contains a control character", id="control character"),
        pytest.param(
            replace(EVENT, subject="\ud800"), "$.subject", "contains a control character or a lone", id="surrogate"
        ),
        pytest.param(replace(EVENT, partition_key="é" * 600), "$.partitionkey", "is longer than 1024", id="long key"),
        pytest.param(replace(EVENT, time=datetime(2026, 1, 1)), "$.time", "has no time zone", id="naive time"),  # noqa: DTZ001 - the point
        pytest.param(
            replace(EVENT, data={**DATA, "to": 5}), "$.data.to", "must be a string, not an integer", id="wrong type"
        ),
        pytest.param(
            replace(EVENT, data={"to": "x"}), "$.data.messageSid", "is missing (Messaging.Mess", id="missing field"
        ),
        pytest.param(
            replace(EVENT, data={**DATA, "colour": 1}), "$.data.colour", "is not a field of this", id="unknown field"
        ),
        pytest.param(replace(EVENT, data={**DATA, "to": "\ud800"}), "$.data", "", id="surrogate in the data"),
        pytest.param(replace(EVENT, data={**DATA, "body": "x" * MAX_EVENT_BYTES}), "$", "takes 10", id="too large"),
    ],
)
def test_what_does_not_fit_is_told_with_its_path(event: Event, path: str, reason: str) -> None:
    problem = encoder().encode(event)

    assert isinstance(problem, Invalid)
    assert problem.path.startswith(path)
    assert problem.reason.startswith(reason)


def test_a_name_that_came_from_outside_is_cut() -> None:
    problem = encoder().encode(replace(EVENT, data={**DATA, "x" * 10_000: 1}))

    assert isinstance(problem, Invalid)
    assert len(str(problem)) < 2000


def test_the_largest_event_is_just_below_the_bound() -> None:
    plain = len(encoded(EVENT).value)
    sizes = range(MAX_EVENT_BYTES - plain - 2000, MAX_EVENT_BYTES)

    def is_refused(size: int) -> bool:
        return isinstance(encoder().encode(replace(EVENT, data={**DATA, "body": "x" * size})), Invalid)

    found = sizes[bisect_left(sizes, True, key=is_refused)]

    assert is_refused(found)
    assert not is_refused(found - 1)
    assert MAX_EVENT_BYTES - 2000 < found < MAX_EVENT_BYTES
