"""Samples: one event of any type that can be subscribed to, to one sink, through the real delivery path."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from sink_workers.role import worker_for
from tests.support import forks
from tests.support.api import Api, post_form, raw, serving, with_new_account
from tests.support.installation import DELIVERED, TOKEN, Installation

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    log = SecretStr(str(tmp_path_factory.mktemp("log") / "log.db"))
    settings = module_settings.model_copy(update={"delivery_log": log})
    async with Installation(settings) as installation, serving(settings) as url:
        await installation.start(worker_for(load_plugin("webhook")))
        yield Api(installation, url)


@pytest_asyncio.fixture(loop_scope="module")
async def api(shared: Api) -> Api:
    return await with_new_account(shared)


async def sink_at(api: Api, url: str) -> str:
    sink = await api.sink(sink_configuration={"destination": url})
    return str(sink.sid)


async def sample(api: Api, sink_sid: str, **fields: str) -> Any:
    status, body = await post_form(api, f"/v1/Sinks/{sink_sid}/Samples", **fields)
    assert status == 201, body
    return body


async def test_a_sample_of_any_type_is_delivered_in_the_newest_version_or_the_one_that_is_asked_for(api: Api) -> None:
    async with Receiver() as receiver:
        sid = await sink_at(api, receiver.url)

        newest = await sample(api, sid, Type=DELIVERED)
        older = await sample(api, sid, Type=DELIVERED, SchemaVersion="1")

        await receiver.wait_for(lambda: len(receiver.accepted) == 2)
    events = {str(event["id"]): event for request in receiver.received for event in request.events}
    assert set(events) == {newest["event_id"], older["event_id"]}
    for told in (newest, older):
        event = events[told["event_id"]]
        assert (event["type"], event["source"]) == (DELIVERED, "Sample")
        assert str(event["dataschema"]).endswith(f"/Messaging.MessageStatus/{told['schema_version']}")
        assert event["data"]
    assert (newest["schema_version"] > 1, older["schema_version"]) == (True, 1)


async def test_the_way_of_a_sample_is_in_the_delivery_log(api: Api) -> None:
    async with Receiver(lambda _: 404) as receiver:
        told = await sample(api, await sink_at(api, receiver.url), Type=DELIVERED)

        attempts: list[Any] = []
        while not attempts:
            _, body = await raw(api, "GET", told["links"]["attempts"].removeprefix(api.url))
            attempts = body["attempts"]
            await asyncio.sleep(0.05)
    assert (attempts[0]["outcome"], attempts[0]["status"], attempts[0]["event_type"]) == ("rejected", 404, DELIVERED)
    status, found = await raw(api, "GET", told["links"]["event"].removeprefix(api.url))
    assert (status, found["deliveries"][0]["sink_sid"], found["deliveries"][0]["state"]) == (
        200,
        told["sink_sid"],
        "dead",
    )
    _, letters = await raw(api, "GET", f"/v1/DeadLetters?EventId={told['event_id']}")
    _, letter = await raw(api, "GET", f"/v1/DeadLetters/{letters['dead_letters'][0]['id']}")
    assert letter["data"]


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({}, 400, "Missing required parameter Type"),
        ({"Type": "com.acme.nothing"}, 400, "Type not found in the system: com.acme.nothing"),
        ({"Type": "com.twilio.eventstreams.test-event"}, 400, "Type not found in the system"),
        ({"Type": "com.twilio.iot.supersim.connection.data-session.started"}, 400, "is discontinued"),
        ({"Type": DELIVERED, "SchemaVersion": "99"}, 400, "Schema version 99 of Messaging.MessageStatus does not"),
        ({"Type": DELIVERED, "SchemaVersion": "x"}, 400, "SchemaVersion must be an integer"),
    ],
    ids=["no type", "unknown", "internal", "discontinued", "no such version", "no number"],
)
async def test_what_has_no_sample_is_refused(api: Api, fields: dict[str, str], status: int, words: str) -> None:
    sink = await api.sink()

    answer = await post_form(api, f"/v1/Sinks/{sink.sid}/Samples", **fields)

    assert (answer[0], words in answer[1]["message"]) == (status, True), answer


async def test_another_accounts_sink_gets_no_sample(api: Api) -> None:
    sink = await api.sink()
    stranger = await with_new_account(api)

    status, body = await post_form(stranger, f"/v1/Sinks/{sink.sid}/Samples", Type=DELIVERED)

    assert (status, body["code"]) == (404, 20404)


async def test_a_sample_is_sent_from_a_terminal(api: Api) -> None:
    async with Receiver() as receiver:
        sid = await sink_at(api, receiver.url)
        process = await asyncio.create_subprocess_exec(
            *(str(forks.program()), "sample", sid, DELIVERED, "--schema-version", "2"),
            *("--url", api.url),
            env={
                **os.environ,
                "EVENTSTREAMS_ACCOUNT_SID": api.installation.account_sid,
                "EVENTSTREAMS_AUTH_TOKEN": TOKEN,
            },
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()

        await receiver.wait_for(lambda: bool(receiver.accepted))
    assert process.returncode == 0
    assert list(receiver.accepted) == [said.decode().strip()]
