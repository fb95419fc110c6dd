"""The API on a real broker, driven by Twilio's own client, unmodified."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
import pytest_asyncio
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.testing.receiver import Receiver
from router.role import route
from tests.support.api import WEBHOOK, Api, authorization, call, raw, refusal, serving, with_new_account
from tests.support.installation import DELIVERED, SENT, TOKEN, Installation

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings) -> AsyncIterator[Api]:
    async with Installation(module_settings) as installation, serving(module_settings) as url:
        yield Api(installation, url)


@pytest_asyncio.fixture(loop_scope="module")
async def api(shared: Api) -> Api:
    """The shared API, with an account that no other test has."""
    return await with_new_account(shared)


async def test_a_sink_is_created_fetched_listed_and_deleted(api: Api) -> None:
    created = await api.sink(description="Blue")

    assert created.sid.startswith("DG")
    assert (created.status, created.sink_type, created.description) == ("active", "webhook", "Blue")
    assert created.sink_configuration == {**WEBHOOK, "method": "post"}
    assert created.date_created.tzinfo is not None
    assert created.url == f"{api.url}/v1/Sinks/{created.sid}"
    assert created.links == {"sink_test": f"{created.url}/Test", "sink_validate": f"{created.url}/Validate"}
    fetched = await call(lambda: api.client.events.v1.sinks(created.sid).fetch())
    assert fetched.description == "Blue"
    assert [each.sid for each in await call(api.client.events.v1.sinks.list)] == [created.sid]
    assert await call(created.delete) is True
    assert await call(api.client.events.v1.sinks.list) == []


async def test_a_subscription_is_created_fetched_listed_and_deleted(api: Api) -> None:
    sink = await api.sink()

    created = await api.subscription(sink.sid, SENT, DELIVERED)

    assert created.sid.startswith("DF")
    assert (created.account_sid, created.sink_sid) == (api.installation.account_sid, sink.sid)
    assert created.links == {"subscribed_events": f"{api.url}/v1/Subscriptions/{created.sid}/SubscribedEvents"}
    fetched = await call(lambda: api.client.events.v1.subscriptions(created.sid).fetch())
    assert fetched.description == "a subscription"
    listed = await call(lambda: api.client.events.v1.subscriptions.list(sink_sid=sink.sid))
    assert [each.sid for each in listed] == [created.sid]
    assert await call(created.delete) is True
    assert await call(api.client.events.v1.subscriptions.list) == []
    gone = await refusal(lambda: api.client.events.v1.subscriptions(created.sid).fetch())
    assert (gone.status, gone.code) == (404, 20404)


async def test_a_subscription_pins_the_newest_version_unless_it_names_one(api: Api) -> None:
    sink = await api.sink()

    created = await api.subscription(sink.sid, types=[{"type": SENT}, {"type": DELIVERED, "schema_version": 3}])

    await api.installation.feed.catch_up()
    types = api.installation.feed.snapshot.subscriptions[created.sid].types
    newest = api.installation.catalog.schemas["Messaging.MessageStatus"].latest.version
    assert {each.type: each.schema_version for each in types} == {SENT: newest, DELIVERED: 3}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the client is behind aiohttp
async def test_the_asynchronous_client_works_as_well(api: Api) -> None:
    async with AsyncTwilioHttpClient() as transport:
        client = Client(api.installation.account_sid, TOKEN, http_client=transport)
        client.events.base_url = api.url

        sink = await client.events.v1.sinks.create_async(
            description="a sink", sink_type="webhook", sink_configuration=WEBHOOK
        )
        subscription = await client.events.v1.subscriptions.create_async(
            description="a subscription", sink_sid=sink.sid, types=[{"type": SENT}]
        )

        assert [each.sid for each in await client.events.v1.subscriptions.list_async()] == [subscription.sid]
        assert await subscription.delete_async()
        assert await sink.delete_async()


async def test_lists_come_in_pages_and_can_be_filtered(api: Api) -> None:
    sinks = [await api.sink(description=str(number)) for number in range(7)]
    await api.subscription(sinks[3].sid, SENT)

    listed = await call(lambda: api.client.events.v1.sinks.list(page_size=2))
    limited = await call(lambda: api.client.events.v1.sinks.list(limit=5))
    used = await call(lambda: api.client.events.v1.sinks.list(in_use=True))
    unused = await call(lambda: api.client.events.v1.sinks.list(in_use=False, status="active"))
    failed = await call(lambda: api.client.events.v1.sinks.list(status="failed"))

    assert [each.description for each in listed] == [str(number) for number in range(7)]
    assert len(limited) == 5
    assert [each.sid for each in used] == [sinks[3].sid]
    assert len(unused) == 6
    assert failed == []


async def test_pages_lead_forward_and_back(api: Api) -> None:
    for number in range(5):
        await api.sink(description=str(number))

    first = await call(lambda: api.client.events.v1.sinks.page(page_size=2))
    second = await call(first.next_page)
    back = await call(second.previous_page)

    assert [each.description for each in second] == ["2", "3"]
    assert [each.description for each in back] == ["0", "1"]


async def test_the_envelope_has_the_references_form(api: Api) -> None:
    for _ in range(3):
        await api.sink()

    status, body = await raw(api, "GET", "/v1/Sinks?Status=active&PageSize=2")

    assert status == 200
    meta = body["meta"]
    start = f"{api.url}/v1/Sinks?Status=active&PageSize=2"
    assert (meta["key"], meta["page"], meta["page_size"]) == ("sinks", 0, 2)
    assert meta["first_page_url"] == meta["url"] == f"{start}&Page=0"
    assert meta["previous_page_url"] is None
    assert meta["next_page_url"].startswith(f"{start}&Page=1&PageToken=PT")
    assert set(body["sinks"][0]) == {
        "date_created",
        "date_updated",
        "description",
        "sid",
        "sink_configuration",
        "sink_type",
        "status",
        "url",
        "links",
    }


@pytest.mark.parametrize(
    ("changes", "status", "code", "words"),
    [
        pytest.param({"description": ""}, 400, 91000, "Description is empty", id="no description"),
        pytest.param({"sink_type": "pigeon"}, 400, 91000, "SinkType must be one of", id="unknown type"),
        pytest.param({"sink_type": "email"}, 400, 91000, "has not configured a mail server", id="no mail server"),
        pytest.param({"sink_configuration": {}}, 400, 91000, "destination", id="no destination"),
        pytest.param({"sink_configuration": {**WEBHOOK, "colour": 1}}, 400, 91000, "colour", id="unknown key"),
        pytest.param(
            {"sink_configuration": {"destination": "ftp://x/"}}, 400, 91000, "http or https URL", id="no web address"
        ),
    ],
)
async def test_a_wrong_sink_is_refused_with_the_references_code(
    api: Api, changes: dict[str, object], status: int, code: int, words: str
) -> None:
    wanted = {"description": "a sink", "sink_type": "webhook", "sink_configuration": WEBHOOK, **changes}

    error = await refusal(lambda: api.client.events.v1.sinks.create(**wanted))

    assert (error.status, error.code) == (status, code)
    assert words in error.msg
    assert await call(api.client.events.v1.sinks.list) == []


@pytest.mark.parametrize(
    ("changes", "status", "code", "words"),
    [
        pytest.param({"description": " "}, 400, 91101, "Description is empty", id="no description"),
        pytest.param({"types": []}, 400, 91103, "empty", id="no types"),
        pytest.param({"types": [{"type": "com.acme.no"}]}, 400, 91104, "not found in the system", id="unknown type"),
        pytest.param({"types": [{"type": SENT}, {"type": SENT}]}, 400, 91101, "twice", id="a type twice"),
        pytest.param({"types": [{"kind": SENT}]}, 400, 20001, "event_types[0].type", id="no type in it"),
        pytest.param({"types": [{"type": SENT, "schema_version": 99}]}, 400, 20001, "1 to 8", id="unknown version"),
        pytest.param(
            {"types": [{"type": "com.twilio.eventstreams.test-event"}]}, 400, 91104, "not found", id="internal type"
        ),
        pytest.param({"sink_sid": "DG" + "0" * 32}, 404, 91001, "was not found", id="unknown sink"),
        pytest.param({"sink_sid": "DG1"}, 400, 91006, "malformed", id="malformed sink"),
    ],
)
async def test_a_wrong_subscription_is_refused_with_the_references_code(
    api: Api, changes: dict[str, object], status: int, code: int, words: str
) -> None:
    sink = await api.sink()
    wanted = {"description": "a subscription", "sink_sid": sink.sid, "types": [{"type": SENT}], **changes}

    error = await refusal(lambda: api.client.events.v1.subscriptions.create(**wanted))

    assert (error.status, error.code) == (status, code)
    assert words in error.msg
    assert await call(api.client.events.v1.subscriptions.list) == []


async def test_a_sink_in_use_cannot_be_deleted(api: Api) -> None:
    sink = await api.sink()
    subscription = await api.subscription(sink.sid, SENT)

    error = await refusal(sink.delete)
    await call(subscription.delete)

    assert (error.status, error.code) == (400, 91007)
    assert await call(sink.delete) is True


async def test_an_account_has_a_hundred_sinks_at_most_however_they_are_created(api: Api) -> None:
    async with aiohttp.ClientSession(headers=authorization(api)) as session:
        form = {"Description": "d", "SinkType": "webhook", "SinkConfiguration": json.dumps(WEBHOOK)}

        async def create(key: str) -> int:
            headers = {"Idempotency-Key": key}
            while True:
                async with session.post(f"{api.url}/v1/Sinks", data=form, headers=headers) as answer:
                    # On a machine that has much to do some are told to come again, although it may have been done.
                    if answer.status != 503:
                        return answer.status
                await asyncio.sleep(0.2)

        statuses = await asyncio.gather(*(create(str(number)) for number in range(110)))

    assert sorted(statuses) == [201] * 100 + [400] * 10
    assert len(await call(lambda: api.client.events.v1.sinks.list(page_size=1000))) == 100
    error = await refusal(lambda: api.client.events.v1.sinks.create("d", WEBHOOK, "webhook"))
    assert error.code == 91003


async def test_nobody_gets_in_without_the_token(api: Api) -> None:
    stranger = api.client_of(api.installation.account_sid, "wrong")
    nobody = api.client_of("AC" + "0" * 32, TOKEN)

    for client in (stranger, nobody):
        error = await refusal(lambda client=client: client.events.v1.sinks("DG" + "0" * 32).fetch())  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        assert (error.status, error.code) == (401, 20003)


async def test_another_accounts_resources_are_as_good_as_not_there(api: Api) -> None:
    sink = await api.sink()
    other = (await with_new_account(api)).client

    missing = await refusal(lambda: other.events.v1.sinks(sink.sid).fetch())
    unknown = await refusal(lambda: other.events.v1.sinks("DG" + "0" * 32).fetch())
    unusable = await refusal(lambda: other.events.v1.subscriptions.create("d", sink.sid, [{"type": SENT}]))

    assert (missing.status, missing.code) == (unknown.status, unknown.code) == (404, 20404)
    assert (unusable.status, unusable.code) == (404, 91001)
    assert await call(other.events.v1.sinks.list) == []


async def test_a_password_in_a_destination_is_not_shown_again(api: Api) -> None:
    sink = await api.sink(sink_configuration={"destination": "https://user:s3cret@hooks.example.com/"})

    assert "s3cret" not in json.dumps(sink.sink_configuration)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/Nothing", 404),
        ("PUT", "/v1/Sinks", 405),
        ("GET", "/v1/Sinks/DG1", 400),
        ("GET", "/v1/Sinks?PageSize=0", 400),
        ("GET", "/v1/Sinks?PageToken=nonsense", 400),
        ("GET", "/v1/Sinks?Page=-1", 400),
        ("GET", "/v1/Sinks?InUse=perhaps", 400),
        ("GET", "/v1/Sinks?Status=odd", 400),
        ("GET", "/v1/Subscriptions?SinkSid=x", 400),
        ("GET", "/v1/Subscriptions/%ff", 404),
        ("DELETE", "/v1/Subscriptions/DF1", 404),
    ],
)
async def test_every_error_has_the_references_form(api: Api, method: str, path: str, status: int) -> None:
    found, body = await raw(api, method, path)

    assert found == status
    assert set(body) == {"code", "message", "more_info", "status"}
    assert body["status"] == status
    assert body["more_info"].endswith(f"/{body['code']}")


async def test_a_body_that_is_no_form_is_told_what_it_must_be(api: Api) -> None:
    status, body = await raw(api, "POST", "/v1/Sinks", data=b'{"Description": "d"}', content_type="application/json")

    assert (status, body["code"]) == (400, 20001)
    assert body["message"].startswith("Missing required parameter Description in the post body")
    assert "application/x-www-form-urlencoded" in body["message"]


@pytest.mark.parametrize("data", [b"\xff\xfe=\xff", b"Description=%ff", b"%" * 1000, b"a=b&" * 5000, b"=" * 400_000])
async def test_a_hostile_body_is_refused_and_harms_nobody(api: Api, data: bytes) -> None:
    status, body = await raw(api, "POST", "/v1/Sinks", data=data, content_type="application/x-www-form-urlencoded")

    assert 400 <= status < 500
    assert body["status"] == status


async def test_pages_of_other_origins_may_ask(api: Api) -> None:
    async with aiohttp.ClientSession() as session, session.options(f"{api.url}/v1/Sinks") as preflight:
        assert preflight.status == 204
        assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    async with aiohttp.ClientSession() as session, session.get(f"{api.url}/v1/Sinks") as answer:
        assert answer.status == 401
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_what_was_created_is_there_after_a_restart(settings: Settings) -> None:
    async with Installation(settings) as installation:
        async with serving(settings) as url:
            sink = await Api(installation, url).sink(description="kept")
        async with serving(settings) as url:
            again = Api(installation, url)
            fetched = await call(lambda: again.client.events.v1.sinks(sink.sid).fetch())

    assert fetched.description == "kept"


async def test_the_first_account_is_made_from_the_settings_and_its_token_can_change(settings: Settings) -> None:
    sid = new_sid(SidKind.ACCOUNT)

    async with Installation(settings) as installation:
        for token in ("first-token", "second-token"):
            named = Settings.load(**{**settings.model_dump(), "account_sid": sid, "auth_token": token})
            async with serving(named) as url:
                client = Api(installation, url).client_of(sid, token)
                assert await call(lambda client=client: client.events.v1.sinks.list()) == []  # type: ignore[misc]  # mypy cannot infer a lambda with a default


async def test_readiness_asks_the_other_roles(settings: Settings) -> None:
    async with Receiver(lambda _: 503) as other:
        asked = settings.model_copy(update={"ready_urls": (other.url,)})
        async with Installation(settings), AsyncExitStack() as stack:
            starting = asyncio.create_task(stack.enter_async_context(serving(asked)))
            await other.wait_for(lambda: len(other.received) > 2)
            assert not starting.done()
            other.answer = lambda _: 200
            await starting


async def test_an_event_accepted_after_the_answer_reaches_the_new_subscription(api: Api) -> None:
    await api.installation.start(route)
    sink = await api.sink()

    subscription = await api.subscription(sink.sid, SENT)
    await api.installation.publish([api.installation.event(1)])

    [copy] = await api.installation.copies_of(subscription.sid, 1)
    assert dict(copy.headers)["ce_id"] == b"EZ1"
