"""``producers.products``: a class for each event type, which states exactly what an ``Event`` by hand would."""

import dataclasses
import keyword
import pickle
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from itertools import groupby
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstreams.catalog import Catalog, EventTypeStatus, Schema
from eventstreams.catalog.event_rules import PLACEHOLDER
from eventstreams.catalog.listing import Filled
from eventstreams.codec import Codec
from eventstreams.events import Event
from eventstreams.times import rfc3339_ms
from producers.encoder import EventEncoder
from producers.generator.names import TAKEN, class_name, field_names, shared_beginning
from producers.outcomes import Invalid
from producers.product_event import ProductEvent, as_event
from producers.products import commsapi, errorlogs, messaging, taskrouter, verify, voice
from tests.support.avro_values import data_of
from tests.support.typed_events import classes_of, modules, published_types, stated

ACCOUNT: Final = "AC" + "1" * 32
AT: Final = datetime(2026, 3, 29, 4, 1, 2, 345000, UTC)
CATALOG: Final = Catalog.load()
CLASSES: Final = {name: made for module in modules() for name, made in classes_of(module).items()}

TYPES: Final = {
    schema: list(types) for schema, types in groupby(published_types(CATALOG), key=lambda each: each.schema_id)
}

each_schema = pytest.mark.parametrize(
    "schema", [each for each in CATALOG.schemas.values() if each.id in TYPES], ids=lambda each: str(each.id)
)


@cache
def encoder() -> EventEncoder:
    return EventEncoder(CATALOG, Codec(CATALOG, schema_base_url="https://schemas.example.com"))


def sent(**changes: Any) -> messaging.MessageSent:
    arguments: dict[str, Any] = {
        "account_sid": ACCOUNT,
        "message_sid": "SM1",
        "api_version": "2010-04-01",
        "from_": "+15005550006",
        "to": "+15005550010",
    }
    return messaging.MessageSent(**arguments | changes)


def problem_of(stated_event: ProductEvent) -> str:
    problem = encoder().encode(stated_event.event())
    assert isinstance(problem, Invalid), problem
    return str(problem)


def test_every_type_that_products_may_publish_has_one_class() -> None:
    assert set(CLASSES) == {each.name for each in published_types(CATALOG)}
    assert sum(len(classes_of(module)) for module in modules()) == len(CLASSES) == 177
    discontinued = {each.name for each in CATALOG.types.values() if each.status is EventTypeStatus.DISCONTINUED}
    assert not discontinued & set(CLASSES)


@each_schema
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_a_typed_event_is_encoded_as_the_same_event_by_hand(schema: Schema, data: st.DataObject) -> None:
    own = data.draw(data_of(schema.latest))
    for of_type in TYPES[schema.id]:
        ending = of_type.name.removeprefix(
            shared_beginning([each.name for each in CATALOG.types.values() if each.schema_id == schema.id])
        )
        filled: Mapping[Filled, object] = {
            Filled.ACCOUNT: ACCOUNT,
            Filled.ID: "EZ7",
            Filled.TIME: rfc3339_ms(AT),
            Filled.TYPE: of_type.name,
            Filled.TYPE_ENDING: ending,
        }
        by_hand = Event(
            type=of_type.name,
            source="/given",
            account_sid=ACCOUNT,
            data=own | {name: filled[what] for name, what in schema.events.filled.items()} | dict(of_type.data),
            id="EZ7",
            time=AT,
            partition_key="k",
            schema_version=schema.latest.version,
        )

        attributes = {"account_sid": ACCOUNT, "id": "EZ7", "time": AT, "source": "/given", "partition_key": "k"}
        typed = stated(CLASSES[of_type.name], schema, of_type, own, attributes)

        assert typed.event() == by_hand
        record = encoder().encode(typed.event())
        assert not isinstance(record, Invalid)
        assert record == encoder().encode(replace(by_hand, schema_version=None))


@each_schema
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_source_and_key_come_from_the_data_where_the_catalogue_says_how(schema: Schema, data: st.DataObject) -> None:
    of_type = TYPES[schema.id][0]
    template = schema.events.source or "/given"
    attributes = {"account_sid": ACCOUNT} | ({} if schema.events.source else {"source": template})

    typed = stated(CLASSES[of_type.name], schema, of_type, data.draw(data_of(schema.latest)), attributes)
    event = typed.event()

    def in_data(name: str) -> object:
        found: object = {"accountsid": ACCOUNT, **event.data}
        for step in name.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
        return found

    parts = {name: in_data(name) for name in PLACEHOLDER.findall(template)}
    expected = PLACEHOLDER.sub(lambda match: str(parts[match[1]]), template)
    assert event.source == ("" if None in parts.values() else expected)
    keys = [in_data(name) for name in schema.events.partition_key]
    assert event.partition_key == next((key for key in keys if key), None)


def test_what_the_catalogue_knows_needs_no_saying() -> None:
    event = sent().event()

    assert event.type == "com.twilio.messaging.message.sent"
    assert event.source == f"/2010-04-01/Accounts/{ACCOUNT}/Messages/SM1.json"
    assert event.partition_key == "SM1"
    assert event.schema_version == 8
    assert event.id.startswith("EZ")
    assert event.data == {
        "messageSid": "SM1",
        "accountSid": ACCOUNT,
        "eventName": "com.twilio.messaging.message.sent",
        "timestamp": rfc3339_ms(event.time),
        "messageStatus": "SENT",
        "apiVersion": "2010-04-01",
        "from": "+15005550006",
        "to": "+15005550010",
    }


def test_ids_have_the_form_of_their_product() -> None:
    call = voice.CallRinging(account_sid=ACCOUNT, sid="CA1")
    error = errorlogs.ErrorLogged(account_sid=ACCOUNT)
    check = verify.VerificationApproved(account_sid=ACCOUNT, service_sid="VA1", verification_sid="VE1")

    assert (call.id[:2], call.event().data["eventSid"]) == ("VW", call.id)
    assert (error.id[:2], error.event().data["sid"], error.event().source) == ("NO", error.id, f"/v1/Alerts/{error.id}")
    assert (len(check.id), int(check.id, 16) > 0) == (64, True)
    assert voice.CallRinging(account_sid=ACCOUNT, sid="CA1").id != call.id


def test_the_events_of_one_call_share_a_key_although_their_sources_differ() -> None:
    ringing = voice.CallRinging(account_sid=ACCOUNT, sid="CA1").event()
    summary = voice.CallSummaryComplete(account_sid=ACCOUNT, call_sid="CA1").event()

    assert ringing.source != summary.source
    assert ringing.partition_key == summary.partition_key == "CA1"


def test_a_tasks_events_share_its_key_and_name_themselves() -> None:
    payload = taskrouter.Payload(workspace_sid="WS1", task_sid="WT1", worker_sid="WK1")

    event = taskrouter.ReservationAccepted(account_sid=ACCOUNT, sid="EV1", payload=payload).event()

    assert (event.source, event.partition_key) == ("/v1/Workspaces/WS1/Events/EV1", "WT1")
    assert event.data["name"] == "reservation.accepted"
    assert event.data["payload"] == {"workspace_sid": "WS1", "task_sid": "WT1", "worker_sid": "WK1"}
    worker = taskrouter.WorkerActivityUpdate(
        account_sid=ACCOUNT, sid="EV2", payload=taskrouter.Payload(workspace_sid="WS1", worker_sid="WK1")
    )
    assert worker.event().partition_key == "WK1"
    assert problem_of(taskrouter.TaskCreated(account_sid=ACCOUNT, sid="EV3")).startswith("$.source is empty")


def test_the_same_object_is_the_same_event_again() -> None:
    event = sent()

    assert event.event() == event.event()
    assert replace(event, body="x").id == event.id
    assert pickle.loads(pickle.dumps(event)) == event
    shared = {each.name: getattr(event, each.name) for each in dataclasses.fields(event) if each.init}
    other: ProductEvent = messaging.MessageRead(**shared)
    assert event != other


def test_a_wrong_name_and_a_missing_field_are_told_when_the_event_is_made() -> None:
    with pytest.raises(TypeError, match=r"MessageSent.__init__\(\) got an unexpected keyword argument 'mesage_sid'"):
        sent(mesage_sid="SM1")
    with pytest.raises(TypeError, match=r"MessageSent.__init__\(\) got an unexpected .* 'message_status'"):
        sent(message_status="FAILED")
    with pytest.raises(TypeError, match=r"missing 4 required keyword-only arguments: 'message_sid', 'api_version'"):
        messaging.MessageSent(account_sid=ACCOUNT)  # type: ignore[call-arg]  # the point


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"to": 5}, "$.data.to must be a string, not an integer (Messaging.MessageStatus version 8)"),
        ({"message_sid": None}, "$.data.messageSid is missing"),
        ({"message_sid": 5}, "$.data.messageSid must be a string, not an integer"),
        ({"error_code": "30003"}, "$.data.errorCode must be a 64-bit integer, not a string"),
        ({"tags": {"a": 1}}, "$.data.tags.a must be a string, not an integer"),
        ({"tags": ["a"]}, "$.data.tags must be an object, not a list"),
        ({"account_sid": "SM1"}, "$.accountsid must be AC and 32 hexadecimal digits"),
        ({"account_sid": 5}, "$.accountsid must be a string, not int"),
        ({"time": "2026-03-29"}, "$.time must be a datetime, not str"),
        ({"time": date(2026, 3, 29)}, "$.time must be a datetime, not date"),
        ({"time": datetime(2026, 3, 29)}, "$.time has no time zone: specify one, as in datetime.now(UTC)"),  # noqa: DTZ001 - the point
        ({"id": None}, "$.id must be a string, not NoneType"),
        ({"subject": 0}, "$.subject must be a string, not int"),
        ({"source": b"/x"}, "$.source must be a string, not bytes"),
    ],
    ids=str,
)
def test_a_wrong_value_is_told_with_its_place_and_what_would_be_right(changes: dict[str, Any], problem: str) -> None:
    assert problem_of(sent(**changes)).startswith(problem)


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (voice.Request(method=5), "$.data.request.method must be a string, not an integer"),  # type: ignore[arg-type]
        ("GET /", "$.data.request must be an object, not a string"),
        ({"methd": "GET"}, "$.data.request.methd is not a field of this schema version"),
        (voice.Response(), "$.data.request.responseCode is not a field"),
    ],
    ids=str,
)
def test_a_wrong_record_inside_is_told_with_its_place(request_: Any, problem: str) -> None:
    if isinstance(request_, voice.Response):
        request_ = voice.Response(response_code=200)

    assert problem_of(voice.CallRinging(account_sid=ACCOUNT, sid="CA1", request=request_)).startswith(problem)


def test_what_is_no_event_is_refused_with_what_is() -> None:
    with pytest.raises(TypeError, match="dict is not an event: publish an Event, or an object from"):
        as_event({"type": "com.twilio.messaging.message.sent"})  # type: ignore[arg-type]  # the point


def test_lists_may_be_tuples_and_hold_records() -> None:
    attempts = (verify.SendCodeAttempt(channel="SMS"), verify.SendCodeAttempt(channel="CALL"))

    event = verify.VerificationPending(
        account_sid=ACCOUNT,
        service_sid="VA1",
        verification_sid="VE1",
        send_code_attempts=verify.SendCodeAttempts(count=2, attempts=attempts),
    ).event()

    assert event.data["send_code_attempts"] == {"count": 2, "attempts": [{"channel": "SMS"}, {"channel": "CALL"}]}
    assert not isinstance(encoder().encode(event), Invalid)


def test_a_deprecated_type_says_so_where_it_is_used() -> None:
    with pytest.warns(DeprecationWarning, match="Older name of status-callback.call.ringing"):
        voice.WebhookStatusCallbackCallRinging(account_sid=ACCOUNT, sid="CA1")  # type: ignore[deprecated]  # the point


def test_words_of_the_catalogue_stand_with_the_classes() -> None:
    assert messaging.MessageDelivered.__doc__ == "A message has reached its recipient."
    assert "Restricted: only who is subscribed" in (verify.AttemptDlrSent.__doc__ or "")
    assert commsapi.MessageSent.TYPE == "com.twilio.comms-api.message.sent"


@given(st.lists(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True), unique=True, max_size=30))
def test_any_names_of_the_wire_become_different_names_that_python_takes(wire: list[str]) -> None:
    names = field_names(wire)

    assert list(names) == wire
    assert len(set(names.values())) == len(wire)
    for name in names.values():
        assert name.isidentifier()
        assert not keyword.iskeyword(name)
        assert not name.startswith("_")
        assert name not in TAKEN


def test_the_three_styles_of_names_become_one() -> None:
    wire = [
        "messageSid",
        "ConversationSid",
        "account_sid",
        "brandsid",
        "HTTPCode",
        "from",
        "id",
        "eventSid",
        "event_sid",
    ]

    assert field_names(wire) == {
        "messageSid": "message_sid",
        "ConversationSid": "conversation_sid",
        "account_sid": "account_sid_",
        "brandsid": "brandsid",
        "HTTPCode": "http_code",
        "from": "from_",
        "id": "id_",
        "eventSid": "event_sid",
        "event_sid": "event_sid_",
    }


@pytest.mark.parametrize(
    ("ending", "product", "name"),
    [
        ("message.delivered", "messaging", "MessageDelivered"),
        ("brand-registration.brand-failure", "compliance", "BrandFailure"),
        ("compliance.a2p-resource-cleanup-started", "compliance", "A2pResourceCleanupStarted"),
        ("verification.max_attempts_reached", "verify", "VerificationMaxAttemptsReached"),
        ("2fa.sent", "post", "Event2faSent"),
        ("post", "post", "Post"),
        ("none", "post", "EventNone"),
    ],
)
def test_classes_are_named_by_what_their_type_is_about(ending: str, product: str, name: str) -> None:
    assert class_name(ending, product) == name
