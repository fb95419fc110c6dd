"""Events of subaccounts that a subscription of their owner's asks for: what its owner sees of them, and nobody else."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from eventstreams.control.records import Account
from eventstreams.control.vault import Purpose
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from eventstreams.times import now_ms
from router.role import route
from sink_workers.role import worker_for
from tests.support.bare_api import BareApi, serving_bare
from tests.support.installation import DELIVERED, SENT, TOKEN, Installation, header

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(
    module_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    log: Path = tmp_path_factory.mktemp("log") / "log.db"
    settings = module_settings.model_copy(update={"delivery_log": SecretStr(str(log))})
    async with Installation(settings) as installation:
        await installation.start(route)
        await installation.start(worker_for(load_plugin("webhook")))
        yield installation


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def parent(installation: Installation) -> AsyncIterator[BareApi]:
    async with serving_bare(installation.settings, installation.account_sid) as api:
        yield api


async def subaccount(installation: Installation) -> str:
    sid, now = new_sid(SidKind.ACCOUNT), now_ms()
    await installation.put(
        Account(
            sid=sid,
            friendly_name="a part",
            auth_token=installation.vault.lock(TOKEN, Purpose.AUTH_TOKEN, sid),
            created_ms=now,
            updated_ms=now,
            owner_account_sid=installation.account_sid,
        )
    )
    return sid


async def wide_subscription(parent: BareApi, url: str) -> dict[str, Any]:
    sink = await parent.post(
        "/v1/Sinks",
        {"Description": "d", "SinkType": "webhook", "SinkConfiguration": f'{{"destination": "{url}"}}'},
    )
    return await parent.post(
        "/v1/Subscriptions",
        {
            "Description": "d",
            "SinkSid": sink["sid"],
            "Types": f'{{"type": "{SENT}"}}',
            "ReceiveEventsFromSubaccounts": "true",
        },
    )


async def publish_of(installation: Installation, account_sid: str, number: int) -> None:
    await installation.publish([replace(installation.event(number), account_sid=account_sid)])


async def rows(api: BareApi, path: str, key: str, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < count:
        found = (await api.get(path))[key]
        await asyncio.sleep(0.05)
    return found


async def test_an_owner_gets_the_events_of_its_subaccounts_and_sees_their_attempts_alone(
    installation: Installation, parent: BareApi
) -> None:
    part, stranger = await subaccount(installation), new_sid(SidKind.ACCOUNT)
    async with Receiver() as receiver:
        subscription = await wide_subscription(parent, receiver.url)
        await publish_of(installation, stranger, 1)
        await publish_of(installation, part, 2)
        await publish_of(installation, installation.account_sid, 3)

        await receiver.wait_for(lambda: len(receiver.accepted) == 2)
    attempts = await rows(parent, f"/v1/Attempts?SubscriptionSid={subscription['sid']}", "attempts", 2)
    assert {(each["event_id"], each["account_sid"]) for each in attempts} == {
        ("EZ2", installation.account_sid),
        ("EZ3", installation.account_sid),
    }
    assert (await parent.as_account(part).get("/v1/Attempts"))["attempts"] == []


async def test_an_owner_finds_a_subaccounts_event_before_its_first_attempt_if_it_asked_for_it(
    installation: Installation, parent: BareApi
) -> None:
    part = await subaccount(installation)
    subscription = await wide_subscription(parent, "https://hooks.example.com/")
    await parent.post(f"/v1/Sinks/{subscription['sink_sid']}/Delivery", {"Paused": "true"}, expect=200)
    await publish_of(installation, part, 31)
    await installation.publish([replace(installation.event(32, type_=DELIVERED), account_sid=part)])
    of_part = parent.as_account(part)

    async with asyncio.timeout(60):
        while (await of_part.ask("GET", "/v1/Events/EZ32"))[0] != 200:  # then the log has the one before it as well
            await asyncio.sleep(0.05)
        while (await parent.ask("GET", "/v1/Events/EZ31"))[0] != 200:
            await asyncio.sleep(0.05)
        found = await parent.get("/v1/Events/EZ31")

    mine = [each for each in found["deliveries"] if each["subscription_sid"] == subscription["sid"]]
    assert (found["account_sid"], found["type"]) == (part, SENT)
    assert [(each["state"] in {"routing", "waiting"}, each["attempts"], each["paused"]) for each in mine] == [
        (True, 0, True)
    ]
    assert (await parent.ask("GET", "/v1/Events/EZ32"))[0] == 404  # nothing of its owner's asks for that type
    assert (await of_part.get("/v1/Events/EZ31"))["deliveries"] == []


async def test_a_dead_letter_of_a_subaccounts_event_is_its_owners_and_can_be_redriven_by_it_alone(
    installation: Installation, parent: BareApi
) -> None:
    part = await subaccount(installation)
    async with Receiver(lambda _: 404) as receiver:
        subscription = await wide_subscription(parent, receiver.url)
        sid = subscription["sid"]
        await publish_of(installation, part, 7)

        [letter] = await rows(parent, f"/v1/DeadLetters?SubscriptionSid={sid}", "dead_letters", 1)
        assert (letter["event_id"], letter["account_sid"]) == ("EZ7", installation.account_sid)
        assert (await parent.as_account(part).get("/v1/DeadLetters"))["dead_letters"] == []
        receiver.answer = lambda _: 200
        job = await parent.post("/v1/Redrives", {"DeadLetterId": letter["id"]})
        await receiver.wait_for(lambda: receiver.accepted["EZ7"] == 1)
        assert (await parent.until(job["url"], "completed"))["status"] == "completed"
    first, again = await installation.copies_of(sid, 2)
    assert header(first, "es_subscriber") == header(again, "es_subscriber") == installation.account_sid
    assert header(again, "ce_accountsid") == part
    attempts = await rows(parent, f"/v1/Attempts?SubscriptionSid={sid}", "attempts", 3)
    assert {each["account_sid"] for each in attempts} == {installation.account_sid}


async def test_a_replay_and_a_preview_find_the_events_of_subaccounts_for_a_subscription_that_is_for_them(
    installation: Installation, parent: BareApi
) -> None:
    part, stranger = await subaccount(installation), new_sid(SidKind.ACCOUNT)
    for number, account_sid in ((11, installation.account_sid), (12, part), (13, stranger)):
        await publish_of(installation, account_sid, number)
    async with Receiver() as receiver:
        wide = await wide_subscription(parent, receiver.url)
        sid = wide["sid"]
        chosen = "id == 'EZ11' || id == 'EZ12' || id == 'EZ13'"

        preview = await parent.post("/v1/FilterPreviews", {"Filter": chosen, "SubscriptionSid": sid}, expect=200)
        narrow = await parent.post(
            "/v1/FilterPreviews", {"Filter": chosen, "Types": f'{{"type": "{SENT}"}}'}, expect=200
        )
        job = await parent.post(
            "/v1/Replays",
            {"SubscriptionSid": sid, "After": "2026-01-01T00:00:00Z", "Filter": chosen},
        )

        assert (await parent.until(job["url"], "completed"))["replayed"] == 2
        await receiver.wait_for(lambda: len(receiver.accepted) == 2)
    assert {each["id"] for each in preview["events"] if each["verdict"] == "taken"} == {"EZ11", "EZ12"}
    assert {each["id"] for each in narrow["events"] if each["verdict"] == "taken"} == {"EZ11"}
    assert receiver.accepted.keys() == {"EZ11", "EZ12"}
