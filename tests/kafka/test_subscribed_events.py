"""Event types added, changed and removed while events flow: nothing else is lost or doubled, and each change counts."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from eventstreams.control.records import SinkRecord
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from router.role import route
from sink_workers.role import worker_for
from tests.support.api import Api, call, post_form, serving, until_the_worker_knows, with_new_account
from tests.support.installation import DELIVERED, SENT, Installation, header

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


async def subscribed(api: Api, receiver: Receiver, *types: str, version: int = 7) -> Any:
    sink = await api.sink(sink_configuration={"destination": receiver.url})
    return await api.subscription(sink.sid, types=[{"type": each, "schema_version": version} for each in types])


async def pause(api: Api, subscription: Any, *, paused: bool) -> None:
    path = f"/v1/Subscriptions/{subscription.sid}/Delivery"
    assert (await post_form(api, path, Paused=str(paused).lower()))[0] == 200


async def until_copied(api: Api, subscription: Any, count: int) -> None:
    await api.installation.copies_of(subscription.sid, count)


def schemas_of(receiver: Receiver) -> dict[str, str]:
    """The version that each event came in, by its id."""
    events = (event for request in receiver.received for event in request.events)
    return {str(event["id"]): str(event["dataschema"]).rpartition("/")[2] for event in events}


async def test_types_come_and_go_while_another_flows_and_none_of_its_events_is_lost_or_doubled(api: Api) -> None:
    async with Receiver() as receiver:
        subscription = await subscribed(api, receiver, SENT)
        numbers, done = 0, asyncio.Event()

        async def flow() -> None:
            nonlocal numbers
            while not done.is_set():
                await api.installation.publish([api.installation.event(numbers + each) for each in range(20)])
                numbers += 20

        flowing = asyncio.create_task(flow())
        for turn in range(10):
            await call(lambda: subscription.subscribed_events.create(type=DELIVERED))
            await call(lambda turn=turn: subscription.update(description=f"turn {turn}"))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            await call(lambda turn=turn: subscription.subscribed_events(SENT).update(schema_version=7 + turn % 2))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            await call(subscription.subscribed_events(DELIVERED).delete)
        done.set()
        await flowing

        await receiver.wait_for(lambda: len(receiver.accepted) >= numbers, timeout_s=60)
    assert numbers > 200
    assert receiver.accepted == Counter({f"EZ{number}": 1 for number in range(numbers)})
    assert set(schemas_of(receiver).values()) <= {"7", "8"}


async def test_a_type_counts_from_the_moment_that_its_addition_is_answered_and_not_before(api: Api) -> None:
    async with Receiver() as receiver:
        subscription = await subscribed(api, receiver, SENT)

        await api.installation.publish([api.installation.event(number, type_=DELIVERED) for number in range(50)])
        await call(lambda: subscription.subscribed_events.create(type=DELIVERED))
        await api.installation.publish([api.installation.event(number, type_=DELIVERED) for number in range(50, 100)])

        await receiver.wait_for(lambda: len(receiver.accepted) >= 50)
        await api.installation.publish([api.installation.event(999)])
        await receiver.wait_for(lambda: "EZ999" in receiver.accepted)
    assert receiver.accepted == Counter([*(f"EZ{number}" for number in range(50, 100)), "EZ999"])


async def test_from_the_moment_that_a_removal_is_answered_no_event_of_the_type_is_copied(api: Api) -> None:
    async with Receiver() as receiver:
        subscription = await subscribed(api, receiver, SENT, DELIVERED)

        await api.installation.publish([api.installation.event(1, type_=DELIVERED)])
        await receiver.wait_for(lambda: bool(receiver.accepted))
        await call(subscription.subscribed_events(DELIVERED).delete)
        await api.installation.publish([api.installation.event(2, type_=DELIVERED), api.installation.event(3)])

        await receiver.wait_for(lambda: "EZ3" in receiver.accepted)
        assert [header(copy, "ce_id") for copy in await api.installation.copies_of(subscription.sid, 2)] == [
            "EZ1",
            "EZ3",
        ]
    assert receiver.accepted == Counter(["EZ1", "EZ3"])


async def test_an_event_that_waits_is_delivered_in_the_version_that_is_asked_for_when_it_is(api: Api) -> None:
    async with Receiver() as receiver:
        subscription = await subscribed(api, receiver, SENT, version=7)
        await api.installation.publish([api.installation.event(1)])
        await receiver.wait_for(lambda: "EZ1" in receiver.accepted)
        await pause(api, subscription, paused=True)
        await until_the_worker_knows(api)
        await api.installation.publish([api.installation.event(2)])
        await until_copied(api, subscription, 2)

        await call(lambda: subscription.subscribed_events(SENT).update(schema_version=3))
        await pause(api, subscription, paused=False)

        await receiver.wait_for(lambda: "EZ2" in receiver.accepted)
    assert schemas_of(receiver) == {"EZ1": "7", "EZ2": "3"}


async def test_an_event_between_two_attempts_changes_its_version_as_well(api: Api) -> None:
    async with Receiver(lambda _: 503) as receiver:
        subscription = await subscribed(api, receiver, SENT, version=7)
        await api.installation.publish([api.installation.event(1)])
        await receiver.wait_for(lambda: len(receiver.received) >= 2)

        await call(lambda: subscription.subscribed_events(SENT).update(schema_version=3))
        # The worker learns of it a moment later; its next attempts are further and further apart.
        await receiver.wait_for(lambda: schemas_of(receiver)["EZ1"] == "3", timeout_s=120)
        receiver.answer = lambda _: 200

        await receiver.wait_for(lambda: bool(receiver.accepted), timeout_s=120)
        tried = [str(request.events[0]["dataschema"]).rpartition("/")[2] for request in receiver.received]
    assert (tried[0], tried[-1]) == ("7", "3")


async def test_an_event_that_waits_for_a_type_that_was_removed_is_a_dead_letter_and_the_next_goes_through(
    api: Api,
) -> None:
    async with Receiver(lambda _: 503) as receiver:
        subscription = await subscribed(api, receiver, SENT, DELIVERED)
        await api.installation.publish([api.installation.event(1, type_=DELIVERED)])
        await receiver.wait_for(lambda: bool(receiver.received))
        await pause(api, subscription, paused=True)
        await until_the_worker_knows(api)
        await api.installation.publish([api.installation.event(2, type_=DELIVERED), api.installation.event(3)])
        await until_copied(api, subscription, 3)

        await call(subscription.subscribed_events(DELIVERED).delete)
        receiver.answer = lambda _: 200
        await pause(api, subscription, paused=False)

        await receiver.wait_for(lambda: "EZ3" in receiver.accepted, timeout_s=60)
        dead = await api.installation.dead_of(subscription.sid, 2)
    assert {header(letter, "ce_id"): header(letter, "es_reason") for letter in dead} == {
        "EZ1": "type_removed",
        "EZ2": "type_removed",
    }
    assert receiver.accepted == Counter(["EZ3"])


async def test_a_discontinued_type_is_delivered_to_nobody_and_the_others_of_its_subscription_go_on(api: Api) -> None:
    gone = "com.twilio.iot.supersim.connection.data-session.started"
    async with Receiver() as receiver:
        sink = await api.sink(sink_configuration={"destination": receiver.url})
        await api.installation.feed.catch_up()
        record: SinkRecord = api.installation.feed.snapshot.sinks[sink.sid]
        subscription = await api.installation.subscribe(record, gone, SENT)
        value, headers = api.installation.encoded(api.installation.event(1))
        dated = [(name, gone.encode() if name == "ce_type" else text) for name, text in headers]

        await api.installation.put_raw(api.installation.topics.events, value, dated)
        await api.installation.publish([api.installation.event(2)])

        await receiver.wait_for(lambda: bool(receiver.accepted))
        [copy] = await api.installation.copies_of(subscription.sid, 1)
    assert header(copy, "ce_id") == "EZ2"
