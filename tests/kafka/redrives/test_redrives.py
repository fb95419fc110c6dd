"""Dead letters redriven through the API, on the real broker."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from eventstreams import headers as names
from eventstreams.control.records import Subscription, SubscriptionState
from eventstreams.reasons import DeadReason
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from eventstreams.times import now_ms
from sink_workers.role import worker_for
from tests.support.bare_api import BareApi, of_new_account
from tests.support.dead_letters import add_dead_letters, copies, event, ids
from tests.support.installation import DELIVERED, SENT, Installation
from tests.support.redrives import FAST, after, clock_past, redrive
from tests.support.topic import PATIENCE_S

pytestmark = pytest.mark.kafka


async def test_a_redriven_event_is_the_same_with_a_fresh_window(
    installation: Installation, api: BareApi, subscription: Subscription
) -> None:
    await add_dead_letters(installation, subscription, [7])
    began_ms = now_ms()

    job = await redrive(api, {"SubscriptionSid": subscription.sid})

    [copy] = await copies(installation, subscription)
    value, event_headers = installation.encoded(event(installation, 7))
    own = {name: text for name, text in copy.headers if not name.startswith("es_")}
    state = {name: text for name, text in copy.headers if name.startswith("es_")}
    deadline = int(state.pop("es_deadline"))
    assert (copy.value, copy.key, own) == (value, b"k7", dict(event_headers))
    assert state == {
        "es_accepted_at": b"5000",
        "es_subscription": subscription.sid.encode(),
        "es_redrive": str(job["sid"]).encode(),
    }
    assert began_ms + 14_400_000 <= deadline <= now_ms() + 14_400_000
    assert (job["selected"], job["redriven"], job["skipped"]) == (1, 1, {})
    told = {"sink_type": "webhook", "kind": "redrive"}
    assert api.metrics.registry.get_sample_value("eventstreams_redriven_events_total", told) == 1.0


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        pytest.param({"EventId": "EZ3"}, [3], id="one event"),
        pytest.param({"DeadLetterId": "#2"}, [2], id="one dead letter"),
        pytest.param({"Reason": "expired"}, [4, 5, 6], id="reason"),
        pytest.param({"Code": "91305"}, [0, 1, 2, 3], id="code"),
        pytest.param({"Type": DELIVERED}, [5, 6], id="type"),
        pytest.param({"Type": SENT, "Reason": "expired"}, [4], id="type and reason"),
        pytest.param({"After": "@2", "Before": "@5"}, [2, 3, 4], id="time"),
        pytest.param({"After": "@5"}, [5, 6], id="from a time on"),
        pytest.param({"EventId": "EZ300"}, [], id="nothing"),
        pytest.param({"Filter": "status == 410 && id in ['EZ1', 'EZ6']"}, [1, 6], id="filter"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_dead_letters_are_redriven_by_what_they_have_in_common(
    shared: BareApi, shared_house: Installation, chosen: Mapping[str, str], expected: list[int]
) -> None:
    installation, api = shared_house, await of_new_account(shared, shared_house)
    subscription = await installation.subscribe(
        await installation.add_sink("https://hooks.example.com/"), SENT, DELIVERED
    )
    [before] = await installation.admin.ranges([installation.topics.dead("webhook")])
    times = []
    for number in range(7):
        reason = DeadReason.REFUSED if number < 4 else DeadReason.EXPIRED
        type_ = SENT if number < 5 else DELIVERED
        times += await add_dead_letters(installation, subscription, [number], reason=reason, type_=type_)
        await clock_past(times[-1])
    form = {
        name: after(times[int(text[1:])])
        if text[0] == "@"
        else f"webhook.0.{before.end + int(text[1:])}"
        if text[0] == "#"
        else text
        for name, text in chosen.items()
    }

    await redrive(api, form)

    assert ids(await copies(installation, subscription)) == [f"EZ{number}" for number in expected]


async def test_several_values_of_a_parameter_select_more(
    installation: Installation, api: BareApi, subscription: Subscription
) -> None:
    await add_dead_letters(installation, subscription, range(5))

    job = await api.post("/v1/Redrives", [("EventId", "EZ1"), ("EventId", "EZ4"), ("Rate", "5000")])
    await api.until(job["url"], "completed")

    assert ids(await copies(installation, subscription)) == ["EZ1", "EZ4"]


async def test_events_of_a_deleted_subscription_are_skipped_and_told(
    installation: Installation, api: BareApi, subscription: Subscription
) -> None:
    other = await installation.subscribe(await installation.add_sink("https://hooks.example.com/"))
    await add_dead_letters(installation, subscription, [1, 2])
    await add_dead_letters(installation, other, [3, 4, 5])
    await add_dead_letters(installation, other, [6], without=names.SUBSCRIPTION)
    await installation.put(replace(other, state=SubscriptionState.DELETING))

    job = await redrive(api, {"Reason": "refused"})

    assert (job["selected"], job["redriven"]) == (6, 2)
    assert job["skipped"] == {"subscription_deleted": 3, "unreadable": 1}
    assert ids(await copies(installation, subscription)) == ["EZ1", "EZ2"]


async def test_what_dies_again_is_not_taken_up_by_the_same_job(
    installation: Installation, api: BareApi, subscription: Subscription
) -> None:
    await add_dead_letters(installation, subscription, range(4))

    job = await api.post("/v1/Redrives", {"Reason": "refused", "Rate": "4"})
    await add_dead_letters(installation, subscription, [10, 11])
    await api.until(job["url"], "completed")

    assert ids(await copies(installation, subscription)) == ["EZ0", "EZ1", "EZ2", "EZ3"]


async def test_a_cancelled_job_stops_and_keeps_what_it_did(
    installation: Installation, api: BareApi, subscription: Subscription
) -> None:
    await add_dead_letters(installation, subscription, range(60))
    job = await api.post("/v1/Redrives", {"Reason": "refused", "Rate": "1"})

    answer = await api.post(job["url"], {"Status": "cancelling"}, expect=200)
    again = await api.ask("POST", job["url"], {"Status": "cancelling"})

    assert answer["status"] in ("cancelling", "cancelled")
    assert again[0] in (200, 409)
    done = await api.until(job["url"], "cancelled")
    assert done["redriven"] < 60
    assert len(await copies(installation, subscription)) == done["redriven"]
    status, refused = await api.ask("POST", job["url"], {"Status": "cancelling"})
    assert (status, refused["code"]) == (409, 20409)


async def test_nobody_sees_or_moves_what_is_another_accounts(
    installation: Installation, api: BareApi, subscription: Subscription
) -> None:
    await add_dead_letters(installation, subscription, range(3))
    mine = await api.post("/v1/Redrives", {"SubscriptionSid": subscription.sid, **FAST})
    await api.until(mine["url"], "completed")
    await installation.new_account()
    stranger = api.as_account(installation.account_sid)
    async with asyncio.timeout(PATIENCE_S):
        while (await stranger.ask("GET", "/v1/Sinks"))[0] == 401:
            await asyncio.sleep(0.02)

    assert (await stranger.get("/v1/DeadLetters"))["dead_letters"] == []
    assert (await stranger.ask("GET", "/v1/DeadLetters/webhook.0.0"))[0] == 404
    assert (await stranger.get("/v1/Redrives"))["redrives"] == []
    assert (await stranger.ask("GET", mine["url"]))[0] == 404
    assert (await stranger.ask("POST", mine["url"], {"Status": "cancelling"}))[0] == 404
    for chosen in ({"EventId": "EZ1"}, {"DeadLetterId": "webhook.0.1"}):
        job = await redrive(stranger, chosen)
        assert job["selected"] == 0
    assert (await stranger.ask("POST", "/v1/Redrives", {"SubscriptionSid": subscription.sid}))[0] == 404
    since = {"SubscriptionSid": subscription.sid, "After": "2026-01-01T00:00:00Z"}
    assert (await stranger.ask("POST", "/v1/Replays", since))[0] == 404
    assert len(await copies(installation, subscription)) == 3


async def test_a_deleted_subscriptions_topic_goes_although_a_redrive_was_the_last_to_write_to_it(
    installation: Installation, api: BareApi, subscription: Subscription
) -> None:
    async with Receiver() as receiver:
        fresh = await installation.subscribe(await installation.add_sink(receiver.url))
        await add_dead_letters(installation, fresh, [1, 2])
        await installation.start(worker_for(load_plugin("webhook")))
        await redrive(api, {"SubscriptionSid": fresh.sid})
        await receiver.wait_for(lambda: len(receiver.accepted) == 2)

        assert (await api.ask("GET", f"/v1/Subscriptions/{fresh.sid}"))[0] == 200
        await installation.put(replace(fresh, state=SubscriptionState.DELETING, updated_ms=now_ms()))

        async with asyncio.timeout(60):
            while installation.topic_of(fresh) in await installation.admin.topics():
                await asyncio.sleep(0.1)
