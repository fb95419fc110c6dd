"""Every operation of the reference, driven by Twilio's own Python client, blocking and asynchronous."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import jsonschema
import pytest
import pytest_asyncio
from twilio.rest import Client

from control_api.operations import OPERATIONS
from eventstreams.settings import Settings
from tests.support.api import WEBHOOK, Api, authorization, call, post_form, raw, refusal, serving, with_new_account
from tests.support.installation import DELIVERED, SENT, TOKEN, Installation
from tests.support.recording import AsyncRecording, Recording, operations

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the asynchronous client is behind aiohttp
]

SCHEMA = "Messaging.MessageStatus"
FAILED = "com.twilio.messaging.message.failed"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings) -> AsyncIterator[Api]:
    async with Installation(module_settings) as installation, serving(module_settings) as url:
        yield Api(installation, url)


@pytest_asyncio.fixture(loop_scope="module")
async def api(shared: Api) -> Api:
    return await with_new_account(shared)


class Driver:
    """Twilio's client, whose methods are called in one of its two ways."""

    def __init__(self, transport: Recording | AsyncRecording, api: Api) -> None:
        client = Client(api.installation.account_sid, TOKEN, http_client=transport)
        client.events.base_url = api.url
        self.v1 = client.events.v1
        self.sent = transport.sent
        self._is_async = isinstance(transport, AsyncRecording)

    async def do(self, target: Any, method: str, **wanted: object) -> Any:
        if self._is_async:
            return await getattr(target, f"{method}_async")(**wanted)
        return await asyncio.to_thread(getattr(target, method), **wanted)


@asynccontextmanager
async def driving(way: str, api: Api) -> AsyncIterator[Driver]:
    if way == "blocking":
        yield Driver(Recording(), api)
        return
    async with AsyncRecording() as transport:
        yield Driver(transport, api)


@pytest.mark.parametrize("way", ["blocking", "asynchronous"])
async def test_the_official_client_drives_every_operation(api: Api, way: str) -> None:
    async with driving(way, api) as client:
        v1, do = client.v1, client.do

        types = await do(v1.event_types, "list", page_size=50)
        assert [each.type for each in types] == sorted(each.type for each in types)
        assert (await do(v1.event_types(SENT), "fetch")).schema_id == SCHEMA
        schema = await do(v1.schemas(SCHEMA), "fetch")
        versions = await do(v1.schemas(SCHEMA).versions, "list", page_size=3)
        assert [each.schema_version for each in versions] == list(range(1, schema.latest_version + 1))
        assert (await do(v1.schemas(SCHEMA).versions(3), "fetch")).schema_version == 3

        sink = await do(v1.sinks, "create", description="a sink", sink_type="webhook", sink_configuration=dict(WEBHOOK))
        assert [each.sid for each in await do(v1.sinks, "list", in_use=False, status="active")] == [sink.sid]
        assert (await do(v1.sinks(sink.sid), "update", description="renamed")).description == "renamed"
        assert (await do(v1.sinks(sink.sid), "fetch")).description == "renamed"
        assert (await do(v1.sinks(sink.sid).sink_test, "create")).result == "submitted"
        assert (await do(v1.sinks(sink.sid).sink_validate, "create", test_id="of the test")).result == "valid"

        subscription = await do(
            v1.subscriptions,
            "create",
            description="a subscription",
            sink_sid=sink.sid,
            types=[{"type": SENT, "schema_version": 7}, {"type": DELIVERED}],
        )
        assert [each.sid for each in await do(v1.subscriptions, "list", sink_sid=sink.sid)] == [subscription.sid]
        context = v1.subscriptions(subscription.sid)
        assert (await do(context, "update", description="renamed")).description == "renamed"
        assert (await do(context, "update")).description == "renamed"
        assert (await do(context, "fetch")).sink_sid == sink.sid

        added = await do(context.subscribed_events, "create", type=FAILED, schema_version=3)
        assert (added.type, added.schema_version, added.subscription_sid) == (FAILED, 3, subscription.sid)
        assert added.account_sid == api.installation.account_sid
        assert (await do(context.subscribed_events(FAILED), "update", schema_version=4)).schema_version == 4
        assert (await do(context.subscribed_events(FAILED), "update")).schema_version == 4
        assert (await do(context.subscribed_events(FAILED), "fetch")).schema_version == 4
        listed = await do(context.subscribed_events, "list", page_size=2)
        assert [(each.type, each.schema_version) for each in listed] == [
            (DELIVERED, schema.latest_version),
            (FAILED, 4),
            (SENT, 7),
        ]
        assert await do(context.subscribed_events(FAILED), "delete") is True
        assert len(await do(context.subscribed_events, "list")) == 2

        assert await do(context, "delete") is True
        assert await do(v1.sinks(sink.sid), "delete") is True
        assert len(OPERATIONS) == 22
        assert operations(client.sent) == {each.name for each in OPERATIONS}


# -- event types and schemas -----------------------------------------------------------------------------------


async def test_event_types_come_in_pages_by_name_and_can_be_filtered_by_schema(api: Api) -> None:
    types = await call(lambda: api.client.events.v1.event_types.list(page_size=7))
    of_schema = await call(lambda: api.client.events.v1.event_types.list(schema_id=SCHEMA, page_size=2))
    of_none = await call(lambda: api.client.events.v1.event_types.list(schema_id="No.Such"))

    wanted = [each for each in api.installation.catalog.types.values() if not each.internal]
    assert [each.type for each in types] == [each.name for each in wanted]
    assert [each.type for each in of_schema] == [each.name for each in wanted if each.schema_id == SCHEMA]
    assert of_none == []


async def test_an_event_type_has_the_references_fields(api: Api) -> None:
    status, body = await raw(api, "GET", f"/v1/Types/{SENT}")
    fetched = await call(lambda: api.client.events.v1.event_types(SENT).fetch())

    assert status == 200
    assert set(body) == {
        "type",
        "schema_id",
        "date_created",
        "date_updated",
        "description",
        "status",
        "documentation_url",
        "url",
        "links",
    }
    assert body["url"] == f"{api.url}/v1/Types/{SENT}"
    assert body["links"] == {"schema": f"{api.url}/v1/Schemas/{SCHEMA}/Versions"}
    assert fetched.status == "available"
    assert fetched.date_created.tzinfo is not None  # a text if it had any other form


async def test_the_type_of_test_events_is_no_type_to_subscribe_to(api: Api) -> None:
    types = await call(api.client.events.v1.event_types.list)

    assert not [each.type for each in types if "eventstreams" in each.type]
    assert (await raw(api, "GET", "/v1/Types/com.twilio.eventstreams.test-event"))[0] == 404


async def test_a_schema_and_its_versions_have_the_references_fields(api: Api) -> None:
    latest = api.installation.catalog.schemas[SCHEMA].latest

    _, schema = await raw(api, "GET", f"/v1/Schemas/{SCHEMA}")
    _, version = await raw(api, "GET", f"/v1/Schemas/{SCHEMA}/Versions/2")
    _, listed = await raw(api, "GET", f"/v1/Schemas/{SCHEMA}/Versions?PageSize=1000")

    assert schema == {
        "id": SCHEMA,
        "url": f"{api.url}/v1/Schemas/{SCHEMA}",
        "links": {"versions": f"{api.url}/v1/Schemas/{SCHEMA}/Versions"},
        "latest_version_date_created": f"{latest.released}T00:00:00Z",
        "latest_version": latest.version,
    }
    assert set(version) == {"id", "schema_version", "date_created", "url", "raw"}
    assert version["url"] == f"{api.url}/v1/Schemas/{SCHEMA}/Versions/2"
    assert listed["meta"]["key"] == "schema_versions"
    assert listed["schema_versions"][1] == version


async def test_the_raw_schema_is_a_document_that_anybody_can_fetch(api: Api) -> None:
    versions = await call(api.client.events.v1.schemas(SCHEMA).versions.list)

    async with aiohttp.ClientSession() as session, session.get(versions[6].raw) as answer:
        document = await answer.json(content_type=None)
        assert answer.status == 200
    jsonschema.Draft7Validator.check_schema(document)
    assert document["$id"].endswith(f"/{SCHEMA}/7")


# -- sinks and subscriptions -----------------------------------------------------------------------------------


async def test_only_the_description_of_a_sink_can_be_updated(api: Api) -> None:
    sink = await api.sink(description="Blue")

    updated = await call(lambda: sink.update(description="Red"))
    status, body = await post_form(api, f"/v1/Sinks/{sink.sid}", Description="x", SinkConfiguration="{}")

    assert (updated.description, updated.sink_configuration) == ("Red", sink.sink_configuration)
    assert (status, body["code"]) == (400, 20001)
    assert f"cannot be changed here: POST it to /v1/Sinks/{sink.sid}/Configuration" in body["message"]
    status, body = await post_form(api, f"/v1/Sinks/{sink.sid}", Description="x", SinkType="segment")
    assert (status, body["code"], body["message"]) == (
        400,
        20001,
        "SinkType of a sink cannot be changed: create another sink",
    )
    assert (await call(sink.fetch)).description == "Red"


async def test_the_sink_of_a_subscription_cannot_be_changed(api: Api) -> None:
    sink, other = await api.sink(), await api.sink()
    subscription = await api.subscription(sink.sid, SENT)
    path = f"/v1/Subscriptions/{subscription.sid}"

    assert (await post_form(api, path, SinkSid=sink.sid, Description="same"))[0] == 200
    status, body = await post_form(api, path, SinkSid=other.sid)

    assert (status, body["code"]) == (400, 20001)
    assert (await call(subscription.fetch)).sink_sid == sink.sid


async def test_a_type_that_is_added_again_keeps_its_version_unless_another_is_named(api: Api) -> None:
    subscription = await api.subscription((await api.sink()).sid, types=[{"type": SENT, "schema_version": 3}])
    path = f"/v1/Subscriptions/{subscription.sid}/SubscribedEvents"

    again = await post_form(api, path, Type=SENT)
    other = await post_form(api, path, Type=SENT, SchemaVersion="5")
    new = await post_form(api, path, Type=DELIVERED)

    assert (again[0], again[1]["schema_version"]) == (200, 3)
    assert (other[0], other[1]["schema_version"]) == (200, 5)
    assert new[0] == 201
    assert set(new[1]) == {"account_sid", "type", "schema_version", "subscription_sid", "url"}


async def test_the_last_type_can_be_removed_and_another_added(api: Api) -> None:
    subscription = await api.subscription((await api.sink()).sid, SENT)

    assert await call(subscription.subscribed_events(SENT).delete) is True
    assert await call(subscription.subscribed_events.list) == []
    await call(lambda: subscription.subscribed_events.create(type=DELIVERED))

    assert [each.type for each in await call(subscription.subscribed_events.list)] == [DELIVERED]


async def test_subscribed_events_come_in_pages(api: Api) -> None:
    names = [each.name for each in api.installation.catalog.types.values() if each.schema_id == "TaskRouter.WDSEvent"]
    subscription = await api.subscription((await api.sink()).sid, *reversed(names))

    first = await call(lambda: subscription.subscribed_events.page(page_size=4))
    second = await call(first.next_page)
    back = await call(second.previous_page)
    listed = await call(lambda: subscription.subscribed_events.list(page_size=5))

    assert [each.type for each in first] == [each.type for each in back] == sorted(names)[:4]
    assert [each.type for each in listed] == sorted(names)


async def test_a_hundred_subscriptions_are_the_most_an_account_may_have(api: Api) -> None:
    sink = await api.sink()
    async with aiohttp.ClientSession(headers=authorization(api)) as session:
        form = {"Description": "d", "SinkSid": sink.sid, "Types": f'{{"type": "{SENT}"}}'}

        async def create(number: int) -> int:
            headers = {"Idempotency-Key": str(number)}
            while True:
                async with session.post(f"{api.url}/v1/Subscriptions", data=form, headers=headers) as answer:
                    # On a machine that has much to do some are told to come again, although it may have been done.
                    if answer.status != 503:
                        return answer.status
                await asyncio.sleep(0.2)

        statuses = await asyncio.gather(*map(create, range(103)))

    assert sorted(statuses) == [201] * 100 + [400] * 3


async def test_where_a_sink_is_for_one_subscription_a_second_is_refused_until_the_first_is_gone(
    settings: Settings,
) -> None:
    told = settings.model_copy(update={"one_subscription_per_sink": True})
    async with Installation(told) as installation, serving(told) as url:
        api = Api(installation, url)
        sink = await api.sink()
        first = await api.subscription(sink.sid, SENT)

        error = await refusal(lambda: api.client.events.v1.subscriptions.create("d", sink.sid, [{"type": SENT}]))
        assert (error.status, error.code, error.msg.endswith(f"Sink with SID {sink.sid} is in use")) == (
            400,
            91007,
            True,
        )
        assert await call(first.delete)
        assert (await api.subscription(sink.sid, SENT)).sink_sid == sink.sid


async def test_a_subscription_says_whether_it_is_for_subaccounts(api: Api) -> None:
    sink = await api.sink()
    form = {"Description": "d", "SinkSid": sink.sid, "Types": f'{{"type": "{SENT}"}}'}

    _, plain = await post_form(api, "/v1/Subscriptions", **form)
    _, wide = await post_form(api, "/v1/Subscriptions", **form, ReceiveEventsFromSubaccounts="True")
    odd = await post_form(api, "/v1/Subscriptions", **form, ReceiveEventsFromSubaccounts="perhaps")
    changed = await post_form(api, f"/v1/Subscriptions/{plain['sid']}", ReceiveEventsFromSubaccounts="true")

    assert (plain["receive_events_from_subaccounts"], wide["receive_events_from_subaccounts"]) == (False, True)
    assert (odd[0], odd[1]["message"]) == (400, "ReceiveEventsFromSubaccounts must be true or false")
    assert (changed[0], changed[1]["code"]) == (400, 20001)


# -- what other clients send -----------------------------------------------------------------------------------


async def test_what_a_command_line_sends_is_served(api: Api) -> None:
    sink = await api.sink()
    data = (
        f"Description=d+%C3%A9&SinkSid={sink.sid}&Types=%7B%22type%22%3A%22{SENT}%22%2C%22schema_version%22%3A7%7D"
        f"&Types=%7B%22type%22%3A%22{DELIVERED}%22%7D"
    ).encode()

    status, created = await raw(
        api, "POST", "/v1/Subscriptions", data=data, content_type="application/x-www-form-urlencoded; charset=utf-8"
    )
    _, many = await raw(api, "GET", "/v1/Types?PageSize=99999&Page=0")
    _, used = await raw(api, "GET", "/v1/Sinks?InUse=True&PageSize=50")

    assert (status, created["description"]) == (201, "d é")
    assert many["meta"]["page_size"] == 1000
    assert [each["sid"] for each in used["sinks"]] == [sink.sid]
