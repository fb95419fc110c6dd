"""Many who write at once: they share transactions, each is checked against all before it, and limits hold."""

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from eventstreams.control.feed import BEHIND_KEY
from eventstreams.control.records import SubscribedType, Subscription
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from tests.support.api import Api, authorization, serving, with_new_account
from tests.support.installation import DELIVERED, SENT, Installation
from tests.support.topic import PATIENCE_S, eventually, read_topic_until

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]
SINK = {
    "Description": "d",
    "SinkType": "webhook",
    "SinkConfiguration": json.dumps({"destination": "https://hooks.example.com/a"}),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings) -> AsyncIterator[Api]:
    async with Installation(module_settings) as installation, serving(module_settings) as url:
        yield Api(installation, url)


@pytest_asyncio.fixture(loop_scope="module")
async def api(shared: Api) -> Api:
    return await with_new_account(shared)


@pytest_asyncio.fixture(loop_scope="module")
async def session(api: Api) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(api.url, headers=authorization(api)) as session:
        yield session


async def answer(session: aiohttp.ClientSession, method: str, path: str, **form: str) -> tuple[int, dict[str, object]]:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    while True:
        async with session.request(method, path, data=form, headers=key) as told:
            # On a machine that has much to do some are told to come again, although what they asked for may be done.
            if told.status != 503 or method == "DELETE":
                return told.status, (await told.json() if told.status != 204 else {})
        await asyncio.sleep(0.2)


def subscription_of(api: Api, sink_sid: str) -> Subscription:
    return Subscription(
        sid=new_sid(SidKind.SUBSCRIPTION),
        account_sid=api.installation.account_sid,
        sink_sid=sink_sid,
        sink_type="webhook",
        description="there already",
        types=(SubscribedType(type=SENT, schema_version=1),),
        created_ms=1,
        updated_ms=1,
    )


async def test_writes_at_once_share_transactions(api: Api, session: aiohttp.ClientSession) -> None:
    installation = api.installation
    before = installation.feed.position

    made = await asyncio.gather(*(answer(session, "POST", "/v1/Sinks", **SINK) for _ in range(60)))

    assert {status for status, _ in made} == {201}
    wanted = {str(sink["sid"]).encode() for _, sink in made}
    records = await read_topic_until(
        installation.settings,
        installation.topics.control,
        lambda found: wanted <= {(each.key or b"")[-34:] for each in found} and found[-1].key == BEHIND_KEY,
    )
    transactions = sum(each.key == BEHIND_KEY and each.offset > before for each in records)
    assert transactions < 60  # some ten, but that depends on what else the machine does


async def test_of_what_is_created_at_once_no_more_is_there_than_an_account_may_have(
    api: Api, session: aiohttp.ClientSession
) -> None:
    installation = api.installation
    sink = await installation.add_sink("https://hooks.example.com/a")
    there = [subscription_of(api, sink.sid) for _ in range(94)]
    await asyncio.gather(*(installation.put(each) for each in there))
    before = set(await installation.admin.topics())
    form = {"Description": "d", "SinkSid": sink.sid, "Types": json.dumps({"type": SENT})}

    answers = await asyncio.gather(*(answer(session, "POST", "/v1/Subscriptions", **form) for _ in range(20)))

    assert Counter(status for status, _ in answers) == {201: 6, 400: 14}
    assert len(list(installation.feed.snapshot.subscriptions_of(installation.account_sid))) == 100
    made = {installation.topics.subscription("webhook", str(told["sid"])) for status, told in answers if status == 201}
    async with asyncio.timeout(PATIENCE_S):  # a broker goes on to name for a moment what is deleted
        while {each for each in await installation.admin.topics() if ".sub.webhook." in each} - before != made:
            await asyncio.sleep(0.05)


async def test_of_two_who_delete_the_same_one_finds_nothing(api: Api, session: aiohttp.ClientSession) -> None:
    _, sink = await answer(session, "POST", "/v1/Sinks", **SINK)

    answers = await asyncio.gather(*(answer(session, "DELETE", f"/v1/Sinks/{sink['sid']}") for _ in range(4)))

    assert Counter(status for status, _ in answers) == {204: 1, 404: 3}


async def test_changes_of_one_resource_at_once_are_all_made(api: Api, session: aiohttp.ClientSession) -> None:
    """Each is made on what the one before it left, although that is not written yet: none undoes another."""
    installation = api.installation
    sink = await installation.add_sink("https://hooks.example.com/a")
    subscription = await installation.subscribe(sink)
    path = f"/v1/Subscriptions/{subscription.sid}"

    answers = await asyncio.gather(
        answer(session, "POST", path, Description="another"),
        answer(session, "POST", f"{path}/Delivery", Paused="true"),
        answer(session, "POST", f"{path}/Delivery", MaxAttempts="3"),
        answer(session, "POST", f"{path}/SubscribedEvents", Type=DELIVERED),
        answer(session, "POST", f"{path}/Delivery", Ttl="10m"),
    )

    assert [status for status, _ in answers] == [200, 200, 200, 201, 200]
    there = installation.feed.snapshot.subscriptions
    await eventually(lambda: there[subscription.sid].updated_ms > subscription.updated_ms)
    await installation.feed.catch_up()
    found = there[subscription.sid]
    assert (found.description, found.paused, found.max_attempts, found.ttl_ms) == ("another", True, 3, 600_000)
    assert {each.type for each in found.types} == {SENT, DELIVERED}


async def test_a_sink_that_is_deleted_is_not_subscribed_to_in_the_same_moment(
    api: Api, session: aiohttp.ClientSession
) -> None:
    for _ in range(3):
        _, sink = await answer(session, "POST", "/v1/Sinks", **SINK)
        form = {"Description": "d", "SinkSid": str(sink["sid"]), "Types": json.dumps({"type": SENT})}

        (deleted, _), (made, told) = await asyncio.gather(
            answer(session, "DELETE", f"/v1/Sinks/{sink['sid']}"),
            answer(session, "POST", "/v1/Subscriptions", **form),
        )

        assert (deleted, made) in {(204, 404), (400, 201)}
        assert made == 201 or told["code"] == 91001


async def test_a_subscription_is_made_with_its_partitions(api: Api, session: aiohttp.ClientSession) -> None:
    installation = api.installation
    sink = await installation.add_sink("https://hooks.example.com/a")
    form = {"Description": "d", "SinkSid": sink.sid, "Types": json.dumps({"type": SENT})}

    status, made = await answer(session, "POST", "/v1/Subscriptions", **form, Partitions="4")
    refused = [await answer(session, "POST", "/v1/Subscriptions", **form, Partitions=each) for each in ("0", "17", "x")]

    assert status == 201
    topic = installation.topics.subscription("webhook", str(made["sid"]))
    assert (await installation.admin.topics())[topic] == 4
    _, delivery = await answer(session, "GET", f"/v1/Subscriptions/{made['sid']}/Delivery")
    assert delivery["partitions"] == 4
    assert {(status, told["message"]) for status, told in refused} == {
        (400, "Partitions must be an integer from 1 to 16")
    }
