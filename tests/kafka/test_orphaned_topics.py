"""Topics without a subscription: what killed processes leave is found, told of, and removed; nothing else is."""

import asyncio
import json
import signal
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path

import aiohttp
import orjson
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import AdminClient

from control_api.commands.topics import orphans as orphans_command
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.topics import TopicKind, TopicSpec
from tests.support.api import serving
from tests.support.installation import SENT, Installation
from tests.support.operator import OPERATOR_TOKEN, Asker, with_operator
from tests.support.page import blocks_of
from tests.support.replicas import SINK, Replicas, running_replicas
from tests.support.snippet_kinds import ROOT
from tests.support.topic import PATIENCE_S

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]
TOPICS = "/operator/v1/Topics"
QUICK = {"orphan_grace": timedelta(seconds=2)}


async def topics_of_subscriptions(installation: Installation) -> set[str]:
    return {
        name
        for name in await installation.admin.topics()
        if (told := installation.topics.read(name)) is not None and told.kind is TopicKind.SUBSCRIPTION
    }


def those_there_should_be(installation: Installation) -> set[str]:
    return {
        installation.topics.subscription(each.sink_type, each.sid)
        for each in installation.feed.snapshot.subscriptions.values()
    }


async def orphan(installation: Installation) -> str:
    """A topic as a creation leaves it whose process ended before the record."""
    spec = installation.topics.subscription_spec("webhook", new_sid(SidKind.SUBSCRIPTION))
    await installation.admin.ensure([spec])
    async with asyncio.timeout(60):
        while (
            spec.name not in await installation.admin.topics()
        ):  # the controller has made it before brokers tell of it
            await asyncio.sleep(0.05)
    return spec.name


async def until_only_those(installation: Installation, wanted: set[str]) -> None:
    async with asyncio.timeout(120):
        while (there := await topics_of_subscriptions(installation)) != wanted:
            assert wanted <= there, f"{wanted - there} had an owner"
            await asyncio.sleep(0.2)


async def subscribe(replicas: Replicas, sink_sid: str, answered: set[str]) -> None:
    """Subscribe, and delete a third of what was made, until the process at the other end is gone."""
    form = {"Description": "x", "SinkSid": sink_sid, "Types": orjson.dumps({"type": SENT}).decode()}
    at = replicas.processes[0]
    with suppress(aiohttp.ClientError):
        while True:
            status, body = await replicas.ask(at, "POST", "/v1/Subscriptions", form)
            if status == HTTPStatus.SERVICE_UNAVAILABLE:  # on a busy machine; whatever becomes of it is not counted
                continue
            assert status == HTTPStatus.CREATED, body
            if body["sid"] > "DF5":  # two in three
                answered.add(body["sid"])
            else:
                await replicas.ask(at, "DELETE", f"/v1/Subscriptions/{body['sid']}")


async def test_what_killed_processes_leave_is_removed_and_no_topic_in_use_is(
    settings: Settings, tmp_path: Path
) -> None:
    async with running_replicas(settings, tmp_path, 1) as replicas:
        installation, [process] = replicas.installation, replicas.processes
        status, sink = await replicas.ask(process, "POST", "/v1/Sinks", SINK)
        assert status == HTTPStatus.CREATED
        answered: set[str] = set()
        for _ in range(2):
            async with asyncio.TaskGroup() as group:
                for _ in range(4):
                    group.create_task(subscribe(replicas, sink["sid"], answered))
                before = len(answered)
                async with asyncio.timeout(60):
                    while len(answered) < before + 5:
                        await asyncio.sleep(0.01)
                await process.end(signal.SIGKILL)
            process.start()
            await process.until_ready()
        await process.end(signal.SIGTERM)
        left = await orphan(installation)  # one for sure
        foreign = TopicSpec(f"{settings.topic_prefix}sub.webhook.orders", 1, {})
        await installation.admin.ensure([foreign])

        async with serving(settings.model_copy(update=QUICK)):
            await installation.feed.catch_up()
            assert answered <= set(installation.feed.snapshot.subscriptions)
            async with asyncio.timeout(120):
                while left in (there := await topics_of_subscriptions(installation)) or there != those_there_should_be(
                    installation
                ):
                    await asyncio.sleep(0.2)
            assert {installation.topics.subscription("webhook", sid) for sid in answered} <= there
        assert foreign.name in await installation.admin.topics()


async def test_an_orphan_that_holds_an_event_stays_until_that_is_gone(settings: Settings) -> None:
    async with Installation(settings) as installation:
        kept, gone = await orphan(installation), await orphan(installation)
        value, headers = installation.encoded(installation.event())
        await installation.put_raw(kept, value, headers)

        async with serving(settings.model_copy(update=QUICK)):
            await until_only_those(installation, {kept})
            await forget_records(settings, kept)
            await until_only_those(installation, set())
        assert gone not in await installation.admin.topics()


async def test_the_operator_sees_whose_each_topic_is_and_removes_what_is_nobodys(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = with_operator(settings).model_copy(update=QUICK | {"remove_orphans": False})
    async with Installation(settings) as installation, serving(settings) as url:
        monkeypatch.setenv("EVENTSTREAMS_OPERATOR_TOKEN", OPERATOR_TOKEN)
        operator = Asker(url, "operator", OPERATOR_TOKEN)
        subscription = await installation.subscribe(await installation.add_sink("http://127.0.0.1:9/"))
        left, used = await orphan(installation), installation.topic_of(subscription)

        listed = await operator.all(TOPICS, "topics", Kind="subscription", PageSize="1")
        shared = await operator.all(TOPICS, "topics", Kind="shared")
        orphaned = await cli(url, "list", "-o", "json")

        assert {each["name"]: each["account_sid"] for each in listed} == {used: installation.account_sid, left: None}
        assert {each["orphaned"] for each in shared} == {False}
        assert json.loads(orphaned.stdout) == [
            {
                "name": left,
                "kind": "subscription",
                "sink_type": "webhook",
                "subscription_sid": installation.topics.subscription_of(left),
                "account_sid": None,
                "partitions": 1,
                "orphaned": True,
                "records": 0,
            }
        ]
        assert (await operator.ask("GET", f"{TOPICS}?Kind=none"))[1]["message"].startswith("Kind must be one of")
        assert (await operator.ask("DELETE", f"{TOPICS}/{used}"))[0] == HTTPStatus.CONFLICT
        assert (await operator.ask("DELETE", f"{TOPICS}/{settings.topic_prefix}x"))[0] == HTTPStatus.NOT_FOUND
        async with asyncio.timeout(60):
            while (removed := await cli(url, *remove(left), "--yes")).exit_code:
                assert "try again in two minutes" in str(removed.exception)
                await asyncio.sleep(0.2)
        assert await topics_of_subscriptions(installation) == {used}


def remove(topic: str) -> Sequence[str]:
    """The arguments that docs/partition-budget.md has for it."""
    [shown] = [each.text for each in blocks_of(ROOT / "docs/partition-budget.md") if "orphans remove" in each.text]
    *arguments, name = shown.removeprefix("eventstreams orphans ").split()
    assert name.startswith("es.sub.webhook.DF")
    return [*arguments, topic]


async def test_an_installation_has_no_more_partitions_than_its_settings_allow(settings: Settings) -> None:
    settings = settings.model_copy(update={"most_partitions": 2})
    async with Installation(settings) as installation, serving(settings) as url:
        sink = await installation.add_sink("http://127.0.0.1:9/")
        first = await installation.subscribe(sink)
        asker = Asker(url, installation.account_sid, "token-of-the-test")
        form = {"Description": "x", "SinkSid": sink.sid, "Types": orjson.dumps({"type": SENT}).decode()}

        raised = await asker.ask("POST", f"/v1/Subscriptions/{first.sid}/Delivery", Partitions="3")
        made = await asker.ask("POST", "/v1/Subscriptions", **form)
        refused = await asker.ask("POST", "/v1/Subscriptions", **form)

        assert (raised[0], made[0], refused[0]) == (400, 201, 400)
        assert refused[1]["code"] == 91101
        assert "2 partitions, of at most 2: ask the operator" in refused[1]["message"]
        async with asyncio.timeout(PATIENCE_S):  # a busy broker tells of it a while after its controller has noted it
            while len(await topics_of_subscriptions(installation)) < 2:
                await asyncio.sleep(0.1)
        assert len(await topics_of_subscriptions(installation)) == 2


async def test_an_installation_has_no_longer_filters_than_its_routers_keep_compiled(settings: Settings) -> None:
    settings = settings.model_copy(update={"most_partitions": 2})  # 400 characters
    async with Installation(settings) as installation, serving(settings) as url:
        sink = await installation.add_sink("http://127.0.0.1:9/")
        subscription = await installation.subscribe(sink)
        asker = Asker(url, installation.account_sid, "token-of-the-test")
        form = {"Description": "x", "SinkSid": sink.sid, "Types": orjson.dumps({"type": SENT}).decode()}
        long, short = f"id == '{'x' * 400}'", f"id == '{'x' * 300}'"
        path = f"/v1/Subscriptions/{subscription.sid}"

        answers = [
            await asker.ask("POST", f"{path}/Delivery", Filter=long),
            await asker.ask("POST", path, Filter=long),
            await asker.ask("POST", "/v1/Subscriptions", **form, Filter=long),
        ]
        taken = await asker.ask("POST", f"{path}/Delivery", Filter=short)
        shorter = await asker.ask("POST", f"{path}/Delivery", Filter="id == 'x'")

        assert [(status, told["code"]) for status, told in answers] == [(400, 91101)] * 3
        assert (
            "filters have 0 characters (counting 50 extra for each filter), of at most 400: write shorter filters"
            in answers[0][1]["message"]
        )
        assert (taken[0], shorter[0]) == (200, 200)
        assert len(await topics_of_subscriptions(installation)) == 1


async def forget_records(settings: Settings, topic: str) -> None:
    """As retention does."""
    client = AdminClient({"bootstrap.servers": settings.kafka})
    for future in client.delete_records([TopicPartition(topic, 0, OFFSET_END)]).values():
        await asyncio.wrap_future(future)


async def cli(url: str, *arguments: str) -> Result:
    return await asyncio.to_thread(partial(CliRunner().invoke, orphans_command, [*arguments, "--url", url]))
