"""A sink's configuration changed after it was made: where events go from then on, and which secrets go with them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
import pytest
import pytest_asyncio

from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from router.role import route
from sink_workers.role import worker_for
from tests.conftest import installation_settings
from tests.support.api import Api, post_form, raw, serving, with_new_account
from tests.support.installation import SENT, Installation
from tests.support.topic import PATIENCE_S, eventually

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]
KEY = {"X-Key": "key-of-the-customer"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings) -> AsyncIterator[Api]:
    async with Installation(module_settings) as installation, serving(module_settings) as url:
        await installation.start(route)
        await installation.start(worker_for(load_plugin("webhook")))
        yield Api(installation, url)


@pytest_asyncio.fixture(loop_scope="module")
async def api(shared: Api) -> Api:
    return await with_new_account(shared)


async def configure(api: Api, sink: Any, **configuration: object) -> tuple[int, Mapping[str, Any]]:
    text = orjson.dumps(configuration).decode()
    return await post_form(api, f"/v1/Sinks/{sink.sid}/Configuration", SinkConfiguration=text)


async def test_what_is_accepted_after_the_change_goes_where_it_says(api: Api) -> None:
    async with Receiver() as old, Receiver() as new:
        sink = await api.sink(sink_configuration={"destination": old.url})
        await api.subscription(sink.sid, SENT)
        await api.installation.publish([api.installation.event(1)])
        await old.wait_for(lambda: "EZ1" in old.accepted)

        status, told = await configure(api, sink, destination=new.url, headers=KEY)

        assert (status, told["sink_configuration"]["destination"]) == (200, new.url)
        number = 2
        while not new.accepted:  # until the worker has read of it, which the answer does not wait for
            await api.installation.publish([api.installation.event(number)])
            await eventually(lambda: bool(new.accepted[f"EZ{number}"] or old.accepted[f"EZ{number}"]))  # noqa: B023
            number += 1
    assert new.received[-1].headers["X-Key"] == KEY["X-Key"]
    assert "key-of-the-customer" not in str(told)


async def test_what_waits_for_a_broken_destination_goes_to_the_mended_one_at_once(api: Api) -> None:
    async with Receiver(lambda _: 503) as broken, Receiver() as mended:
        sink = await api.sink(sink_configuration={"destination": broken.url})
        await api.subscription(sink.sid, SENT)
        await api.installation.publish([api.installation.event(number) for number in range(30)])
        await broken.wait_for(lambda: len(broken.received) >= 10)

        await configure(api, sink, destination=mended.url)

        await mended.wait_for(lambda: len(mended.accepted) == 30, timeout_s=60)


async def test_secrets_that_are_not_given_stay_as_they_were(api: Api) -> None:
    async with Receiver() as receiver:
        sink = await api.sink(
            sink_configuration={"destination": receiver.url, "headers": KEY, "standard_webhooks": {"scheme": "v1"}}
        )
        await api.subscription(sink.sid, SENT)
        path = f"/v1/Sinks/{sink.sid}"
        _, secret = await raw(api, "GET", f"{path}/SigningSecret")
        _, before = await raw(api, "GET", f"{path}/Configuration")

        status, after = await configure(api, sink, **{**before["sink_configuration"], "batch_events": True})

        await api.installation.publish([api.installation.event(1)])
        await receiver.wait_for(lambda: bool(receiver.accepted))
        assert (await raw(api, "GET", f"{path}/SigningSecret"))[1]["secret"] == secret["secret"]
    assert status == 200
    assert after["sink_configuration"] == {**before["sink_configuration"], "batch_events": True}
    assert receiver.received[0].headers["X-Key"] == KEY["X-Key"]


async def test_a_configuration_can_be_given_as_json_in_json(api: Api) -> None:
    sink = await api.sink()
    body = orjson.dumps({"SinkConfiguration": {"destination": "https://hooks.example.com/b", "method": "GET"}})

    status, told = await raw(
        api, "POST", f"/v1/Sinks/{sink.sid}/Configuration", data=body, content_type="application/json"
    )

    assert (status, told["sink_configuration"]["method"]) == (200, "get")


async def test_a_new_signing_secret_is_made_where_it_is_asked_for(api: Api) -> None:
    sink = await api.sink()

    await configure(api, sink, destination="https://hooks.example.com/a", standard_webhooks={"scheme": "v1"})
    _, first = await raw(api, "GET", f"/v1/Sinks/{sink.sid}/SigningSecret")
    await configure(
        api, sink, destination="https://hooks.example.com/a", standard_webhooks={"scheme": "v1a", "secret": None}
    )

    _, second = await raw(api, "GET", f"/v1/Sinks/{sink.sid}/SigningSecret")
    assert (first["scheme"], second["scheme"]) == ("v1", "v1a")


async def test_a_secret_is_not_sent_to_another_host_by_somebody_who_does_not_know_it(api: Api) -> None:
    sink = await api.sink(
        sink_configuration={"destination": "https://hooks.example.com/a", "headers": KEY, "standard_webhooks": {}}
    )
    hidden = {"X-Key": "********"}

    status, refused = await configure(api, sink, destination="https://evil.example/a", headers=hidden)
    other_path = await configure(api, sink, destination="https://hooks.example.com/b", headers=hidden)
    given_again = await configure(
        api, sink, destination="https://other.example/a", headers=KEY, standard_webhooks={"scheme": "v1"}
    )

    assert (status, refused["code"]) == (400, 91000)
    assert refused["message"] == (
        "Sink not updated: changing destination requires its secrets to be given again: headers.X-Key"
    )
    assert (other_path[0], given_again[0]) == (200, 200)


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ("{}", "Sink not updated: SinkConfiguration destination: Field required"),
        ("[]", "Sink not updated: SinkConfiguration must be a JSON object"),
        ('{"destination": "ftp://a"}', "it must be an http or https URL"),
        (
            '{"destination": "https://hooks.example.com/a", "standard_webhooks": {"scheme": "v1a"}}',
            "begins with whsk_ (secrets that were not given are unchanged; null removes one)",
        ),
    ],
    ids=["empty", "no object", "no such URL", "kept secret of another scheme"],
)
async def test_what_the_plugin_does_not_take_is_refused_and_all_stays_as_it_was(
    api: Api, configuration: str, words: str
) -> None:
    sink = await api.sink(
        sink_configuration={"destination": "https://hooks.example.com/a", "standard_webhooks": {"scheme": "v1"}}
    )
    path = f"/v1/Sinks/{sink.sid}/Configuration"
    before = await raw(api, "GET", path)

    status, body = await post_form(api, path, SinkConfiguration=configuration)

    assert (status, body["code"]) == (400, 91000)
    assert words in body["message"]
    assert await raw(api, "GET", path) == before


async def test_another_accounts_sink_cannot_be_seen_or_changed(shared: Api, api: Api) -> None:
    sink = await api.sink()
    other = await with_new_account(shared)

    assert (await raw(other, "GET", f"/v1/Sinks/{sink.sid}/Configuration"))[0] == 404
    assert (await configure(other, sink, destination="https://evil.example"))[0] == 404


async def test_where_sinks_are_validated_a_changed_one_must_prove_itself_anew(kafka: str) -> None:
    with installation_settings(kafka) as settings:
        strict = settings.model_copy(update={"sink_validation": "strict"})
        async with Installation(strict) as installation, serving(strict) as url, Receiver() as receiver:
            await installation.start(worker_for(load_plugin("webhook")))
            api = Api(installation, url)
            sink = await api.sink(sink_configuration={"destination": receiver.url})
            await post_form(api, f"/v1/Sinks/{sink.sid}/Test")
            await receiver.wait_for(lambda: bool(receiver.received))
            data = receiver.received[0].events[0]["data"]
            assert isinstance(data, dict)
            await post_form(api, f"/v1/Sinks/{sink.sid}/Validate", TestId=data["test_id"])

            _, changed = await configure(api, sink, destination=f"{receiver.url}/other")

            assert changed["status"] == "initialized"
            await post_form(api, f"/v1/Sinks/{sink.sid}/Test")
            await receiver.wait_for(lambda: len(receiver.received) == 2)
            data = receiver.received[1].events[0]["data"]
            assert isinstance(data, dict)
            await post_form(api, f"/v1/Sinks/{sink.sid}/Validate", TestId=data["test_id"])
            await api.subscription(sink.sid, SENT)
            status, refused = await configure(api, sink, destination="https://victim.example")
    assert (status, refused["code"]) == (400, 91007)


async def test_a_sink_whose_configuration_is_not_taken_any_more_is_there_like_those_beside_it(api: Api) -> None:
    async with Receiver() as receiver:
        good = await api.sink(sink_configuration={"destination": receiver.url})
        # As an earlier release of its plugin took it; this one does not.
        stale = await api.installation.add_sink("http://hooks.example.com/", config={"gone": "key-of-the-customer"})
        path = f"/v1/Sinks/{stale.sid}"
        async with asyncio.timeout(PATIENCE_S):
            while (await raw(api, "GET", f"{path}/Delivery"))[0] == 404:  # the API has not read of it yet
                await asyncio.sleep(0.05)

        listed = await raw(api, "GET", "/v1/Sinks")
        fetched = await raw(api, "GET", path)
        shown = await raw(api, "GET", f"{path}/Configuration")
        renamed = await post_form(api, path, Description="mended soon")
        secret = await raw(api, "GET", f"{path}/SigningSecret")
        probed = await post_form(api, f"{path}/Probe")
        mended = await configure(api, stale, destination=receiver.url)

    assert listed[0] == 200
    assert [(each["sid"], bool(each["sink_configuration"])) for each in listed[1]["sinks"]] == [
        (good.sid, True),
        (stale.sid, False),
    ]
    for status, told in (fetched, shown, renamed):
        assert (status, told["sink_configuration"]) == (200, {})
    assert (secret[0], secret[1]["code"]) == (409, 20409)
    assert (probed[0], probed[1]["reason"]) == (200, "sink_unusable")
    assert (mended[0], mended[1]["sink_configuration"]["destination"]) == (200, receiver.url)
    assert "key-of-the-customer" not in str((listed, fetched, shown, renamed, secret, probed, mended))
