"""The whole catalogue end to end, an operator's own product beside it, and the documents that tell what came."""

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator

from eventstreams.catalog import EventTypeStatus
from eventstreams.catalog.schema_documents import read_example
from eventstreams.events import Event
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from producers.outcomes import Accepted
from producers.publisher import EventPublisher
from router.role import route
from sink_workers.role import worker_for
from tests.support.api import Api, call, serving, with_new_account
from tests.support.installation import Installation

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]

DOCS = Path(__file__).parents[2] / "docs" / "adding-an-event-type.md"
DELIVERED = "com.acme.parcel.delivered"


@pytest.fixture(scope="module")
def operators_own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that docs/adding-an-event-type.md makes."""
    folder = tmp_path_factory.mktemp("own") / "catalog"
    for name, content in re.findall(
        r"^`catalog/(\S+)`[^\n]*:\n\n```\w+\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings, operators_own: Path) -> AsyncIterator[Api]:
    settings = module_settings.model_copy(update={"catalog_dirs": (operators_own,)})
    async with Installation(settings) as installation, serving(settings) as url:
        await installation.start(route)
        await installation.start(worker_for(load_plugin("webhook")))
        yield Api(installation, url)


@pytest_asyncio.fixture(loop_scope="module")
async def api(shared: Api) -> Api:
    return await with_new_account(shared)


async def ask(api: Api, path: str, **headers: str) -> tuple[int, Mapping[str, str], Any]:
    """Status, headers and JSON of an answer to somebody without credentials."""
    async with aiohttp.ClientSession() as session, session.get(api.url + path, headers=headers) as answer:
        body = await answer.read()
        return answer.status, answer.headers, orjson.loads(body) if body else None


async def validate(api: Api, event: Mapping[str, object]) -> None:
    """Hold ``event`` against the document that its ``dataschema`` leads to."""
    schema_id, version = str(event["dataschema"]).rsplit("/", 2)[1:]
    status, _, document = await ask(api, f"/schemas/{schema_id}/{version}")
    assert status == 200
    # The reference's test event names a file.
    assert document["$id"] == str(event["dataschema"]).removesuffix(".json")
    Draft202012Validator(document).validate(event["data"])


async def test_every_event_type_is_delivered_and_fits_its_document(api: Api) -> None:
    catalog = api.installation.catalog
    events = []
    for number, each in enumerate(catalog.types.values()):
        example = read_example(catalog.schemas[each.schema_id])
        if example is not None:
            account = api.installation.account_sid
            events.append(Event(type=each.name, source=f"/{number}", account_sid=account, data=example))
    assert len(events) >= 186
    async with Receiver() as receiver:
        sink = await api.installation.add_sink(receiver.url)
        await api.installation.subscribe(sink, *(event.type for event in events))

        async with EventPublisher(api.installation.settings, catalog) as publisher:
            outcomes = await publisher.publish_many(events)

        assert [each for each in outcomes if not isinstance(each, Accepted)] == []
        # Nobody gets a type that is discontinued, not even who subscribed before it was.
        ended = {each.name for each in catalog.types.values() if each.status is EventTypeStatus.DISCONTINUED}
        living = [event for event in events if event.type not in ended]
        assert len(living) < len(events)
        await receiver.wait_for(lambda: len(receiver.accepted) == len(living), timeout_s=60)
    arrived = [event for request in receiver.received for event in request.events]
    assert {str(event["type"]) for event in arrived} == {event.type for event in living}
    for event in arrived:
        await validate(api, event)


async def test_an_operators_own_event_type_goes_all_the_way_in_the_version_that_was_asked_for(api: Api) -> None:
    account, client = api.installation.account_sid, api.client.events.v1
    async with Receiver() as receiver:
        sink = await api.sink(sink_configuration={"destination": receiver.url})
        types = [{"type": DELIVERED, "schema_version": 1}]
        await call(lambda: client.subscriptions.create(description="d", sink_sid=sink.sid, types=types))

        async with EventPublisher(api.installation.settings, api.installation.catalog) as publisher:
            data = {"parcelId": "1", "weightKg": 2.5, "depot": "north"}
            await publisher.publish(Event(type=DELIVERED, source="/parcels/1", account_sid=account, data=data))

        await receiver.wait_for(lambda: bool(receiver.received))
    [event] = receiver.received[0].events
    assert str(event["dataschema"]).endswith("/Logistics.Parcel/1")
    assert event["data"] == {"parcelId": "1", "weightKg": 2.5}
    await validate(api, event)


async def test_a_document_is_for_everybody_and_may_be_kept(api: Api) -> None:
    status, headers, document = await ask(api, "/schemas/Messaging.MessageStatus/7")

    assert status == 200
    assert headers["Content-Type"] == "application/schema+json"
    assert headers["Cache-Control"] == "public, max-age=3600"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert document["$id"].endswith("/Messaging.MessageStatus/7")
    assert document["properties"]["to"]["identityType"] == "phone"
    assert (await ask(api, "/schemas/Messaging.MessageStatus/7.json"))[2] == document
    again = await ask(api, "/schemas/Messaging.MessageStatus/7", **{"If-None-Match": headers["ETag"]})
    assert (again[0], again[2]) == (304, None)


async def test_a_document_has_an_example_of_the_type_that_is_asked_for(api: Api) -> None:
    path = "/schemas/Messaging.MessageStatus/8?Type=com.twilio."

    _, sent_headers, sent = await ask(api, f"{path}messaging.message.sent")
    _, read_headers, read = await ask(api, f"{path}messaging.message.read")
    other_status, _, other = await ask(api, f"{path}voice.status-callback.call.completed")
    nothing_status, _, _ = await ask(api, f"{path}nothing")

    assert [each["examples"][0]["messageStatus"] for each in (sent, read)] == ["SENT", "READ"]
    assert {**sent, "examples": []} == {**read, "examples": []}
    assert sent_headers["ETag"] != read_headers["ETag"]
    assert (other_status, nothing_status) == (400, 400)
    assert "Type must be an event type of schema Messaging.MessageStatus" in other["message"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/schemas/Messaging.MessageStatus/9", "Schema Messaging.MessageStatus has no version 9: there are 1 to 8"),
        ("/schemas/Messaging.MessageStatus/0", "has no version 0: there are 1 to 8"),
        ("/schemas/Messaging.MessageStatus/%F0%9D%9F%99", "has no version"),
        ("/schemas/Messaging.MessageStatus/" + "9" * 5000, "has no version 999"),
        ("/schemas/Messaging.MessageStatus/latest.json", "has no version latest: there are 1 to 8"),
        (
            "/schemas/Messaging.Messagestatus/1",
            "no schema Messaging.Messagestatus: did you mean Messaging.MessageStatus?",
        ),
        ("/schemas/..%2F..%2Fetc/1", "There is no schema"),
        ("/schemas/Messaging.MessageStatus", "was not found"),
    ],
    ids=range(8),
)
async def test_a_document_that_is_not_there_is_told_with_what_there_is(api: Api, path: str, words: str) -> None:
    status, _, body = await ask(api, path)

    assert (status, body["code"], body["status"]) == (404, 20404, 404)
    assert words in body["message"]
    assert len(body["message"]) < 500
