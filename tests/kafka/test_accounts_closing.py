"""Accounts that are suspended or closed: what becomes of their events, and of what they had."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from eventstreams.control.records import AccountStatus
from eventstreams.kafka.follower import PartitionFollower
from eventstreams.kafka.records import Record
from eventstreams.process import Process
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from sink_workers.role import worker_for
from tests.support.api import serving
from tests.support.dead_letters import add_dead_letters
from tests.support.installation import TOKEN, Installation, header
from tests.support.operator import Asker, operated, operator_of
from tests.support.topic import eventually

pytestmark = pytest.mark.kafka
ACCOUNTS = "/operator/v1/Accounts"
HOOK = json.dumps({"destination": "https://hooks.example.com/a"})


async def test_while_an_account_is_suspended_its_events_wait_and_nobody_elses(settings: Settings) -> None:
    async with Receiver() as receiver, operated(settings) as api:
        installation, operator = api.installation, operator_of(api)
        suspended_sid = installation.account_sid
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        worker = await installation.start(worker_for(load_plugin("webhook")))
        await installation.hand_to(subscription, installation.event(1))
        await receiver.wait_for(lambda: "EZ1" in receiver.accepted)
        waiting = installation.event(2)

        await operator.made(f"{ACCOUNTS}/{suspended_sid}", Status="suspended")
        await eventually(lambda: paused(worker) == 1, what=lambda: "the sink's gate, paused")
        await installation.hand_to(subscription, waiting)
        await installation.new_account()
        other = await installation.subscribe(await installation.add_sink(receiver.url))
        await installation.hand_to(other, installation.event(3))
        await receiver.wait_for(lambda: "EZ3" in receiver.accepted)
        while_suspended = set(receiver.accepted)
        await operator.made(f"{ACCOUNTS}/{suspended_sid}", Status="active")
        await receiver.wait_for(lambda: "EZ2" in receiver.accepted)

    assert while_suspended == {"EZ1", "EZ3"}


def raised(error: BaseException) -> None:
    raise error


def paused(worker: Process) -> float:
    return (
        worker.metrics.registry.get_sample_value("eventstreams_sinks", {"sink_type": "webhook", "state": "paused"})
        or 0.0
    )


async def test_closing_an_account_leaves_dead_letters_and_nothing_else(settings: Settings) -> None:
    async with Receiver(lambda _: 500) as receiver, operated(settings) as api:
        installation, operator = api.installation, operator_of(api)
        sink = await installation.add_sink(receiver.url)
        subscription = await installation.subscribe(sink)
        idle = await installation.add_sink(receiver.url)
        key = await operator.made(f"{ACCOUNTS}/{installation.account_sid}/Keys")
        await installation.start(worker_for(load_plugin("webhook")))
        for number in range(3):
            await installation.hand_to(subscription, installation.event(number))
        await receiver.wait_for(lambda: len(receiver.received) > 0)

        closed = await operator.made(f"{ACCOUNTS}/{installation.account_sid}", Status="closed")

        dead = await installation.dead_of(subscription.sid, 3)
        snapshot = installation.feed.snapshot
        await eventually(
            lambda: (
                not {sink.sid, idle.sid, subscription.sid, key["sid"]}
                & {*snapshot.sinks, *snapshot.subscriptions, *snapshot.keys}
            ),
            timeout_s=60,
            what=lambda: f"{snapshot.sinks} {snapshot.subscriptions} {snapshot.keys}",
        )
        again = await operator.ask("POST", f"{ACCOUNTS}/{installation.account_sid}", Status="active")

    assert closed["status"] == "closed"
    assert {header(each, "ce_id") for each in dead} == {"EZ0", "EZ1", "EZ2"}
    assert {header(each, "es_reason") for each in dead} == {"subscription_deleted"}
    assert snapshot.accounts[installation.account_sid].status is AccountStatus.CLOSED
    assert (again[0], again[1]["code"]) == (409, 20409)


async def test_an_account_that_was_closed_when_the_api_ended_is_taken_apart_by_the_next_one(settings: Settings) -> None:
    async with Installation(settings) as installation:
        early = await installation.add_sink("https://hooks.example.com/a")
        await installation.put(
            replace(installation.feed.snapshot.accounts[installation.account_sid], status=AccountStatus.CLOSED)
        )

        async with serving(settings):
            await eventually(lambda: early.sid not in installation.feed.snapshot.sinks, what=lambda: "the sink gone")
            late = await installation.add_sink("https://hooks.example.com/b")  # by a request that was under way
            await eventually(lambda: late.sid not in installation.feed.snapshot.sinks, what=lambda: "the late one gone")


async def test_subaccounts_are_closed_with_their_owner(settings: Settings) -> None:
    async with operated(settings) as api:
        operator = operator_of(api)
        owner = await operator.made(ACCOUNTS, FriendlyName="Owner")
        sub = await operator.made(ACCOUNTS, FriendlyName="Sub", OwnerAccountSid=owner["sid"])
        as_sub = Asker(api.url, sub["sid"], sub["auth_token"])
        sink = await as_sub.made("/v1/Sinks", Description="d", SinkType="webhook", SinkConfiguration=HOOK)

        await operator.made(f"{ACCOUNTS}/{owner['sid']}", Status="closed")

        _, fetched = await operator.ask("GET", f"{ACCOUNTS}/{sub['sid']}")
        await eventually(lambda: sink["sid"] not in api.installation.feed.snapshot.sinks, what=lambda: "the sink gone")
        assert fetched["status"] == "closed"
        assert (await as_sub.ask("GET", "/v1/Sinks"))[0] == 401


async def test_redrives_of_a_closed_account_end_and_nothing_is_left_of_them(settings: Settings) -> None:
    async with operated(settings) as api:
        installation, operator = api.installation, operator_of(api)
        subscription = await installation.subscribe(await installation.add_sink("https://hooks.example.com/"))
        await installation.admin.ensure(installation.topics.worker_specs("webhook"))
        await add_dead_letters(installation, subscription, range(20))
        asker = Asker(api.url, installation.account_sid, TOKEN)
        done = await asker.made("/v1/Redrives", EventId="EZ1", Rate="5000")
        slow = await asker.made("/v1/Redrives", Reason="refused", Rate="1")  # takes 20 s
        await installation.new_account()
        theirs = await installation.subscribe(await installation.add_sink("https://hooks.example.com/"))
        await add_dead_letters(installation, theirs, [1])
        kept = await Asker(api.url, installation.account_sid, TOKEN).made("/v1/Redrives", EventId="EZ1", Rate="5000")

        await operator.made(f"{ACCOUNTS}/{subscription.account_sid}", Status="closed")

        newest: dict[bytes, bytes] = {}

        def told(records: Sequence[Record]) -> None:
            newest.update({each.key or b"": each.value for each in records})

        async with PartitionFollower(settings, installation.topics.jobs, on_records=told, on_crash=raised):
            await eventually(
                lambda: {key.decode().partition("/")[2] for key, value in newest.items() if value} == {kept["sid"]},
                what=lambda: str(newest),
            )

    assert {f"job/{each['sid']}".encode() for each in (done, slow)} < newest.keys()
    assert f"progress/{slow['sid']}".encode() in newest  # its runner ended it, before it was forgotten
