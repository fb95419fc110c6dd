"""Health of a sink and the schedule of retries, asked of a running API."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pydantic import SecretStr

from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from router.role import route
from sink_workers.role import worker_for
from tests.support.api import Api, post_form, raw, serving, with_new_account
from tests.support.installation import SENT, Installation
from tests.support.plain_api import PlainApi

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    log = SecretStr(str(tmp_path_factory.mktemp("log") / "log.sqlite"))
    settings = module_settings.model_copy(update={"delivery_log": log})
    async with Installation(settings) as installation, serving(settings) as url:
        await installation.start(route)
        await installation.start(worker_for(load_plugin("webhook")))
        yield Api(installation, url)


@pytest_asyncio.fixture(loop_scope="module")
async def api(shared: Api) -> Api:
    return await with_new_account(shared)


async def test_a_sink_that_takes_events_says_so_and_when_it_last_did(api: Api) -> None:
    async with Receiver() as receiver:
        sink = await api.sink(sink_configuration={"destination": receiver.url})
        path, plain = f"/v1/Sinks/{sink.sid}/Health", PlainApi(api.url, api.installation.account_sid)
        status, silent = await raw(api, "GET", path)
        assert (status, silent["state"], silent["waiting"], silent["subscriptions"]) == (200, "silent", 0, [])
        await api.subscription(sink.sid, SENT)

        await api.installation.publish([api.installation.event(1)])

        health = await plain.until(path, lambda found: found["state"] == "working" and found["waiting"] == 0)
    assert health["last_delivered_at"] is not None
    assert (health["failures_in_a_row"], health["last_error"], health["oldest_waiting"]) == (0, None, None)
    assert health["summary"] == "It accepts events. Nothing is waiting for a first attempt."


async def test_a_sink_that_fails_says_since_when_and_why_and_what_waits_for_it(api: Api) -> None:
    async with Receiver(lambda _: 503) as receiver:
        sink = await api.sink(sink_configuration={"destination": receiver.url})
        path, plain = f"/v1/Sinks/{sink.sid}/Health", PlainApi(api.url, api.installation.account_sid)
        subscription = await api.subscription(sink.sid, SENT)
        await api.installation.publish([api.installation.event(number) for number in range(60)])

        health = await plain.until(path, lambda found: found["state"] == "broken" and found["waiting"] > 0)

        assert health["failures_in_a_row"] >= 10
        assert health["failing_since"] is not None
        assert (health["last_error"]["reason"], health["last_error"]["status"]) == ("server_error", 503)
        assert health["oldest_waiting"] is not None
        [waiting] = health["subscriptions"]
        assert (waiting["subscription_sid"], waiting["waiting"]) == (subscription.sid, health["waiting"])
        assert "attempts failed: server_error" in health["summary"]
        await post_form(api, f"/v1/Sinks/{sink.sid}/Delivery", Paused="true")
        paused = (await raw(api, "GET", path))[1]
        assert (paused["state"], paused["paused"]) == ("paused", True)


async def test_the_schedule_is_that_of_the_subscriptions_own_time_to_live(api: Api) -> None:
    sink = await api.sink()
    subscription = await api.subscription(sink.sid, SENT)
    path = f"/v1/Subscriptions/{subscription.sid}/RetrySchedule"
    status, whole = await raw(api, "GET", path)

    await post_form(api, f"/v1/Subscriptions/{subscription.sid}/Delivery", Ttl="10s")

    assert (status, whole["ttl"]) == (200, 14_400.0)
    assert whole["attempts"][0] == {
        "attempt": 1,
        "longest_wait": 0.0,
        "expected_at": whole["accepted_at"],
        "latest_at": whole["accepted_at"],
    }
    short = (await raw(api, "GET", path))[1]
    assert short["ttl"] == 10.0
    assert short["attempts"][-1]["latest_at"] <= short["deadline"]


async def test_another_accounts_sink_and_subscription_are_not_there(shared: Api, api: Api) -> None:
    sink = await api.sink()
    subscription = await api.subscription(sink.sid, SENT)
    other = await with_new_account(shared)

    assert (await raw(other, "GET", f"/v1/Sinks/{sink.sid}/Health"))[0] == 404
    assert (await raw(other, "GET", f"/v1/Subscriptions/{subscription.sid}/RetrySchedule"))[0] == 404
    assert (await raw(other, "GET", "/v1/Sinks/nonsense/Health"))[0] == 400
