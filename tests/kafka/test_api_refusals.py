"""Requests that the API refuses: each with the reference's code, in the reference's form."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
import pytest
import pytest_asyncio
from twilio.base.exceptions import TwilioRestException

from control_api.http.declared import Caller, Operation
from control_api.operations import EXTENSIONS, OPERATIONS
from eventstreams.control.records import SubscriptionState
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.times import now_ms
from tests.support.api import Api, raw, refusal, serving, with_new_account
from tests.support.installation import SENT, Installation

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]

FORM = "application/x-www-form-urlencoded"
SCHEMA = "Messaging.MessageStatus"
FAILED = "com.twilio.messaging.message.failed"
RESTRICTED = "com.twilio.accountsecurity.verify.attempt-dlr.delivered"
DISCONTINUED = "com.twilio.iot.supersim.connection.data-session.started"
NO_SINK, NO_SUBSCRIPTION = "DG" + "0" * 32, "DF" + "0" * 32


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings) -> AsyncIterator[Api]:
    async with Installation(module_settings) as installation, serving(module_settings) as url:
        yield Api(installation, url)


@pytest_asyncio.fixture(loop_scope="module")
async def api(shared: Api) -> Api:
    return await with_new_account(shared)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/Types/com.acme.none", 404, 20404),
        ("/v1/Schemas/No.Such", 404, 20404),
        ("/v1/Schemas", 404, 20404),
        ("/v1/Schemas/No.Such/Versions", 404, 20404),
        (f"/v1/Schemas/{SCHEMA}/Versions/99", 404, 20404),
        (f"/v1/Schemas/{SCHEMA}/Versions/0", 404, 20404),
        (f"/v1/Schemas/{SCHEMA}/Versions/x", 400, 20001),
        (f"/v1/Schemas/{SCHEMA}/Versions/{'9' * 5000}", 400, 20001),
        ("/v1/Types?PageSize=0", 400, 91002),
        ("/v1/Types?PageToken=PTzzz", 400, 91002),
        (f"/v1/Schemas/{SCHEMA}/Versions?Page=x", 400, 91002),
        (f"/v1/Subscriptions/{NO_SUBSCRIPTION}/SubscribedEvents", 404, 91102),
        (f"/v1/Subscriptions/{NO_SUBSCRIPTION}/SubscribedEvents/{SENT}", 404, 91102),
        (f"/v1/Sinks/{NO_SINK}", 404, 20404),
    ],
)
async def test_what_is_not_there_is_told_in_the_references_form(api: Api, path: str, status: int, code: int) -> None:
    found, body = await raw(api, "GET", path)

    assert (found, body["code"], body["status"]) == (status, code, status)
    assert body["more_info"].endswith(f"/{code}")


@pytest.mark.parametrize(
    "operation",
    [each for each in EXTENSIONS if each.refuses_unknown and (each.method, each.caller) == ("GET", Caller.ACCOUNT)],
    ids=lambda operation: operation.name,
)
async def test_a_misspelt_parameter_of_a_query_is_refused(api: Api, operation: Operation) -> None:
    path = operation.path
    for name in operation.names:
        path = path.replace(f"{{{name.name}}}", "x")

    status, body = await raw(api, "GET", f"{path}?SubscriptonSid={NO_SUBSCRIPTION}")

    assert status == 400
    assert body["message"].startswith("Unknown parameter SubscriptonSid: there are ")
    assert all(each.name in body["message"] for each in operation.query)


async def test_the_references_operations_pass_over_parameters_that_they_do_not_know(api: Api) -> None:
    assert (await raw(api, "GET", f"/v1/Subscriptions?SubscriptonSid={NO_SUBSCRIPTION}"))[0] == 200


async def test_who_deletes_faster_than_topics_go_waits(api: Api) -> None:
    sink = await api.sink()
    there = await api.installation.subscribe(await api.installation.add_sink("https://hooks.example.com/a"), SENT)
    deleting = [
        replace(there, sid=new_sid(SidKind.SUBSCRIPTION), state=SubscriptionState.DELETING, updated_ms=now_ms())
        for _ in range(199)
    ]
    await asyncio.gather(*(api.installation.put(each) for each in deleting))

    error = await refusal(lambda: api.client.events.v1.subscriptions.create("d", sink.sid, [{"type": SENT}]))

    assert (error.status, error.code) == (503, 20503)
    await asyncio.gather(*(api.installation.remove(each.sid) for each in deleting))
    assert (await api.subscription(sink.sid, SENT)).sid


Ask = Callable[[Any, str, str], object]


@pytest.mark.parametrize(
    ("ask", "status", "code", "words"),
    [
        pytest.param(lambda v1, sink, _: v1.sinks(sink).update(description=" "), 400, 91000, "empty", id="91000"),
        pytest.param(
            lambda v1, sink, _: v1.subscriptions.create("d", NO_SINK, [{"type": SENT}]), 404, 91001, "", id="91001"
        ),
        pytest.param(lambda v1, sink, _: v1.sinks("DG1").update(description="d"), 400, 91006, "malformed", id="91006"),
        pytest.param(lambda v1, sink, _: v1.sinks(sink).delete(), 400, 91007, "is in use", id="91007"),
        pytest.param(
            lambda v1, sink, _: v1.sinks(sink).update(description="d" * 4097), 400, 91000, "than 4096", id="long sink"
        ),
        pytest.param(
            lambda v1, _, sub: v1.subscriptions(sub).update(description="d" * 4097), 400, 91101, "than 4096", id="long"
        ),
        pytest.param(lambda v1, _, sub: v1.subscriptions(sub).update(description=""), 400, 91101, "empty", id="91101"),
        pytest.param(
            lambda v1, *_: v1.subscriptions(NO_SUBSCRIPTION).subscribed_events.create(SENT), 404, 91102, "", id="91102"
        ),
        pytest.param(lambda v1, sink, _: v1.subscriptions.create("d", sink, []), 400, 91103, "empty", id="91103"),
        pytest.param(
            lambda v1, _, sub: v1.subscriptions(sub).subscribed_events.create("com.acme.none"),
            400,
            91104,
            "Type not found in the system",
            id="91104",
        ),
        pytest.param(
            lambda v1, _, sub: v1.subscriptions(sub).subscribed_events.create(DISCONTINUED),
            400,
            91104,
            "Type is discontinued",
            id="discontinued",
        ),
        pytest.param(
            lambda v1, _, sub: v1.subscriptions(sub).subscribed_events.create(RESTRICTED),
            409,
            20409,
            "is restricted",
            id="restricted",
        ),
        pytest.param(
            lambda v1, sink, _: v1.subscriptions.create("d", sink, [{"type": RESTRICTED}]),
            409,
            20409,
            "is restricted",
            id="restricted at once",
        ),
        pytest.param(
            lambda v1, sink, _: v1.subscriptions.create("d", sink, [{"type": SENT, "schema_version": 1, "verison": 2}]),
            400,
            20001,
            "event_types[0] must not have verison: only type and schema_version",
            id="misspelt version",
        ),
        pytest.param(
            lambda v1, _, sub: v1.subscriptions(sub).subscribed_events(SENT).update(schema_version=99),
            400,
            20001,
            "there are 1 to 8",
            id="no such version",
        ),
        pytest.param(
            lambda v1, _, sub: v1.subscriptions(sub).subscribed_events(FAILED).fetch(), 404, 20404, "", id="not in it"
        ),
        pytest.param(
            lambda v1, _, sub: v1.subscriptions(sub).subscribed_events(FAILED).delete(), 404, 20404, "", id="none to go"
        ),
        pytest.param(lambda v1, *_: v1.sinks(NO_SINK).sink_test.create(), 404, 20404, "", id="no sink to test"),
        pytest.param(
            lambda v1, *_: v1.sinks(NO_SINK).sink_validate.create(test_id="x"), 404, 20404, "", id="none to validate"
        ),
        pytest.param(lambda v1, *_: v1.subscriptions(NO_SUBSCRIPTION).update(), 404, 20404, "", id="none to update"),
    ],
)
async def test_a_refusal_has_the_references_code(api: Api, ask: Ask, status: int, code: int, words: str) -> None:
    sink = await api.sink()
    subscription = await api.subscription(sink.sid, SENT)

    error: TwilioRestException = await refusal(lambda: ask(api.client.events.v1, sink.sid, subscription.sid))

    assert (error.status, error.code) == (status, code)
    assert words in error.msg


async def test_types_may_be_as_the_api_lists_them(api: Api) -> None:
    sink = await api.sink()
    _, listed = await raw(
        api, "GET", f"/v1/Subscriptions/{(await api.subscription(sink.sid, SENT)).sid}/SubscribedEvents"
    )
    form = {"Description": "d", "SinkSid": sink.sid, "Types": orjson.dumps(listed["types"][0]).decode()}

    status, _ = await raw(api, "POST", "/v1/Subscriptions", data=urlencode(form).encode(), content_type=FORM)

    assert status == 201


CAPITALS = "ABCDEF00" * 4
NAMED = sorted({each.path for each in OPERATIONS if "{sid}" in each.path and each.method == "GET"})


@pytest.mark.parametrize("path", NAMED)
async def test_a_sid_in_capital_letters_is_not_there_and_it_is_said_why(api: Api, path: str) -> None:
    kind = "DG" if "Sinks" in path else "DF" if "Subscriptions" in path else "SK" if "Keys" in path else "JR"

    status, body = await raw(api, "GET", path.format(sid=kind + CAPITALS, type=SENT))

    assert status == 404
    assert body["message"].endswith("SIDs are case-sensitive, and those created here have lower-case digits")


@pytest.mark.parametrize(
    "query",
    [
        f"/v1/Subscriptions?SinkSid=DG{CAPITALS}",
        f"/v1/Attempts?SinkSid=DG{CAPITALS}",
        f"/v1/Attempts?SubscriptionSid=DF{CAPITALS}",
        f"/v1/DeadLetters?SubscriptionSid=DF{CAPITALS}",
    ],
)
async def test_nothing_is_listed_by_a_sid_in_capital_letters_and_it_is_said_why(api: Api, query: str) -> None:
    status, body = await raw(api, "GET", query)

    assert status == 400
    assert "lower-case digits" in body["message"]


async def test_a_sink_that_is_named_in_capital_letters_is_not_found_and_it_is_said_why(api: Api) -> None:
    error = await refusal(lambda: api.client.events.v1.subscriptions.create("d", f"DG{CAPITALS}", [{"type": SENT}]))

    assert (error.status, error.code) == (404, 91001)
    assert error.msg.endswith("lower-case digits")


# -- requests that are wrong as a whole ------------------------------------------------------------------------


def _paths() -> Mapping[str, set[str]]:
    """Each path of the operations, filled in, and the methods that it has."""
    methods: dict[str, set[str]] = {}
    for each in OPERATIONS:
        filled = each.path.format(
            sid=NO_SINK if "Sinks" in each.path else NO_SUBSCRIPTION, type=SENT, id=SCHEMA, version=1
        )
        methods.setdefault(filled, set()).add(each.method)
    return methods


@pytest.mark.parametrize("path", sorted(_paths()))
async def test_a_method_that_is_not_there_is_405_and_a_token_that_is_wrong_401(api: Api, path: str) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - _paths()[path]:
        status, body = await raw(api, method, path)
        assert (status, body["code"], body["status"]) == (405, 20004, 405)
    for method in _paths()[path]:
        async with aiohttp.ClientSession() as session, session.request(method, f"{api.url}{path}") as answer:
            assert (answer.status, (await answer.json())["code"]) == (401, 20003)


POSTS = sorted({each.path for each in OPERATIONS if each.method == "POST"})


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("data", "content_type", "statuses"),
    [
        pytest.param(b"<a/>", "text/xml", {415: 20415}, id="XML"),
        pytest.param(b"--x\r\n\r\n", "multipart/form-data; boundary=x", {415: 20415}, id="multipart"),
        pytest.param(b"a=" + b"b" * 300_000, "application/x-www-form-urlencoded", {413: 20413}, id="too large"),
        pytest.param(b'{"Description": "d"}', "application/json", {400: 20001, 415: 20415, 404: 20404}, id="JSON"),
    ],
)
async def test_a_body_that_is_no_form_or_too_large_is_refused(
    api: Api, path: str, data: bytes, content_type: str, statuses: Mapping[int, int]
) -> None:
    sink = await api.sink()
    subscription = await api.subscription(sink.sid, SENT)
    sid = sink.sid if "Sinks" in path else subscription.sid
    if path.endswith("/Test") and content_type == "application/json":
        return  # it takes no parameters, so that JSON says nothing that could be passed over

    status, body = await raw(api, "POST", path.format(sid=sid, type=SENT), data=data, content_type=content_type)

    assert status in statuses
    assert body["code"] == statuses[status]
