"""The delivery log on a real broker: real routers, workers and receivers, asked through the API."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import SecretStr

from eventstreams.control.records import Subscription, SubscriptionState
from eventstreams.events import Event
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.telemetry.metrics import Metrics
from eventstreams.testing.receiver import Received, Receiver
from eventstreams.times import from_ms, now_ms, rfc3339_ms
from router.role import route
from sink_workers.role import worker_for
from tests.support.installation import DELIVERED, SENT, TOKEN, Installation
from tests.support.plain_api import PlainApi, serving_counted
from tests.support.topic import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]


def token(text: str) -> str:
    return f"PT{base64.urlsafe_b64encode(text.encode()).decode().rstrip('=')}"


SECRET = "do-not-tell-0123456789"


@dataclass
class System:
    """A whole installation: router, worker for webhooks, API with a log, and a receiver."""

    installation: Installation
    receiver: Receiver
    url: str
    metrics: Metrics
    file: Path
    numbers: int = 0

    @property
    def api(self) -> PlainApi:
        return PlainApi(self.url, self.installation.account_sid)

    async def publish(self, count: int = 1, *, type_: str = SENT) -> list[Event]:
        """Events that no other test has."""
        events = [self.installation.event(self.numbers + n, type_=type_) for n in range(count)]
        self.numbers += count
        await self.installation.publish(events)
        return events

    async def subscribe(self, status: int = 200, **options: Any) -> Subscription:
        """A subscription whose receiver always answers ``status``."""
        sink = await self.installation.add_sink(f"{self.receiver.url}/{status}?token={SECRET}")
        return await self.installation.subscribe(sink, **options)

    async def delivery(self, event: Event, subscription: Subscription, state: str) -> dict[str, Any]:
        """What the log says of ``event`` for ``subscription``, once its state is ``state``."""

        def found(answer: Any) -> list[dict[str, Any]]:
            return [
                each
                for each in answer["deliveries"]
                if each["subscription_sid"] == subscription.sid and each["state"] == state
            ]

        return found(await self.api.until(f"/v1/Events/{event.id}", lambda answer: bool(found(answer))))[0]


def answer(received: Received) -> int | web.Response:
    """Answers what the path says."""
    status = int(received.url.partition("?")[0].rpartition("/")[2])
    headers = {"Retry-After": "3600"} if status == 429 else {}
    return web.Response(status=status, headers=headers, text="" if status == 200 else "no such order")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    file = tmp_path_factory.mktemp("log") / "delivery-log.db"
    settings = module_settings.model_copy(update={"delivery_log": SecretStr(str(file))})
    async with Installation(settings) as installation, Receiver(answer) as receiver:
        await installation.start(route)
        await installation.start(worker_for(load_plugin("webhook")))
        async with serving_counted(settings) as (url, metrics):
            yield System(installation, receiver, url, metrics, file)


@pytest_asyncio.fixture(loop_scope="module")
async def system(shared: System) -> System:
    """The shared system, with an account that no other test has."""
    await shared.installation.new_account()
    await shared.api.until("/v1/Sinks", lambda _: True)
    return shared


async def test_a_delivered_event(system: System) -> None:
    subscription = await system.subscribe()

    [event] = await system.publish()

    delivery = await system.delivery(event, subscription, "delivered")
    assert (delivery["attempts"], delivery["next_try_at"], delivery["topic"]) == (1, None, None)
    assert delivery["sink_sid"] == subscription.sink_sid
    status, found = await system.api.get(f"/v1/Events/{event.id}")
    assert status == 200
    assert found["id"] == event.id
    assert found["type"] == SENT
    assert found["account_sid"] == system.installation.account_sid
    assert found["time"] == rfc3339_ms(event.time)
    assert found["accepted_at"] <= delivery["last_at"]
    assert found["topic"] == system.installation.topics.events
    assert found["offset"] >= 0
    assert found["url"] == f"{system.url}/v1/Events/{event.id}"
    assert found["lag"]["records"] >= 0
    [attempt] = (await system.api.get(delivery["links"]["attempts"]))[1]["attempts"]
    assert (attempt["outcome"], attempt["event_id"], attempt["attempt"]) == ("delivered", event.id, 1)
    assert attempt["status"] == 200


async def test_what_was_accepted_is_listed_whether_or_not_somebody_wants_it(system: System) -> None:
    sent = await system.publish(3)
    [other] = await system.publish(type_=DELIVERED)
    await system.api.until("/v1/Events", lambda answer: len(answer["events"]) == 4)

    first = (await system.api.get("/v1/Events", PageSize="3"))[1]
    second = (await system.api.get(first["meta"]["next_page_url"]))[1]
    back = (await system.api.get(second["meta"]["previous_page_url"]))[1]

    listed = [*first["events"], *second["events"]]
    assert {each["id"] for each in listed} == {each.id for each in (*sent, other)}
    assert [each["accepted_at"] for each in listed] == sorted((each["accepted_at"] for each in listed), reverse=True)
    assert back["events"] == first["events"]
    of_type = (await system.api.get("/v1/Events", Type=DELIVERED))[1]
    assert [(each["id"], each["type"]) for each in of_type["events"]] == [(other.id, DELIVERED)]
    assert (await system.api.get("/v1/Events", Before="2026-01-01T00:00:00Z"))[1]["events"] == []
    status, error = await system.api.get("/v1/Events", After="yesterday")
    assert (status, error["message"]) == (400, "After must be a time such as 2026-03-29T04:01:02Z")


async def test_the_list_says_what_became_of_each_event_for_how_many_subscriptions(system: System) -> None:
    good, refused, later = [await system.subscribe(status) for status in (200, 400, 503)]
    types = orjson.dumps({"type": SENT, "schema_version": 1}).decode()
    form = {"Description": "x", "SinkSid": good.sink_sid, "Types": types, "Filter": "type == 'never'"}
    await system.api.post("/v1/Subscriptions", **form)
    [event] = await system.publish()
    [unwanted] = await system.publish(type_=DELIVERED)
    for subscription, state in ((good, "delivered"), (refused, "dead"), (later, "retrying")):
        await system.delivery(event, subscription, state)
    await system.api.until("/v1/Events", lambda answer: len(answer["events"]) == 2)

    listed = {each["id"]: each["deliveries"] for each in (await system.api.get("/v1/Events"))[1]["events"]}

    none = {"delivered": 0, "retrying": 0, "dead": 0, "waiting": 0, "filtered_or_waiting": 0}
    assert listed[event.id] == {**none, "delivered": 1, "retrying": 1, "dead": 1, "filtered_or_waiting": 1}
    assert listed[unwanted.id] == none


async def test_an_event_is_shown_as_its_subscription_gets_it(system: System) -> None:
    subscription = await system.subscribe()
    [event] = await system.publish()
    await system.delivery(event, subscription, "delivered")

    status, written = await system.api.get(f"/v1/Events/{event.id}/CloudEvent")
    delivered = (await system.api.get(f"/v1/Events/{event.id}/CloudEvent", SubscriptionSid=subscription.sid))[1]

    assert (status, written["problem"], written["event_id"]) == (200, None, event.id)
    assert delivered["cloud_event"] in [event for each in system.receiver.received for event in each.events]
    assert written["cloud_event"]["data"] == delivered["cloud_event"]["data"]
    for path in ("/v1/Events/EZ-none/CloudEvent", f"/v1/Events/{event.id}/CloudEvent?SubscriptionSid=DF{'0' * 32}"):
        assert (await system.api.get(path))[0] == 404


async def test_what_flows_is_counted_by_type_and_by_subscription(system: System) -> None:
    subscription, refusing = await system.subscribe(), await system.subscribe(400)
    await system.publish(5)

    def counted(answer: Any) -> bool:
        return bool(sum(each["delivered"] + each["rejected"] for each in answer["deliveries"]) == 10)

    flow = await system.api.until("/v1/Flow?Seconds=60", counted)

    assert flow["accepted"] == [{"type": SENT, "product": "messaging", "events": 5}]
    assert (flow["accepted_seconds"], flow["deliveries_seconds"]) == (60, 60)
    found = {each["subscription_sid"]: each for each in flow["deliveries"]}
    assert (found[subscription.sid]["delivered"], found[subscription.sid]["type"]) == (5, SENT)
    assert (found[refusing.sid]["rejected"], found[refusing.sid]["sink_sid"]) == (5, refusing.sink_sid)
    for seconds in ("0", "61", "x", "1.5", "", "0000000011999", f"000000001{'0' * 5000}", f"000000001{'9' * 12}"):
        status, error = await system.api.get("/v1/Flow", Seconds=seconds)
        assert (status, error["message"]) == (400, "Seconds must be a whole number from 1 to 60")
    backlog = (await system.api.get("/v1/Backlog"))[1]["subscriptions"]
    assert {each["subscription_sid"] for each in backlog} == {subscription.sid, refusing.sid}
    assert {each["sink_sid"] for each in backlog} == {subscription.sink_sid, refusing.sink_sid}


async def test_an_event_that_is_to_be_tried_again_says_when_and_why(system: System) -> None:
    subscription = await system.subscribe(429)
    earliest = rfc3339_ms(from_ms(now_ms() + 3_500_000))

    [event] = await system.publish()

    delivery = await system.delivery(event, subscription, "retrying")
    assert earliest < delivery["next_try_at"] < delivery["deadline"]
    assert delivery["topic"].startswith(f"{system.installation.settings.topic_prefix}retry.webhook.")
    assert (delivery["reason"], delivery["code"], delivery["status"]) == ("throttled", 91302, 429)
    assert (delivery["detail"], delivery["answer"]) == ("HTTP 429", "no such order")


async def test_a_refused_event_says_why_and_where_its_dead_letter_is(system: System) -> None:
    subscription = await system.subscribe(404)

    [event] = await system.publish()

    delivery = await system.delivery(event, subscription, "dead")
    assert (delivery["reason"], delivery["code"], delivery["status"]) == ("refused", 91305, 404)
    assert (delivery["topic"], delivery["partition"]) == (system.installation.topics.dead("webhook"), 0)
    letters = await system.installation.dead(delivery["offset"] + 1)
    assert dict(letters[-1].headers)["ce_id"] == event.id.encode()


async def test_an_event_that_expired_says_how_often_it_was_tried(system: System) -> None:
    subscription = await system.subscribe(503, ttl_ms=10_000)
    earlier = system.installation.event(system.numbers)
    system.numbers += 1
    await system.installation.hand_to(subscription, earlier)
    await system.delivery(earlier, subscription, "retrying")  # the worker has the topic

    [event] = await system.publish()

    delivery = await system.delivery(event, subscription, "dead")
    assert (delivery["reason"], delivery["code"]) == ("expired", 91306)
    assert delivery["attempts"] >= 1
    assert delivery["next_try_at"] is None
    tried = (await system.api.get("/v1/Attempts", EventId=event.id))[1]["attempts"]
    assert [each["outcome"] for each in tried] == ["died", *["retry_later"] * delivery["attempts"]]
    assert tried[0]["sink_sid"] == subscription.sink_sid


async def test_an_event_whose_sink_was_not_tried_yet_waits_on_its_subscriptions_topic(system: System) -> None:
    sink = await system.installation.add_sink("x", sink_type="nobody")
    subscription = await system.installation.subscribe(sink)

    [event] = await system.publish()

    delivery = await system.delivery(event, subscription, "waiting")
    assert delivery["topic"] == system.installation.topic_of(subscription)
    assert (delivery["attempts"], delivery["reason"], delivery["paused"]) == (0, None, False)
    assert delivery["deadline"] is not None


async def test_each_matching_subscription_has_its_own_line(system: System) -> None:
    good, bad = await system.subscribe(), await system.subscribe(404)
    other = await system.installation.subscribe(
        await system.installation.add_sink(f"{system.receiver.url}/200"), DELIVERED
    )

    [event] = await system.publish()

    await system.delivery(event, good, "delivered")
    await system.delivery(event, bad, "dead")
    sids = [each["subscription_sid"] for each in (await system.api.get(f"/v1/Events/{event.id}"))[1]["deliveries"]]
    assert sids == sorted([good.sid, bad.sid])
    assert other.sid not in sids


async def test_an_event_that_nobody_wants_has_no_deliveries(system: System) -> None:
    [event] = await system.publish()

    found = await system.api.until(f"/v1/Events/{event.id}", lambda _: True)

    assert found["deliveries"] == []


async def test_what_a_deleted_subscription_held_is_dead_because_of_that(system: System) -> None:
    subscription = await system.subscribe()
    event = system.installation.event(system.numbers)
    system.numbers += 1
    await system.installation.put(replace(subscription, state=SubscriptionState.DELETING))

    await system.installation.hand_to(subscription, event)

    delivery = await system.delivery(event, subscription, "dead")
    assert delivery["reason"] == "subscription_deleted"
    found = (await system.api.get(f"/v1/Events/{event.id}"))[1]
    assert (found["type"], found["time"], found["offset"]) == (SENT, None, None)  # it never was on the events topic


async def test_an_event_that_is_not_known_is_said_so_with_how_far_the_log_has_read(system: System) -> None:
    await system.api.until("/v1/Attempts", lambda answer: answer["lag"] is not None)

    status, error = await system.api.get("/v1/Events/EZunheard-of")

    assert (status, error["code"]) == (404, 20404)
    assert "EZunheard-of is not in the delivery log, which " in error["message"]
    assert error["details"]["read_until"] <= rfc3339_ms(from_ms(now_ms()))
    assert error["details"]["lag"]["records"] >= 0


async def test_a_name_that_is_not_utf8_is_not_found(system: System) -> None:
    await system.api.until("/v1/Attempts", lambda _: True)  # a log that another test has thrown away is back

    assert (await system.api.get(f"{system.url}/v1/Events/%FF%00"))[0] == 404
    assert (await system.api.get(f"{system.url}/v1/Attempts?EventId=%FF"))[1]["attempts"] == []


async def test_an_account_sees_nothing_of_another(system: System) -> None:
    subscription = await system.subscribe(404)
    [event] = await system.publish()
    await system.delivery(event, subscription, "dead")

    await system.installation.new_account()
    await system.api.until("/v1/Sinks", lambda _: True)

    async def listed(**query: str) -> Any:
        return (await system.api.until("/v1/Attempts", lambda _: True, **query))["attempts"]

    assert await listed() == []
    assert await listed(EventId=event.id) == []
    assert await listed(SubscriptionSid=subscription.sid) == []
    assert await listed(SinkSid=subscription.sink_sid) == []
    assert (await system.api.get(f"/v1/Events/{event.id}"))[0] == 404


async def test_attempts_are_found_by_what_one_looks_for(system: System) -> None:
    good, bad = await system.subscribe(), await system.subscribe(404)
    hour_ago = rfc3339_ms(from_ms(now_ms() - 3_600_000))
    [event] = await system.publish()
    await system.delivery(event, good, "delivered")
    await system.delivery(event, bad, "dead")

    async def subscriptions(**query: str) -> set[str]:
        answer = (await system.api.get("/v1/Attempts", **query))[1]
        return {each["subscription_sid"] for each in answer["attempts"]}

    assert await subscriptions() == {good.sid, bad.sid}
    assert await subscriptions(Outcome="failed", After=hour_ago) == {bad.sid}
    assert await subscriptions(Outcome="failed", Before=hour_ago) == set()
    assert await subscriptions(Outcome="delivered") == {good.sid}
    assert await subscriptions(Reason="refused") == {bad.sid}
    assert await subscriptions(SubscriptionSid=good.sid) == {good.sid}
    assert await subscriptions(SinkSid=bad.sink_sid) == {bad.sid}


async def test_attempts_come_in_pages_newest_first_and_back_again(system: System) -> None:
    subscription = await system.subscribe()
    events = await system.publish(7)
    await system.api.until("/v1/Attempts", lambda answer: len(answer["attempts"]) == 7)

    pages = [(await system.api.get("/v1/Attempts", PageSize="3", SubscriptionSid=subscription.sid))[1]]
    while pages[-1]["meta"]["next_page_url"]:
        pages.append((await system.api.get(pages[-1]["meta"]["next_page_url"]))[1])
    back = (await system.api.get(pages[-1]["meta"]["previous_page_url"]))[1]
    first = (await system.api.get(back["meta"]["previous_page_url"]))[1]
    second_by_number = (await system.api.get("/v1/Attempts", PageSize="3", Page="1"))[1]

    assert [len(page["attempts"]) for page in pages] == [3, 3, 1]
    times = [each["began_at"] for page in pages for each in page["attempts"]]
    assert times == sorted(times, reverse=True)
    assert {each["event_id"] for page in pages for each in page["attempts"]} == {event.id for event in events}
    assert back["attempts"] == pages[1]["attempts"] == second_by_number["attempts"]
    assert first["attempts"] == pages[0]["attempts"]
    assert first["meta"]["previous_page_url"] is None
    assert pages[0]["meta"]["key"] == "attempts"
    assert f"SubscriptionSid={subscription.sid}" in pages[0]["meta"]["next_page_url"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"Outcome": "fine"}, "Outcome must be one of delivered, retry_later"),
        ({"Reason": "bad luck"}, "Reason must be one of throttled"),
        ({"SubscriptionSid": "DG" + "1" * 32}, "SubscriptionSid is malformed"),
        ({"SinkSid": "x"}, "SinkSid is malformed"),
        ({"After": "yesterday"}, "After must be a time such as"),
        ({"Before": "2026-01-01T00:00:00"}, "Before must be a time such as"),
        ({"PageSize": "0"}, "PageSize must be an integer"),
        ({"Page": "999999", "PageSize": "1000"}, "follow next_page_url"),
        ({"PageToken": "PTx"}, "PageToken does not come from"),
        ({"PageToken": "PTMTIzLkRGMQ"}, "PageToken does not come from"),
    ],
)
async def test_a_question_that_makes_no_sense_is_answered_with_what_would(
    system: System, query: dict[str, str], words: str
) -> None:
    status, error = await system.api.get("/v1/Attempts", **query)

    assert (status, error["status"]) == (400, 400)
    assert words in error["message"]


async def test_secrets_are_in_no_answer_and_not_in_the_file(system: System) -> None:
    subscription = await system.subscribe(404)
    [event] = await system.publish()
    await system.delivery(event, subscription, "dead")

    answers = [await system.api.get(path) for path in ("/v1/Attempts", f"/v1/Events/{event.id}")]

    held = b"".join(file.read_bytes() for file in system.file.parent.iterdir())
    for secret in (SECRET, TOKEN, "+15005550010"):
        assert secret not in str(answers)
        assert secret.encode() not in held


async def test_a_log_that_is_deleted_is_rebuilt_and_gives_the_same_answers(system: System) -> None:
    subscriptions = [await system.subscribe(status) for status in (200, 404, 429)]
    events = await system.publish()
    await system.delivery(events[0], subscriptions[2], "retrying")
    events += await system.publish(4)  # the Retry-After of the first holds these for the third subscription
    paths = ["/v1/Attempts", *(f"/v1/Events/{event.id}" for event in events)]
    await system.api.until("/v1/Attempts", lambda answer: len(answer["attempts"]) == 11)
    for event in events:
        await system.delivery(event, subscriptions[0], "delivered")

    async def asked() -> list[Any]:
        answers = [(await system.api.get(path))[1] for path in paths]
        for each in answers:
            each.pop("lag", None)
            for delivery in each.get("deliveries", ()):
                if delivery["state"] == "retrying":  # it moves on meanwhile
                    delivery.update(topic=None, partition=None, offset=None)
        return answers

    before = await asked()
    rebuilds = system.metrics.registry.get_sample_value
    counted = rebuilds("eventstreams_delivery_log_rebuilds_total") or 0.0
    for file in system.file.parent.glob("*.db*"):
        if file.suffix != ".lock":
            file.unlink()

    await eventually(lambda: (rebuilds("eventstreams_delivery_log_rebuilds_total") or 0.0) > counted)
    await system.api.until("/v1/Attempts", lambda answer: len(answer["attempts"]) == 11)
    await system.api.until("/v1/Attempts", lambda answer: (answer["lag"] or {}).get("records") == 0)
    assert await asked() == before


async def test_an_event_of_a_paused_sink_says_so(system: System) -> None:
    sink = await system.installation.add_sink("x", sink_type="nobody")
    subscription = await system.installation.subscribe(sink)
    await system.installation.put(replace(sink, paused=True))

    [event] = await system.publish()

    assert (await system.delivery(event, subscription, "waiting"))["paused"] is True


async def test_a_redriven_event_waits_again_and_is_then_said_to_be_delivered(system: System) -> None:
    subscription = await system.subscribe(404)
    [event] = await system.publish()
    await system.delivery(event, subscription, "dead")
    await system.installation.put(replace(subscription, paused=True))
    # The worker reads in order: once it knows of another subscription, it knows of the pause.
    other = await system.installation.subscribe(
        await system.installation.add_sink(f"{system.receiver.url}/200"), DELIVERED
    )
    [witness] = await system.publish(type_=DELIVERED)
    await system.delivery(witness, other, "delivered")

    await system.api.post("/v1/Redrives", SubscriptionSid=subscription.sid)

    waiting = await system.delivery(event, subscription, "waiting")
    assert waiting["topic"] == system.installation.topic_of(subscription)
    sink = await system.installation.add_sink(f"{system.receiver.url}/200?token={SECRET}")
    await system.installation.put(replace(subscription, sink_sid=sink.sid))
    await system.delivery(event, subscription, "delivered")
    listed = (await system.api.get("/v1/Attempts", EventId=event.id))[1]["attempts"]
    assert [each["outcome"] for each in listed] == ["delivered", "redriven", "rejected"]
