"""Pausing, limiting and shortening through the API, from the request to what the receiver sees."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from eventstreams.kafka.ranges import RangeReader
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from router.role import route
from sink_workers.role import worker_for
from tests.support.api import Api, call, post_form, raw, serving, until_the_worker_knows, with_new_account
from tests.support.installation import SENT, Installation, header

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings) -> AsyncIterator[Api]:
    async with Installation(module_settings) as installation, serving(module_settings) as url:
        await installation.start(route)
        await installation.start(worker_for(load_plugin("webhook")))
        yield Api(installation, url)


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
        "account_sid": api.installation.account_sid,
        "subscription_sid": subscription.sid,
        "paused": False,
        "ttl": 14_400.0,
        "filter": None,
        "retry_delays": [0.2, 1.0],
        "max_attempts": None,
        "partitions": 1,
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
        ("Sinks", {"RateLimit": "fast"}, "RateLimit must be a number of events per second"),
        ("Sinks", {"RateLimit": "0"}, "RateLimit must be a number of events per second"),
        ("Sinks", {"RateLimit": "nan"}, "RateLimit must be a number of events per second"),
        ("Sinks", {"RateLimit": "-1"}, "RateLimit must be a number of events per second"),
        ("Sinks", {"Throttle": "none"}, "Throttle must be one of adaptive, reference"),
        ("Sinks", {"Ttl": "5s"}, "Ttl is not a parameter of this operation: it has Paused, RateLimit, Throttle"),
        ("Sinks", {}, "name at least one of Paused, RateLimit, Throttle"),
        ("Subscriptions", {"Ttl": "soon"}, "Ttl must be a duration from 1s to 4h"),
        ("Subscriptions", {"Ttl": "5h"}, "Ttl must be a duration from 1s to 4h"),
        ("Subscriptions", {"Ttl": "0"}, "Ttl must be a duration from 1s to 4h"),
        ("Subscriptions", {"Ttl": "9" * 400}, "Ttl must be a duration from 1s to 4h"),
        ("Subscriptions", {"Ttl": "9" * 400 + "d"}, "Ttl must be a duration from 1s to 4h"),
        ("Subscriptions", {"RetryDelays": "soon"}, "RetryDelays must be 1 to 10 increasing durations from 1s to 4h"),
        ("Subscriptions", {"RetryDelays": "1m,30s"}, "RetryDelays must be 1 to 10 increasing durations"),
        ("Subscriptions", {"RetryDelays": "10ms"}, "RetryDelays must be 1 to 10 increasing durations"),
        ("Subscriptions", {"RetryDelays": "1s,5h"}, "RetryDelays must be 1 to 10 increasing durations"),
        ("Subscriptions", {"RetryDelays": ",".join(f"{s}s" for s in range(1, 12))}, "RetryDelays must be 1 to 10"),
        ("Subscriptions", {"RetryDelays": "9" * 400 + "d"}, "RetryDelays must be 1 to 10 increasing durations"),
        ("Subscriptions", {"MaxAttempts": "0"}, "MaxAttempts must be an integer from 1"),
        ("Subscriptions", {"MaxAttempts": "٣"}, "MaxAttempts must be an integer from 1"),
        ("Subscriptions", {"MaxAttempts": "1001"}, "MaxAttempts must be an integer from 1"),
        ("Subscriptions", {"Partitions": "0"}, "Partitions must be an integer from 1 to 16"),
        ("Subscriptions", {"Partitions": "17"}, "Partitions must be an integer from 1 to 16"),
        ("Subscriptions", {"Partitions": ""}, "Partitions must be an integer from 1 to 16"),
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
        await until_the_worker_knows(api)
        await api.installation.publish([api.installation.event(number) for number in range(20)])
        await api.installation.copies_of(subscription.sid, 20)
        assert receiver.received == []

        await post_form(api, path, Paused="false")

        await receiver.wait_for(lambda: len(receiver.accepted) == 20)


async def test_a_shorter_ttl_counts_for_events_accepted_after_it(api: Api) -> None:
    async with Receiver(lambda _: 503) as receiver:
        sink = await api.sink(sink_configuration={"destination": receiver.url})
        subscription = await api.subscription(sink.sid, SENT)
        await post_form(api, f"/v1/Subscriptions/{subscription.sid}/Delivery", Ttl="2s")

        await api.installation.publish([api.installation.event(1)])

        [copy] = await api.installation.copies_of(subscription.sid, 1)
        dead = await api.installation.dead_of(subscription.sid, 1)
    assert int(header(copy, "es_deadline")) - int(header(copy, "es_accepted_at")) == 2_000
    assert header(dead[0], "es_reason") == "expired"


async def test_retries_and_partitions_are_set_and_set_back(api: Api) -> None:
    sink = await api.sink()
    subscription = await api.subscription(sink.sid, SENT)
    path = f"/v1/Subscriptions/{subscription.sid}/Delivery"

    _, changed = await post_form(api, path, RetryDelays="10s, 1m,10m", MaxAttempts="3", Partitions="3")

    assert (changed["retry_delays"], changed["max_attempts"], changed["partitions"]) == ([10, 60, 600], 3, 3)
    _, schedule = await raw(api, "GET", f"/v1/Subscriptions/{subscription.sid}/RetrySchedule")
    assert [each["longest_wait"] for each in schedule["attempts"]] == [0, 10, 60]
    assert (schedule["max_attempts"], schedule["complete"]) == (3, True)
    status, body = await post_form(api, path, Partitions="2")
    assert (status, body["message"]) == (400, f"Partitions of {subscription.sid} are 3, and can only be increased")
    _, usual = await post_form(api, path, RetryDelays="", MaxAttempts="")
    assert (usual["retry_delays"], usual["max_attempts"], usual["partitions"]) == ([0.2, 1.0], None, 3)


async def test_an_event_whose_attempts_are_used_up_is_a_dead_letter(api: Api) -> None:
    async with Receiver(lambda _: 503) as receiver:
        sink = await api.sink(sink_configuration={"destination": receiver.url})
        subscription = await api.subscription(sink.sid, SENT)
        await post_form(api, f"/v1/Subscriptions/{subscription.sid}/Delivery", MaxAttempts="2")

        await api.installation.publish([api.installation.event(1)])

        [dead] = await api.installation.dead_of(subscription.sid, 1)
        await post_form(api, f"/v1/Subscriptions/{subscription.sid}/Delivery", MaxAttempts="1")
        await api.installation.publish([api.installation.event(2)])
        _, second = await api.installation.dead_of(subscription.sid, 2)
    assert (header(dead, "es_reason"), header(dead, "es_attempts"), header(dead, "es_code")) == (
        "attempts_used_up",
        "2",
        "91306",
    )
    assert header(dead, "es_detail").startswith("2 attempts; the last: server_error: ")
    assert (header(second, "ce_id"), header(second, "es_attempts")) == ("EZ2", "1")
    assert [request.ids for request in receiver.received] == [["EZ1"], ["EZ1"], ["EZ2"]]


async def retry_waits_ms(api: Api, subscription_sid: str, count: int) -> list[int]:
    """From the first attempt at each event of a subscription to its second, once ``count`` wait for it."""
    found: dict[str, int] = {}
    topics = list(api.installation.topics.retries("webhook"))
    async with asyncio.timeout(60):
        while len(found) < count:
            ranges = [each for each in await api.installation.admin.ranges(topics) if each.records]
            async with RangeReader(api.installation.settings, ranges) as reader:
                while not reader.ended:
                    for each in await reader.read(1000):
                        if header(each, "es_subscription") == subscription_sid and header(each, "es_attempt") == "2":
                            began_ms = int(header(each, "es_last_attempt_at"))
                            found[header(each, "ce_id")] = int(header(each, "es_not_before")) - began_ms
    return list(found.values())


async def test_a_subscriptions_own_waits_hold_for_its_events(api: Api) -> None:
    async with Receiver(lambda _: 503) as receiver:
        sink = await api.sink(sink_configuration={"destination": receiver.url})
        subscription = await api.subscription(sink.sid, SENT)
        await post_form(api, f"/v1/Subscriptions/{subscription.sid}/Delivery", RetryDelays="4h")

        await api.installation.publish([api.installation.event(number) for number in range(5)])

        waits_ms = await retry_waits_ms(api, subscription.sid, 5)
    assert max(waits_ms) > 1_000  # the installation's longest is a second; four hours at random are hardly ever less


async def test_raising_the_partitions_loses_and_doubles_nothing(api: Api) -> None:
    async with Receiver() as receiver:
        sink = await api.sink(sink_configuration={"destination": receiver.url})
        subscription = await api.subscription(sink.sid, SENT)
        path, numbers = f"/v1/Subscriptions/{subscription.sid}/Delivery", 0
        await api.installation.publish([api.installation.event(number) for number in range(100)])

        assert (await post_form(api, path, Partitions="4"))[1]["partitions"] == 4

        topic = api.installation.topics.subscription("webhook", subscription.sid)
        assert (await api.installation.admin.topics())[topic] == 4
        numbers, spread = 100, 0
        while spread < 4:  # until the router knows of them
            await api.installation.publish([api.installation.event(number) for number in range(numbers, numbers + 100)])
            numbers += 100
            await receiver.wait_for(lambda: len(receiver.accepted) >= numbers, timeout_s=60)  # noqa: B023
            spread = sum(each.records > 0 for each in await api.installation.admin.ranges([topic]))
    assert receiver.accepted == Counter({f"EZ{number}": 1 for number in range(numbers)})


async def test_json_is_taken_as_well_as_a_form(api: Api) -> None:
    sink = await api.sink()
    subscription = await api.subscription(sink.sid, SENT)
    path = f"/v1/Subscriptions/{subscription.sid}/Delivery"
    wanted = b'{"Paused": true, "Ttl": "90s", "RetryDelays": ["10s", "1m"], "MaxAttempts": 5}'

    status, told = await raw(api, "POST", path, data=wanted, content_type="application/json")
    _, usual = await raw(api, "POST", path, data=b'{"RetryDelays": null, "Ttl": null}', content_type="application/json")

    assert (status, told["paused"], told["ttl"], told["retry_delays"], told["max_attempts"]) == (
        200,
        True,
        90.0,
        [10.0, 60.0],
        5,
    )
    assert (usual["retry_delays"], usual["ttl"], usual["paused"]) == ([0.2, 1.0], 14_400.0, True)
