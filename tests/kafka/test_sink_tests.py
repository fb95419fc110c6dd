"""Test events of sinks: through the real delivery path, whatever becomes of them, and what their ids are good for."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr
from twilio.request_validator import RequestValidator

from eventstreams.reasons import DeadReason
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Received, Receiver
from sink_workers.role import worker_for
from tests.conftest import installation_settings
from tests.support import forks
from tests.support.api import Api, call, post_form, raw, refusal, serving, with_new_account
from tests.support.installation import SENT, TOKEN, Installation
from tests.support.topic import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]

TEST_EVENT = "com.twilio.eventstreams.test-event"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    log: Path = tmp_path_factory.mktemp("log") / "log.db"
    settings = module_settings.model_copy(update={"delivery_log": SecretStr(str(log))})
    async with Installation(settings) as installation, serving(settings) as url:
        await installation.start(worker_for(load_plugin("webhook")))
        yield Api(installation, url)


@pytest_asyncio.fixture(loop_scope="module")
async def api(shared: Api) -> Api:
    return await with_new_account(shared)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_strict(kafka: str) -> AsyncIterator[Api]:
    """An installation whose operator has sinks validated."""
    with installation_settings(kafka) as settings:
        strict = settings.model_copy(update={"sink_validation": "strict"})
        async with Installation(strict) as installation, serving(strict) as url:
            await installation.start(worker_for(load_plugin("webhook")))
            yield Api(installation, url)


@pytest_asyncio.fixture(loop_scope="module")
async def strict(shared_strict: Api) -> Api:
    return await with_new_account(shared_strict)


async def sink_under_test(api: Api, url: str) -> Any:
    sink = await api.sink(sink_configuration={"destination": url})
    assert (await call(sink.sink_test.create)).result == "submitted"
    return sink


async def until_attempts(api: Api, sink_sid: str, count: int) -> list[Any]:
    """The attempts at the sink, newest first, once there are ``count``."""
    found: list[Any] = []

    async def look() -> None:
        _, body = await raw(api, "GET", f"/v1/Attempts?SinkSid={sink_sid}")
        found[:] = body["attempts"]

    while len(found) < count:
        await look()
        await asyncio.sleep(0.05)
    return found


async def test_a_sink_that_nobody_has_subscribed_gets_a_signed_test_event(api: Api) -> None:
    async with Receiver() as receiver:
        sink = await sink_under_test(api, receiver.url)

        await receiver.wait_for(lambda: bool(receiver.received))
    [request] = receiver.received
    [event] = request.events
    data = event["data"]
    assert isinstance(data, dict)
    assert (event["type"], event["source"], event["id"]) == (TEST_EVENT, "Sink", api.installation.account_sid)
    assert event["dataschema"] == "https://events-schemas.twilio.com/EventStreams.TestSink/1.json"
    assert list(data) == ["test_id"]
    assert RequestValidator(TOKEN).validate(request.url, request.body.decode(), request.headers["X-Twilio-Signature"])
    [attempt] = await until_attempts(api, sink.sid, 1)
    assert (attempt["outcome"], attempt["subscription_sid"], attempt["account_sid"]) == (
        "delivered",
        None,
        api.installation.account_sid,
    )
    assert (await call(lambda: sink.sink_validate.create(test_id=data["test_id"]))).result == "valid"


async def test_a_test_event_that_fails_is_tried_again_and_each_attempt_is_in_the_log(api: Api) -> None:
    async with Receiver(lambda _: 500 if len(receiver.received) < 3 else 200) as receiver:
        sink = await sink_under_test(api, receiver.url)

        await receiver.wait_for(lambda: len(receiver.received) == 3)
    attempts = await until_attempts(api, sink.sid, 3)
    assert [(each["attempt"], each["outcome"], each["status"]) for each in attempts] == [
        (3, "delivered", 200),
        (2, "retry_later", 500),
        (1, "retry_later", 500),
    ]
    assert len({request.body for request in receiver.received}) == 1
    assert {each["origin"].rpartition("/")[0] for each in attempts} == {f"{api.installation.topics.test('webhook')}/0"}


async def test_a_test_event_that_is_refused_is_a_dead_letter_which_keeps_its_id_to_itself(api: Api) -> None:
    async with Receiver(lambda _: 404) as receiver:
        sink = await sink_under_test(api, receiver.url)
        [attempt] = await until_attempts(api, sink.sid, 1)

    assert (attempt["outcome"], attempt["reason"]) == ("rejected", "refused")
    status, listed = await raw(api, "GET", "/v1/DeadLetters")
    assert status == 200
    [letter] = listed["dead_letters"]
    assert (letter["event_type"], letter["subscription_sid"]) == (TEST_EVENT, None)
    _, fetched = await raw(api, "GET", f"/v1/DeadLetters/{letter['id']}")
    assert fetched["data"] == {}


async def test_a_test_event_waits_for_its_paused_sink_while_another_sinks_goes_through(api: Api) -> None:
    async with Receiver() as paused, Receiver() as other:
        first = await api.sink(sink_configuration={"destination": paused.url})
        assert (await post_form(api, f"/v1/Sinks/{first.sid}/Delivery", Paused="true"))[0] == 200
        await sink_under_test(api, other.url)
        await other.wait_for(lambda: bool(other.received))  # it has read of the pause, which was before
        await call(first.sink_test.create)
        await sink_under_test(api, other.url)

        await other.wait_for(lambda: len(other.received) >= 2)
        assert not paused.received
        assert (await post_form(api, f"/v1/Sinks/{first.sid}/Delivery", Paused="false"))[0] == 200
        await paused.wait_for(lambda: bool(paused.received), timeout_s=60)


async def test_a_test_event_of_a_sink_that_is_gone_is_a_dead_letter(api: Api) -> None:
    async with Receiver() as receiver:
        sink = await api.sink(sink_configuration={"destination": receiver.url})
        assert (await post_form(api, f"/v1/Sinks/{sink.sid}/Delivery", Paused="true"))[0] == 200
        await call(sink.sink_test.create)
        assert await call(sink.delete)

        letters: list[Any] = []
        while not letters:
            letters = (await raw(api, "GET", "/v1/DeadLetters"))[1]["dead_letters"]
            await asyncio.sleep(0.05)
    assert letters[0]["reason"] == DeadReason.SUBSCRIPTION_DELETED
    assert "its sink" in letters[0]["detail"]
    assert not receiver.received


async def test_a_test_event_past_its_deadline_is_never_attempted(settings: Settings, tmp_path: Path) -> None:
    log = SecretStr(str(tmp_path / "log.db"))
    hasty = settings.model_copy(update={"ttl": timedelta(milliseconds=1), "delivery_log": log})
    async with Installation(settings) as installation, serving(hasty) as url, Receiver() as receiver:
        await installation.start(worker_for(load_plugin("webhook")))
        api = Api(installation, url)
        sink = await api.sink(sink_configuration={"destination": receiver.url})
        await call(sink.sink_test.create)

        [entry] = await until_attempts(api, sink.sid, 1)
    assert (entry["outcome"], entry["reason"], entry["sink_sid"]) == ("died", "expired", sink.sid)
    assert not receiver.received


async def test_where_sinks_are_validated_only_the_id_of_the_newest_test_makes_one_active(strict: Api) -> None:
    async with Receiver() as receiver:
        sink = await strict.sink(sink_configuration={"destination": receiver.url})

        assert sink.status == "initialized"
        untested = await refusal(lambda: sink.sink_validate.create(test_id="x"))
        assert (untested.status, untested.code) == (400, 91004)
        early = await refusal(lambda: strict.client.events.v1.subscriptions.create("d", sink.sid, [{"type": SENT}]))
        assert (early.status, early.code) == (400, 91100)
        for _ in range(2):
            await call(sink.sink_test.create)
        assert (await call(sink.fetch)).status == "validating"
        await receiver.wait_for(lambda: len(receiver.received) == 2)
        older, newest = (str(request.events[0]["data"]["test_id"]) for request in receiver.received)  # type: ignore[index]  # JSON
        for wrong in (older, "nonsense", "ü"):
            error = await refusal(lambda wrong=wrong: sink.sink_validate.create(test_id=wrong))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            assert (error.status, error.code) == (400, 91005)
        assert (await call(sink.fetch)).status == "validating"
        assert (await call(lambda: sink.sink_validate.create(test_id=newest))).result == "valid"

    assert (await call(sink.fetch)).status == "active"
    assert (await strict.subscription(sink.sid, SENT)).sink_sid == sink.sid


async def test_a_validation_without_an_id_is_told_what_is_missing(api: Api) -> None:
    sink = await api.sink()

    status, body = await post_form(api, f"/v1/Sinks/{sink.sid}/Validate")

    assert (status, body["code"], body["message"]) == (400, 20001, "Missing required parameter TestId in the post body")


async def test_an_id_that_was_asked_for_is_not_readable_on_the_control_topic(strict: Api) -> None:
    async with Receiver() as receiver:
        sink = await sink_under_test(strict, receiver.url)
        await receiver.wait_for(lambda: bool(receiver.received))

    await eventually(lambda: strict.installation.feed.snapshot.sinks[sink.sid].test_id is not None)
    stored = strict.installation.feed.snapshot.sinks[sink.sid].test_id
    assert stored is not None
    assert stored not in receiver.received[0].body.decode()


async def test_a_probe_says_whether_the_sink_takes_events_and_delivers_none(api: Api) -> None:
    async with Receiver() as receiver:
        sink = await api.sink(sink_configuration={"destination": receiver.url})

        status, body = await post_form(api, f"/v1/Sinks/{sink.sid}/Probe")
        receiver.answer = lambda _: 503
        _, down = await post_form(api, f"/v1/Sinks/{sink.sid}/Probe")

    told = {"sink_sid": sink.sid, "sink_type": "webhook"}
    assert (status, body) == (
        200,
        {**told, "outcome": "delivered", "reason": None, "code": None, "detail": "", "answer": ""},
    )
    assert (down["outcome"], down["reason"], down["code"]) == ("retry_later", "server_error", 91306)
    assert [request.body for request in receiver.received] == [b"[]", b"[]"]


async def test_sinks_validate_ends_with_one_where_the_sink_takes_nothing_and_says_why(api: Api) -> None:
    async with Receiver() as receiver:
        sink = await api.sink(sink_configuration={"destination": receiver.url})
        environ = os.environ | {
            "EVENTSTREAMS_ACCOUNT_SID": api.installation.account_sid,
            "EVENTSTREAMS_AUTH_TOKEN": TOKEN,
        }
        command = [str(forks.program()), "sinks", "validate", str(sink.sid), "--url", api.url]

        said: list[tuple[int | None, str]] = []
        for answer in (200, 503):
            receiver.answer = partial(_always, answer)
            process = await asyncio.create_subprocess_exec(
                *command, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
            out, _ = await process.communicate()
            said.append((process.returncode, out.decode()))

    assert said[0] == (0, f"{sink.sid} (webhook): exists and accepts our credentials\n")
    assert said[1][0] == 1
    assert f"{sink.sid} (webhook): server_error (91306): HTTP 503" in said[1][1]


def _always(status: int, _: Received) -> int:
    return status
