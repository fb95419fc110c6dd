"""Signing secrets through the API: made, shown to their owner, rotated while the worker delivers."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
import pytest
import pytest_asyncio
from standardwebhooks import Webhook, WebhookVerificationError
from yarl import URL

from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Received, Receiver
from sink_workers.role import worker_for
from tests.support.api import Api as PlainlyServed
from tests.support.api import serving, with_new_account
from tests.support.installation import TOKEN, Installation

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Api:
    """The API of an installation, running; requests are its account's."""

    installation: Installation
    url: str

    async def request(
        self, method: str, path: str, fields: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, object], Mapping[str, str]]:
        """Status, body and headers of the answer."""
        headers = {
            "Authorization": aiohttp.encode_basic_auth(self.installation.account_sid, TOKEN),
            "Content-Type": FORM,
        }
        data = None if fields is None else urlencode(fields)
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, data=data, headers=headers) as answer,
        ):
            return answer.status, await answer.json(), answer.headers

    async def create(self, destination: str, **configuration: object) -> dict[str, object]:
        config = json.dumps({"destination": destination, **configuration})
        fields = {"Description": "d", "SinkType": "webhook", "SinkConfiguration": config}
        status, sink, _ = await self.request("POST", "/v1/Sinks", fields)
        assert status == 201, sink
        return sink

    async def secret(self, sink: Mapping[str, object]) -> str:
        status, shown, _ = await self.request("GET", f"/v1/Sinks/{sink['sid']}/SigningSecret")
        assert status == 200, shown
        return str(shown["secret"])

    async def rotate(self, sink: Mapping[str, object], **fields: str) -> dict[str, object]:
        status, shown, _ = await self.request("POST", f"/v1/Sinks/{sink['sid']}/SigningSecret", fields)
        assert status == 200, shown
        return shown


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings) -> AsyncIterator[Api]:
    async with Installation(module_settings) as installation, serving(module_settings) as url:
        yield Api(installation, url)


@pytest_asyncio.fixture(loop_scope="module")
async def api(shared: Api) -> Api:
    """The shared API, with an account that no other test has."""
    await with_new_account(PlainlyServed(shared.installation, shared.url))
    return shared


def accepts(secret: str, received: Received) -> bool:
    try:
        Webhook(secret).verify(received.body, dict(received.headers))
    except WebhookVerificationError:
        return False
    return True


async def test_a_secret_is_made_and_shown_to_the_owner_alone(api: Api) -> None:
    sink = await api.create("https://h.example/x", standard_webhooks={})

    path = f"/v1/Sinks/{sink['sid']}/SigningSecret"
    status, shown, headers = await api.request("GET", path)

    assert status == 200
    assert str(shown["secret"]).startswith("whsec_")
    assert shown == {
        "sink_sid": sink["sid"],
        "scheme": "v1",
        "secret": shown["secret"],
        "previous": [],
        "url": f"{api.url}{path}",
    }
    assert headers["Cache-Control"] == "no-store"
    configuration = sink["sink_configuration"]
    assert isinstance(configuration, dict)
    assert configuration["standard_webhooks"] == {"scheme": "v1", "secret": "********"}
    assert (await api.request("GET", path))[1] == shown

    await api.installation.new_account()
    assert (await api.request("GET", path))[0] in {401, 404}


async def test_a_key_that_may_only_look_is_not_shown_a_secret(api: Api) -> None:
    sink = await api.create("https://h.example/x", standard_webhooks={})
    _, key, _ = await api.request("POST", "/v1/Keys", {"Scope": "read"})
    headers = {"Authorization": aiohttp.encode_basic_auth(str(key["sid"]), str(key["secret"]))}

    async with aiohttp.ClientSession(api.url, headers=headers) as session:
        for path, status in (("", 200), ("/SigningSecret", 403), ("/%53igningSecret", 403)):
            for method in ("GET", "HEAD"):
                async with session.request(method, URL(f"/v1/Sinks/{sink['sid']}{path}", encoded=True)) as answer:
                    assert answer.status == status, path


async def test_deliveries_are_signed_with_both_secrets_in_the_grace_time_and_then_with_the_new_one(api: Api) -> None:
    async with Receiver() as receiver:
        sink = await api.create(receiver.url, standard_webhooks={"scheme": "v1"})
        old = await api.secret(sink)
        await api.installation.feed.catch_up()
        subscription = await api.installation.subscribe(api.installation.feed.snapshot.sinks[str(sink["sid"])])
        worker = await api.installation.start(worker_for(load_plugin("webhook")))
        number = 0

        async def deliver() -> Received:
            nonlocal number
            number += 1
            await api.installation.hand_to(subscription, api.installation.event(number))
            await receiver.wait_for(lambda: any(each.ids == [f"EZ{number}"] for each in receiver.received))
            return receiver.received[-1]

        assert accepts(old, await deliver())

        new = str((await api.rotate(sink))["secret"])
        received = await deliver()
        while not accepts(new, received):  # until the worker has heard of it
            received = await deliver()
        assert accepts(old, received)

        newest = str((await api.rotate(sink, GraceSeconds="0"))["secret"])
        while not accepts(newest, received):
            received = await deliver()
        assert not accepts(old, received)
        assert not accepts(new, received)
        await api.installation.stop(worker)


async def test_an_ed25519_key_shows_its_public_half_only(api: Api) -> None:
    sink = await api.create("https://h.example/x", standard_webhooks={"scheme": "v1a"})

    shown = await api.rotate(sink, GraceSeconds="3600")

    assert str(shown["public_key"]).startswith("whpk_")
    assert "secret" not in shown
    assert "whsk_" not in json.dumps([sink, shown])
    assert len(shown["previous"]) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("grace", ["-1", "604801", "1.5", "", "soon", "٣", "99999999999999999999"])
async def test_a_grace_time_that_cannot_be_is_refused(api: Api, grace: str) -> None:
    sink = await api.create("https://h.example/x", standard_webhooks={})
    before = await api.secret(sink)

    path = f"/v1/Sinks/{sink['sid']}/SigningSecret"
    status, error, _ = await api.request("POST", path, {"GraceSeconds": grace})

    assert (status, error["code"]) == (400, 20001)
    assert error["message"] == "GraceSeconds must be a whole number from 0 to 604800"
    assert await api.secret(sink) == before


async def test_more_rotations_than_can_be_are_a_conflict(api: Api) -> None:
    sink = await api.create("https://h.example/x", standard_webhooks={})
    for _ in range(4):
        await api.rotate(sink)

    status, error, _ = await api.request("POST", f"/v1/Sinks/{sink['sid']}/SigningSecret", {})

    assert (status, error["code"]) == (409, 20409)
    assert "4 earlier secrets are still used for signing" in str(error["message"])


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_sink_without_a_signing_secret_says_so(api: Api, method: str) -> None:
    sink = await api.create("https://h.example/x")

    status, error, _ = await api.request(method, f"/v1/Sinks/{sink['sid']}/SigningSecret")

    assert (status, error["code"]) == (404, 20404)
    assert "has no signing secret" in str(error["message"])


@pytest.mark.parametrize("sid", ["DG" + "0" * 32, "nonsense"])
async def test_a_sink_that_is_not_there_has_no_secret(api: Api, sid: str) -> None:
    assert (await api.request("GET", f"/v1/Sinks/{sid}/SigningSecret"))[0] in {400, 404}
    assert (await api.request("POST", f"/v1/Sinks/{sid}/SigningSecret", {}))[0] in {400, 404}


async def test_a_configuration_that_is_refused_repeats_no_secret(api: Api) -> None:
    config = json.dumps(
        {
            "destination": "https://user:hunter2@h.example/x y",
            "headers": {"X-Api-Key": "hunter2\n"},
            "client_key": "hunter2",
            "oauth2": {"client_secret": ["hunter2"]},
            "standard_webhooks": {"secret": "hunter2"},
        }
    )
    fields = {"Description": "d", "SinkType": "webhook", "SinkConfiguration": config}

    status, error, _ = await api.request("POST", "/v1/Sinks", fields)

    assert (status, error["code"]) == (400, 91000)
    assert "hunter2" not in json.dumps(error)
