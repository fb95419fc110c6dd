"""Filters from the request to what the receiver sees, and what the API tells of events that they keep back."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import pytest_asyncio
from pydantic import SecretStr

from control_api.subscriptions import filter_previews
from eventstreams.events import Event
from eventstreams.filters import Answer
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from router.role import route
from sink_workers.role import worker_for
from tests.support.api import Api, post_form, raw, serving, with_new_account
from tests.support.installation import DELIVERED, SENT, Installation
from tests.support.plain_api import PlainApi

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]

CALL = "com.twilio.voice.insights.call-summary.complete"
SENT_TYPE = json.dumps({"type": SENT})


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


def message(api: Api, number: int, **data: object) -> Event:
    """An event with an id of its own and ``data`` among its data."""
    event = api.installation.event(number)
    return replace(event, id=new_sid(SidKind.EVENT), data={**event.data, **data})


async def subscribe(api: Api, url: str, text: str | None, *types: str) -> str:
    """The SID of a subscription of a new sink at ``url``, with the filter ``text``."""
    sink = await api.sink(sink_configuration={"destination": url})
    fields = [("Description", "filtered"), ("SinkSid", sink.sid)]
    fields += [("Types", json.dumps({"type": each})) for each in types or (SENT,)]
    status, body = await _post(api, "/v1/Subscriptions", [*fields, *([] if text is None else [("Filter", text)])])
    assert status == 201, body
    return str(body["sid"])


async def _post(api: Api, path: str, fields: list[tuple[str, str]]) -> tuple[int, Any]:
    return await raw(
        api, "POST", path, data=urlencode(fields).encode(), content_type="application/x-www-form-urlencoded"
    )


async def deliveries(api: Api, event: Event, *, but: str = "routing") -> dict[str, Any]:
    """Where ``event`` is for each subscription, once it is nowhere in the state ``but``."""

    def told(answer: Any) -> bool:
        states = [each["state"] for each in answer["deliveries"]]
        return bool(states) and but not in states

    answer = await PlainApi(api.url, event.account_sid).until(f"/v1/Events/{event.id}", told)
    return {each["subscription_sid"]: each for each in answer["deliveries"]}


async def test_only_events_that_the_filter_takes_are_delivered(api: Api) -> None:
    failed, sent = message(api, 1, messageStatus="FAILED", errorCode=30004), message(api, 2)
    async with Receiver() as receiver, Receiver() as other:
        sid = await subscribe(api, receiver.url, "data.messageStatus == 'FAILED' && data.errorCode == 30004")
        await subscribe(api, other.url, None)

        await api.installation.publish([failed, sent])

        await other.wait_for(lambda: len(other.accepted) == 2)
        await receiver.wait_for(lambda: len(receiver.accepted) == 1)
        assert set(receiver.accepted) == {failed.id}
    status, delivery = await raw(api, "GET", f"/v1/Subscriptions/{sid}/Delivery")
    assert (status, delivery["filter"]) == (200, "data.messageStatus == 'FAILED' && data.errorCode == 30004")


async def test_a_filter_is_changed_and_taken_away_and_counts_from_its_answer_on(api: Api) -> None:
    async with Receiver() as receiver:
        sid = await subscribe(api, receiver.url, "data.to == 'nobody'")
        path = f"/v1/Subscriptions/{sid}/Delivery"
        first, second, third = (message(api, number) for number in (1, 2, 3))
        await api.installation.publish([first])
        assert [each["state"] for each in (await deliveries(api, first)).values()] == ["filtered"]

        assert (await post_form(api, path, Filter=f"id == '{second.id}'"))[0] == 200
        await api.installation.publish([second, replace(second, id=new_sid(SidKind.EVENT))])
        await receiver.wait_for(lambda: len(receiver.accepted) == 1)
        answer = await post_form(api, path, Filter="")
        assert (answer[0], answer[1]["filter"]) == (200, None)
        await api.installation.publish([third])

        await receiver.wait_for(lambda: len(receiver.accepted) == 2)
        assert set(receiver.accepted) == {second.id, third.id}


async def test_where_an_event_is_says_that_a_filter_keeps_it_back_and_why(api: Api) -> None:
    event = message(api, 1)
    false = await subscribe(api, "http://127.0.0.1:9/", "data.messageStatus == 'FAILED'")
    absent = await subscribe(api, "http://127.0.0.1:9/", "data.errorCode == 30004")
    true = await subscribe(api, "http://127.0.0.1:9/", "data.messageStatus == 'SENT'")

    await api.installation.publish([event])

    found = await deliveries(api, event)
    assert (found[false]["state"], found[false]["reason"]) == ("filtered", "excluded")
    assert (found[absent]["state"], found[absent]["reason"]) == ("filtered", "undecided")
    assert "errorCode" in found[absent]["detail"]
    assert (found[false]["next_try_at"], found[false]["deadline"], found[false]["topic"]) == (None, None, None)
    assert found[true]["state"] in {"waiting", "retrying"}

    await post_form(api, f"/v1/Subscriptions/{true}/Delivery", Filter="type == 'nothing'")

    # What was routed before a filter was there is not kept back by it.
    assert (await deliveries(api, event))[true]["state"] in {"waiting", "retrying"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data.mesageStatus == 'FAILED'", "has no mesageStatus: did you mean messageStatus? (at character 5)"),
        ("data.errorCode == 'x'", "== cannot be applied to int and string"),
        ("data.errorCode", "it must evaluate to true or false"),
        ("type ==", "it ends prematurely"),
        ("data.body.matches('(a+)+$')", "matches is not supported"),
        ("x" * 1001, "it has 1001 characters: at most 1000 are allowed"),
        ("\0", "characters that are not valid text"),
    ],
)
async def test_what_is_no_filter_is_refused_at_creation_and_at_a_change(api: Api, text: str, words: str) -> None:
    sid = await subscribe(api, "http://127.0.0.1:9/", "type != ''")
    sink = await api.sink()
    create = {"Description": "x", "SinkSid": sink.sid, "Types": SENT_TYPE, "Filter": text}

    created = await post_form(api, "/v1/Subscriptions", **create)
    changed = await post_form(api, f"/v1/Subscriptions/{sid}/Delivery", Filter=text)

    for status, body in (created, changed):
        assert (status, body["code"]) == (400, 91201)
        assert body["message"].startswith("Filter refused: ")
        assert words in body["message"]
    assert (await raw(api, "GET", f"/v1/Subscriptions/{sid}/Delivery"))[1]["filter"] == "type != ''"


async def test_a_filter_must_fit_all_types_of_the_subscription(api: Api) -> None:
    sink = await api.sink()
    fields = [("Description", "x"), ("SinkSid", sink.sid), ("Types", SENT_TYPE), ("Types", json.dumps({"type": CALL}))]

    status, body = await _post(api, "/v1/Subscriptions", [*fields, ("Filter", "data.messageStatus == 'FAILED'")])
    twice = await _post(api, "/v1/Subscriptions", [*fields, ("Filter", "type == 'a'"), ("Filter", "type == 'b'")])

    assert (status, body["code"]) == (400, 91201)
    assert f"data of {CALL} in version" in body["message"]
    assert (twice[0], twice[1]["message"]) == (400, "Filter can only be given once: combine conditions with && or ||")


async def test_a_type_or_version_that_the_filter_does_not_fit_is_not_added(api: Api) -> None:
    sid = await subscribe(api, "http://127.0.0.1:9/", "has(data.tags)")
    path = f"/v1/Subscriptions/{sid}/SubscribedEvents"

    older = await post_form(api, f"{path}/{SENT}", SchemaVersion="1")
    assert (older[0], older[1]["code"]) == (400, 91201), older
    status, body = await post_form(api, path, Type="com.twilio.iam.ip.blocked")
    assert (status, body["code"]) == (400, 91201), body
    assert "has no tags" in body["message"]
    assert (await post_form(api, path, Type=DELIVERED))[0] == 201


async def test_a_filter_is_changed_by_an_update_of_the_subscription_too(api: Api) -> None:
    sid = await subscribe(api, "http://127.0.0.1:9/", None)

    status, _ = await post_form(api, f"/v1/Subscriptions/{sid}", Filter="type != ''")
    refused = await post_form(api, f"/v1/Subscriptions/{sid}", Filter="data.nonsense == 1")

    assert (status, refused[0], refused[1]["code"]) == (200, 400, 91201)
    assert (await raw(api, "GET", f"/v1/Subscriptions/{sid}/Delivery"))[1]["filter"] == "type != ''"


async def test_a_replay_copies_what_the_filter_takes_and_counts_the_rest(api: Api) -> None:
    async with Receiver() as receiver:
        sid = await subscribe(api, receiver.url, "data.messageStatus == 'FAILED'")
        events = [message(api, 1, messageStatus="FAILED"), message(api, 2), message(api, 3)]
        await api.installation.publish(events)
        await receiver.wait_for(lambda: len(receiver.accepted) == 1)

        wanted = {"SubscriptionSid": sid, "After": "2020-01-01T00:00:00Z"}
        status, preview = await post_form(api, "/v1/Replays/Preview", **wanted)
        made = await post_form(api, "/v1/Replays", **wanted)

        assert (status, preview["replayed"], preview["skipped"]) == (200, 1, {"filtered": 2})
        plain = PlainApi(api.url, api.installation.account_sid)
        done = await plain.until(f"/v1/Replays/{made[1]['sid']}", lambda job: job["status"] == "completed")
        await receiver.wait_for(lambda: receiver.accepted.total() == 2)
        assert (done["replayed"], done["skipped"]) == (1, {"filtered": 2})
        assert receiver.accepted == {events[0].id: 2}


async def test_a_preview_asks_a_filter_of_the_latest_events_of_the_account(shared: Api) -> None:
    other = await with_new_account(shared)
    await other.installation.publish([message(other, 5)])
    api = await with_new_account(shared)
    mine = [message(api, 1, messageStatus="FAILED", errorCode=30004), message(api, 2, errorCode=1), message(api, 3)]
    await api.installation.publish([*mine, api.installation.event(4, type_=DELIVERED)])
    wanted = {"Filter": "data.errorCode == 30004", "Types": SENT_TYPE}

    status, answer = await post_form(api, "/v1/FilterPreviews", **wanted)

    assert status == 200, answer
    assert answer["verdicts"] == {"taken": 1, "excluded": 1, "undecided": 1, "unfiltered": 0}
    assert (answer["delivered"], answer["complete"], answer["filter"]) == (1, True, "data.errorCode == 30004")
    assert {each["id"]: each["verdict"] for each in answer["events"]} == {
        mine[0].id: "taken",
        mine[1].id: "excluded",
        mine[2].id: "undecided",
    }


async def test_a_preview_asks_a_filter_of_a_sample(api: Api) -> None:
    data = {**api.installation.event(1).data, "messageStatus": "FAILED"}
    sample = json.dumps({"type": SENT, "subject": "a", "time": "2026-03-29T04:00:00Z", "data": data})
    text = "data.messageStatus == 'FAILED' && subject == 'a' && time == timestamp('2026-03-29T04:00:00Z')"
    sid = await subscribe(api, "http://127.0.0.1:9/", None)

    for also in ({}, {"Types": SENT_TYPE}, {"SubscriptionSid": sid}):
        status, answer = await post_form(api, "/v1/FilterPreviews", Filter=text, Event=sample, **also)
        assert (status, answer["verdicts"]["taken"], answer["events"][0]["verdict"]) == (200, 1, "taken")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Missing required parameter Filter"),
        ({"Filter": "true"}, "Name Types or a SubscriptionSid, or give an Event"),
        ({"Filter": "true", "Types": SENT_TYPE, "SubscriptionSid": "DF1"}, "not both"),
        (
            {"Filter": "true", "Types": SENT_TYPE, "Count": "0"},
            "Count, the number of events shown, must be an integer from 1 to 100",
        ),
        (
            {"Filter": "true", "Types": SENT_TYPE, "Count": "9" * 5000},
            "Count, the number of events shown, must be an integer from 1 to 100",
        ),
        (
            {"Filter": "true", "Types": SENT_TYPE, "Count": "000000001000"},
            "Count, the number of events shown, must be an integer from 1 to 100",
        ),
        (
            {"Filter": "true", "Types": SENT_TYPE, "Count": f"1{'0' * 5000}"},
            "Count, the number of events shown, must be an integer from 1 to 100",
        ),
        (
            {"Filter": "true", "Types": SENT_TYPE, "Count": f"000000001{'0' * 5000}"},
            "Count, the number of events shown, must be an integer from 1",
        ),
        ({"Filter": "true", "Types": SENT_TYPE, "Nope": "1"}, "Nope is not a parameter of this operation"),
        ({"Filter": "true", "Event": "{"}, "Event is not JSON"),
        ({"Filter": "true", "Event": "[]"}, "Event has no type or no data"),
        ({"Filter": "true", "Event": json.dumps({"type": SENT, "data": {}})}, "Event: $.data.messageSid"),
        ({"Filter": "true", "Event": json.dumps({"type": SENT, "data": {}, "id": 1})}, "id of Event must be a string"),
        ({"Filter": "true", "Event": json.dumps({"type": SENT, "data": {}, "time": "x"})}, "time of Event must be"),
        (
            {"Filter": "true", "Event": json.dumps({"type": CALL, "data": {}}), "Types": SENT_TYPE},
            "not among the types",
        ),
    ],
)
async def test_a_preview_that_makes_no_sense_is_refused_with_what_would(
    api: Api, fields: dict[str, str], words: str
) -> None:
    status, body = await post_form(api, "/v1/FilterPreviews", **fields)

    assert (status, body["code"]) == (400, 20001)
    assert words in body["message"]


async def test_a_preview_that_takes_long_holds_up_nobody(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = filter_previews._judge

    def slowly(*given: Any) -> Answer:
        time.sleep(0.03)  # of the process: whoever else it answers is answered in between
        return judge(*given)

    await api.installation.publish(message(api, number) for number in range(60))
    monkeypatch.setattr(filter_previews, "_judge", slowly)
    asking = asyncio.create_task(post_form(api, "/v1/FilterPreviews", Filter="type != ''", Types=SENT_TYPE))
    answered = 0
    async with aiohttp.ClientSession(api.url) as session:
        while not asking.done():
            async with session.get("/livez") as answer:
                answered += answer.status == 200

    assert (await asking)[1]["delivered"] == 60
    assert answered > 10


async def test_another_accounts_subscription_cannot_be_previewed(shared: Api, api: Api) -> None:
    sid = await subscribe(api, "http://127.0.0.1:9/", None)
    other = await with_new_account(shared)

    assert (await post_form(other, "/v1/FilterPreviews", Filter="true", SubscriptionSid=sid))[0] == 404
