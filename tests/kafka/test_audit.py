"""The audit trail: every write, before it is answered; who, what, when, from where, and what came of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
import pytest_asyncio
from click.testing import CliRunner
from confluent_kafka.admin import AdminClient

from control_api.audit.entry import ActorType, AuditEvent, decode, encode
from control_api.commands import upkeep as upkeep_cli
from eventstreams.kafka.producer import Acked
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.times import now_ms
from tests.support.api import Api, serving
from tests.support.installation import TOKEN, Installation
from tests.support.operator import OPERATOR_TOKEN, Asker, operated, operator_of, with_operator
from tests.support.redrives import clock_past
from tests.support.topic import PATIENCE_S, read_topic

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]
ACCOUNTS = "/operator/v1/Accounts"
TRAIL = "/v1/AuditEvents"
HOOK = '{"destination": "https://user:password@hooks.example.com/a"}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings) -> AsyncIterator[Api]:
    trusting = module_settings.model_copy(update={"trusted_proxies": (ip_network("127.0.0.0/8"),)})
    async with operated(trusting) as api:
        yield api


@pytest_asyncio.fixture(loop_scope="module")
async def account(shared: Api) -> Asker:
    """An account of its own, whose requests come from 203.0.113.9."""
    made = await operator_of(shared).made(ACCOUNTS, FriendlyName="Acme")
    return Asker(shared.url, made["sid"], made["auth_token"], headers={"X-Forwarded-For": "203.0.113.9"})


async def sink_of(account: Asker) -> str:
    made = await account.made("/v1/Sinks", Description="d", SinkType="webhook", SinkConfiguration=HOOK)
    return str(made["sid"])


async def test_a_write_is_on_the_trail_when_it_is_answered(account: Asker) -> None:
    sid = await sink_of(account)

    told = (await account.all(TRAIL, "audit_events"))[0]

    assert told["sid"].startswith("AE")
    assert told["summary"] == f"created sink 'd' ({sid})"
    assert told["actor_type"] == "account"
    assert told["actor_sid"] == told["account_sid"]
    assert (told["method"], told["route"], told["resource_sid"]) == ("POST", "/v1/Sinks", sid)
    assert told["fields"] == ["Description", "SinkType", "SinkConfiguration"]
    assert told["source_ip_address"] == "203.0.113.9"
    assert (told["outcome"], told["status"]) == ("done", 201)
    assert "password" not in str(told)


async def test_what_was_refused_is_there_as_well_and_what_was_only_read_is_not(account: Asker) -> None:
    sid = await sink_of(account)
    await account.ask("GET", f"/v1/Sinks/{sid}")
    await account.ask("POST", "/v1/Sinks", Description="", SinkType="none")
    await account.ask("DELETE", f"/v1/Sinks/{sid}")
    await account.ask("DELETE", f"/v1/Sinks/{sid}")
    await account.ask("DELETE", "/v1/Nothing")

    told = await account.all(TRAIL, "audit_events")

    assert [(each["method"], each["resource_sid"], each["outcome"], each["status"]) for each in told[:4]] == [
        ("DELETE", sid, "refused", 404),
        ("DELETE", sid, "done", 204),
        ("POST", None, "refused", 400),
        ("POST", sid, "done", 201),
    ]


async def test_what_was_done_is_said_with_the_name_that_a_thing_of_ones_own_has(shared: Api, account: Asker) -> None:
    other = await operator_of(shared).made(ACCOUNTS, FriendlyName="Other")
    theirs = await sink_of(Asker(shared.url, other["sid"], other["auth_token"]))
    sub = await account.made("/2010-04-01/Accounts.json", FriendlyName="Sub")
    gone = await sink_of(account)
    await account.ask("DELETE", f"/v1/Sinks/{gone}")
    await account.ask("DELETE", f"/v1/Sinks/{theirs}")

    told = await account.all(TRAIL, "audit_events")

    assert [each["summary"] for each in told[:4]] == [
        f"asked to delete sink {theirs}",
        f"deleted sink {gone}",
        f"created sink {gone}",
        f"created subaccount 'Sub' ({sub['sid']})",
    ]


async def test_a_key_is_the_one_who_did_it_and_the_operator_is_not_told_from_where(shared: Api, account: Asker) -> None:
    operator = operator_of(shared)
    key = await account.made("/v1/Keys", FriendlyName="k")
    by_key = Asker(shared.url, key["sid"], key["secret"])
    await sink_of(by_key)
    await operator.made(f"{ACCOUNTS}/{key['account_sid']}", FriendlyName="Other")

    first, second = (await account.all(TRAIL, "audit_events"))[:2]
    seen_by_operator = (await operator.all("/operator" + TRAIL, "audit_events", AccountSid=key["account_sid"]))[0]

    assert (first["actor_type"], first["actor_sid"]) == ("operator", None)
    assert first["source_ip_address"] is None
    assert seen_by_operator["sid"] == first["sid"]
    assert seen_by_operator["source_ip_address"] == "127.0.0.1"
    assert (second["actor_type"], second["actor_sid"]) == ("api_key", key["sid"])


async def test_what_an_owner_does_to_its_subaccount_both_can_see(shared: Api, account: Asker) -> None:
    sub = await account.made("/2010-04-01/Accounts.json", FriendlyName="Sub")
    await account.made(f"/2010-04-01/Accounts/{sub['sid']}/Keys.json", FriendlyName="k")

    of_owner = (await account.all(TRAIL, "audit_events"))[0]
    of_sub = await Asker(shared.url, sub["sid"], sub["auth_token"]).all(TRAIL, "audit_events")

    assert [each["route"] for each in of_sub] == [
        "/2010-04-01/Accounts/{account_sid}/Keys.json",
        "/2010-04-01/Accounts.json",
    ]
    assert of_sub[0] == {**of_owner, "source_ip_address": None}  # where its owner works from is not for it to know
    assert of_owner["source_ip_address"] == "203.0.113.9"


async def test_the_trail_comes_in_pages_newest_first_and_by_time(account: Asker) -> None:
    sids = [await sink_of(account) for _ in range(3)]
    middle = await a_moment_later()
    sids += [await sink_of(account) for _ in range(2)]

    paged = await account.all(TRAIL, "audit_events", PageSize="2")
    later = await account.all(TRAIL, "audit_events", After=middle)
    sooner = await account.all(TRAIL, "audit_events", Before=middle)
    one = await account.all(TRAIL, "audit_events", ResourceSid=sids[1])
    wrong = await account.ask("GET", TRAIL, After="yesterday")
    unknown = await account.ask("GET", TRAIL, Actor="AC")

    made = paged[-1]["account_sid"]  # by the operator, which the account sees as well
    assert [each["resource_sid"] for each in paged] == [*sids[::-1], made]
    assert [each["resource_sid"] for each in later] == sids[:2:-1]
    assert [each["resource_sid"] for each in sooner] == [*sids[2::-1], made]
    assert [each["resource_sid"] for each in one] == [sids[1]]
    assert all(each["outcome"] == "done" for each in [*paged, *later, *sooner])
    assert (wrong[0], wrong[1]["code"]) == (400, 20001)
    assert unknown[1]["message"].startswith("Unknown parameter Actor")


async def test_a_write_whose_end_nobody_saw_is_there_with_an_outcome_that_is_not_known(shared: Api) -> None:
    sid = new_sid(SidKind.AUDIT_EVENT)
    await put(shared, event(sid, shared.installation.account_sid))

    told = await Asker(shared.url, shared.installation.account_sid, TOKEN).all(TRAIL, "audit_events")

    assert [(each["outcome"], each["status"]) for each in told if each["sid"] == sid] == [("unknown", None)]


async def test_what_this_release_cannot_read_is_passed_over(shared: Api, account: Asker) -> None:
    sid = await sink_of(account)
    answer = await shared.installation.producer.send(shared.installation.topics.audit, b"{}")
    assert isinstance(answer, Acked)

    assert (await account.all(TRAIL, "audit_events"))[0]["resource_sid"] == sid


async def test_what_cannot_be_put_on_the_trail_is_not_done(settings: Settings) -> None:
    async with operated(settings) as api:
        account = Asker(api.url, api.installation.account_sid, TOKEN)
        admin = AdminClient({"bootstrap.servers": settings.kafka})
        for future in admin.delete_topics([api.installation.topics.audit]).values():
            future.result()
        async with asyncio.timeout(PATIENCE_S):  # a busy broker takes records a while after its controller has noted it
            while api.installation.topics.audit in await api.installation.admin.topics():
                await asyncio.sleep(0.1)

        status, told = await account.ask(
            "POST", "/v1/Sinks", Description="d", SinkType="webhook", SinkConfiguration=HOOK
        )

        assert (status, told["code"]) == (503, 20503)
        assert "nothing was changed" in told["message"]
        assert await account.all("/v1/Sinks", "sinks") == []


async def test_two_records_tell_of_a_write_the_first_before_it_is_made(settings: Settings) -> None:
    async with operated(settings) as api:
        sid = await sink_of(Asker(api.url, api.installation.account_sid, TOKEN))

        before, after = (decode(each.value) for each in await read_topic(settings, api.installation.topics.audit, 2))

    assert before is not None
    assert after is not None
    assert (before.resource_sid, before.status) == (None, None)
    assert after == replace(before, resource_sid=sid, status=201)


async def test_the_trail_is_kept_as_long_as_the_settings_say(settings: Settings) -> None:
    installation = Installation(settings)

    [spec] = [each for each in installation.topics.base_specs() if each.name == installation.topics.audit]

    assert spec.config["retention.ms"] == str(365 * 24 * 3600 * 1000)


async def test_a_proxy_that_is_not_trusted_is_where_requests_come_from(settings: Settings) -> None:
    async with operated(settings) as api:
        await sink_of(Asker(api.url, api.installation.account_sid, TOKEN, headers={"X-Forwarded-For": "203.0.113.9"}))

        [told] = await Asker(api.url, api.installation.account_sid, TOKEN).all(TRAIL, "audit_events")

    assert told["source_ip_address"] == "127.0.0.1"


async def test_the_command_shows_it(shared: Api, account: Asker) -> None:
    sid = await sink_of(account)
    env = {"EVENTSTREAMS_PUBLIC_URL": shared.url, "EVENTSTREAMS_OPERATOR_TOKEN": OPERATOR_TOKEN}

    shown = await asyncio.to_thread(CliRunner(env=env).invoke, upkeep_cli.audit, ["--limit", "1"])

    assert shown.exit_code == 0, shown.output
    assert f"created sink 'd' ({sid})" in shown.output
    assert "203.0.113.9" in shown.output


async def test_an_account_that_asks_too_often_is_told_when_to_come_back_and_nobody_else_is(
    settings: Settings,
) -> None:
    slow = settings.model_copy(update={"api_rate_limit": 0.01})
    async with Installation(slow) as installation, serving(with_operator(slow)) as url:
        first = Asker(url, installation.account_sid, TOKEN)
        answers = [await first.ask("GET", "/v1/Sinks") for _ in range(3)]
        trail = [await first.ask("POST", "/v1/Sinks")]
        made = await Asker(url, "operator", OPERATOR_TOKEN).made(ACCOUNTS, FriendlyName="Other")
        other = await Asker(url, made["sid"], made["auth_token"]).ask("GET", "/v1/Sinks")

    assert [status for status, _ in answers] == [200, 429, 429]
    assert answers[1][1]["code"] == 20429
    assert "more than 0.01 requests per second" in answers[1][1]["message"]
    assert trail[0][0] == 429
    assert other[0] == 200


async def a_moment_later() -> str:
    """A time that is over, and later than every record so far."""
    middle_ms = now_ms() + 1
    await clock_past(middle_ms)
    return datetime.fromtimestamp(middle_ms / 1000, UTC).isoformat(timespec="milliseconds")


def event(sid: str, account_sid: str) -> AuditEvent:
    return AuditEvent(
        sid=sid,
        at_ms=now_ms(),
        actor_type=ActorType.ACCOUNT,
        actor_sid=account_sid,
        accounts=(account_sid,),
        method="POST",
        route="/v1/Sinks",
        resource_sid=None,
        fields=(),
        source="",
    )


async def put(api: Api, audited: AuditEvent) -> None:
    answer = await api.installation.producer.send(api.installation.topics.audit, encode(audited))
    assert isinstance(answer, Acked)
