"""Pausing, limiting and shortening through the API, from the request to what the receiver sees."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from router.role import route
from sink_workers.role import worker_for
from tests.support.api import Api, call, post_form, raw, serving, with_new_account
from tests.support.installation import SENT, Installation, header

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings) -> AsyncIterator[Api]:
    async with Installation(module_settings) as house, serving(module_settings) as url:
        await house.start(route)
        await house.start(worker_for(load_plugin("webhook")))
        yield Api(house, url)


@pytest_asyncio.fixture(loop_scope="module")
async def api(shared: Api) -> Api:
    return await with_new_account(shared)


async def test_a_sink_is_paused_limited_and_set_back(api: Api) -> None:
    sink = await api.sink()
    path = f"/v1/Sinks/{sink.sid}/Delivery"
    default = {
        "sink_sid": sink.sid,
        "paused": False,
        "rate_limit": None,
        "throttle": "adaptive",
        "url": f"{api.url}{path}",
    }
    assert await raw(api, "GET", path) == (200, default)

    changed = await post_form(api, path, Paused="true", RateLimit="2.5", Throttle="reference")

    assert changed == (200, {**default, "paused": True, "rate_limit": 2.5, "throttle": "reference"})
    assert await post_form(api, path, RateLimit="") == (200, {**changed[1], "rate_limit": None})
    assert (await raw(api, "GET", path))[1]["paused"] is True
    assert (await call(lambda: api.client.events.v1.sinks(sink.sid).fetch())).status == "active"


async def test_a_subscription_is_paused_and_shortened(api: Api) -> None:
    sink = await api.sink()
    subscription = await api.subscription(sink.sid, SENT)
    path = f"/v1/Subscriptions/{subscription.sid}/Delivery"
    default = {
        "account_sid": api.house.account_sid,
        "subscription_sid": subscription.sid,
        "paused": False,
        "ttl": 14_400.0,
        "filter": None,
        "url": f"{api.url}{path}",
    }
    assert await raw(api, "GET", path) == (200, default)

    assert await post_form(api, path, Paused="true", Ttl="90s") == (200, {**default, "paused": True, "ttl": 90.0})
    assert await post_form(api, path, Ttl="3600") == (200, {**default, "paused": True, "ttl": 3600.0})
    assert await post_form(api, path, Ttl="", Paused="false") == (200, default)


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("Sinks", {"Paused": "maybe"}, "Paused must be true or false"),
        ("Sinks", {"RateLimit": "fast"}, "RateLimit must be events a second"),
        ("Sinks", {"RateLimit": "0"}, "RateLimit must be events a second"),
        ("Sinks", {"RateLimit": "nan"}, "RateLimit must be events a second"),
        ("Sinks", {"RateLimit": "-1"}, "RateLimit must be events a second"),
        ("Sinks", {"Throttle": "none"}, "Throttle must be one of adaptive, reference"),
        ("Sinks", {"Ttl": "5s"}, "Ttl is no parameter here: there are Paused, RateLimit, Throttle"),
        ("Sinks", {}, "name at least one of Paused, RateLimit, Throttle"),
        ("Subscriptions", {"Ttl": "soon"}, "Ttl must be a time from 1s to 4h"),
        ("Subscriptions", {"Ttl": "5h"}, "Ttl must be a time from 1s to 4h"),
        ("Subscriptions", {"Ttl": "0"}, "Ttl must be a time from 1s to 4h"),
        ("Subscriptions", {"Ttl": "9" * 400}, "Ttl must be a time from 1s to 4h"),
        ("Subscriptions", {"Ttl": "9" * 400 + "d"}, "Ttl must be a time from 1s to 4h"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_what_would(
    api: Api, kind: str, fields: dict[str, str], words: str
) -> None:
    sink = await api.sink()
    sid = sink.sid if kind == "Sinks" else (await api.subscription(sink.sid, SENT)).sid

    status, body = await post_form(api, f"/v1/{kind}/{sid}/Delivery", **fields)

    assert (status, body["code"]) == (400, 20001)
    assert words in body["message"]


async def test_another_accounts_sink_and_subscription_cannot_be_seen_or_changed(shared: Api, api: Api) -> None:
    sink = await api.sink()
    subscription = await api.subscription(sink.sid, SENT)
    other = await with_new_account(shared)

    for path in (f"/v1/Sinks/{sink.sid}/Delivery", f"/v1/Subscriptions/{subscription.sid}/Delivery"):
        assert (await raw(other, "GET", path))[0] == 404
        assert (await post_form(other, path, Paused="true"))[0] == 404
    assert (await raw(api, "GET", f"/v1/Subscriptions/{new_sid(SidKind.SUBSCRIPTION)}/Delivery"))[0] == 404


async def test_events_of_a_paused_subscription_arrive_when_it_is_resumed(api: Api) -> None:
    async with Receiver() as receiver:
        sink = await api.sink(sink_configuration={"destination": receiver.url})
        subscription = await api.subscription(sink.sid, SENT)
        path = f"/v1/Subscriptions/{subscription.sid}/Delivery"
        await post_form(api, path, Paused="true")
        await api.house.publish([api.house.event(number) for number in range(20)])
        await api.house.copies_of(subscription.sid, 20)
        assert receiver.received == []

        await post_form(api, path, Paused="false")

        await receiver.wait_for(lambda: len(receiver.accepted) == 20)


async def test_a_shorter_ttl_counts_for_events_accepted_after_it(api: Api) -> None:
    async with Receiver(lambda _: 503) as receiver:
        sink = await api.sink(sink_configuration={"destination": receiver.url})
        subscription = await api.subscription(sink.sid, SENT)
        await post_form(api, f"/v1/Subscriptions/{subscription.sid}/Delivery", Ttl="2s")

        await api.house.publish([api.house.event(1)])

        [copy] = await api.house.copies_of(subscription.sid, 1)
        dead = await api.house.dead_of(subscription.sid, 1)
    assert int(header(copy, "es_deadline")) - int(header(copy, "es_accepted_at")) == 2_000
    assert header(dead[0], "es_reason") == "expired"
