"""Email sinks in a whole installation: who agrees to mail gets it, and nobody else does."""

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from pydantic import SecretStr

from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from sink_workers.role import worker_for
from tests.conftest import installation_settings
from tests.support.api import Api, call, post_form, refusal, serving, with_new_account
from tests.support.installation import SENT, TOKEN, Installation
from tests.support.live_page import Shell, commands
from tests.support.mail import PASSWORD, SENDER, TO, USER, Keys, Mailbox, events_in, mail_server
from tests.support.page import blocks_of
from tests.support.snippet_kinds import ROOT
from tests.support.topic import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mailbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mailbox]:
    keys = Keys.new(tmp_path_factory.mktemp("mail"))
    async with mail_server(keys) as made:
        made.authorities = keys.authorities
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(kafka: str, mailbox: Mailbox) -> AsyncIterator[Api]:
    with installation_settings(kafka) as settings:
        mailing = settings.model_copy(
            update={
                "smtp_url": f"smtp://{USER}@127.0.0.1:{mailbox.port}",
                "smtp_from": f"Events <{SENDER}>",
                "smtp_password": SecretStr(PASSWORD),
                "smtp_tls_authorities": mailbox.authorities,
            }
        )
        async with Installation(mailing) as installation, serving(mailing) as url:
            await installation.start(worker_for(load_plugin("email")))
            yield Api(installation, url)


@pytest_asyncio.fixture(loop_scope="module")
async def api(shared: Api) -> Api:
    return await with_new_account(shared)


def configuration(address: str) -> dict[str, object]:
    return {"to": address, "every_s": 2}


async def email_sink(api: Api, address: str) -> Any:
    return await api.sink(sink_type="email", sink_configuration=configuration(address))


async def test_an_address_gets_a_question_and_once_it_agreed_a_digest(api: Api, mailbox: Mailbox) -> None:
    address = "agrees@customer.example"
    sink = await email_sink(api, address)
    assert (sink.status, sink.sink_configuration) == ("initialized", configuration(address))
    early = await refusal(lambda: api.client.events.v1.subscriptions.create("d", sink.sid, [{"type": SENT}]))
    assert (early.status, early.code) == (400, 91100)

    await call(sink.sink_test.create)
    await eventually(lambda: bool(mailbox.to(address)))
    [question] = mailbox.to(address)
    body = question.get_body(("plain",))
    assert body is not None
    [test_id] = re.findall(r"^    ([0-9a-f-]{36})\s*$", body.get_content(), re.MULTILINE)
    await call(lambda: sink.sink_validate.create(test_id=test_id))
    subscription = await api.subscription(sink.sid, SENT)
    stored = api.installation.feed.snapshot.subscriptions
    await eventually(lambda: subscription.sid in stored)
    for number in range(7):
        await api.installation.hand_to(stored[subscription.sid], api.installation.event(number))

    def digested() -> list[object]:
        return [each["id"] for mail in mailbox.to(address)[1:] for each in events_in(mail)]

    await eventually(lambda: len(digested()) >= 7, what=lambda: str(digested()))
    assert (await call(sink.fetch)).status == "active"
    assert digested() == [f"EZ{number}" for number in range(7)]
    *_, digest = mailbox.to(address)
    assert digest["Subject"] == f"Events: {len(events_in(digest))} events"
    assert len(mailbox.to(address)) <= 3  # a busy machine may take longer to hand them over than a digest waits


async def test_an_address_that_has_not_agreed_gets_no_sample_and_few_questions(api: Api) -> None:
    sink = await email_sink(api, "silent@customer.example")

    status, body = await post_form(api, f"/v1/Sinks/{sink.sid}/Samples", Type=SENT)
    assert (status, body["code"]) == (409, 20409)
    for _ in range(10):
        assert (await post_form(api, f"/v1/Sinks/{sink.sid}/Test"))[0] == 201
    status, body = await post_form(api, f"/v1/Sinks/{sink.sid}/Test")
    assert (status, body["code"]) == (429, 20429)
    assert "10 per hour" in body["message"]


async def test_a_sink_that_is_in_use_cannot_be_aimed_at_another_address(api: Api, mailbox: Mailbox) -> None:
    address = "here@customer.example"
    sink = await email_sink(api, address)
    await call(sink.sink_test.create)
    await eventually(lambda: bool(mailbox.to(address)))
    [event] = events_in(mailbox.to(address)[0])
    await call(lambda: sink.sink_validate.create(test_id=event["data"]["test_id"]))
    subscription = await api.subscription(sink.sid, SENT)
    elsewhere = orjson.dumps(configuration("other@customer.example")).decode()

    status, body = await post_form(api, f"/v1/Sinks/{sink.sid}/Configuration", SinkConfiguration=elsewhere)
    assert (status, body["code"]) == (400, 91007)
    await call(subscription.delete)
    status, body = await post_form(api, f"/v1/Sinks/{sink.sid}/Configuration", SinkConfiguration=elsewhere)
    assert (status, body["status"]) == (200, "initialized")


async def test_the_commands_of_docs_sinks_email_md_run_as_they_stand(
    api: Api, mailbox: Mailbox, tmp_path: Path
) -> None:
    [shown] = [each.text for each in blocks_of(ROOT / "docs/sinks/email.md") if "$API" in each.text]
    make, ask, confirm = commands(shown)
    about = {"ACCOUNT_SID": api.installation.account_sid, "AUTH_TOKEN": TOKEN, "API": api.url}

    with Shell(os.environ | about, cwd=str(tmp_path)) as shell:

        async def run(command: str) -> Any:
            return orjson.loads(await call(lambda: shell.run(command.replace("curl ", "curl -fsS "))))

        sink = (await run(make))["sid"]
        await run(ask.replace("DG…", sink))
        await eventually(lambda: bool(mailbox.to("oncall@customer.example")))
        [event] = events_in(mailbox.to("oncall@customer.example")[-1])
        await run(confirm.replace("DG…", sink).replace("3f…", event["data"]["test_id"]))

    assert (await call(api.client.events.v1.sinks(sink).fetch)).status == "active"


async def test_without_a_mail_server_there_is_no_email_sink(settings: Settings) -> None:
    async with Installation(settings) as installation, serving(settings) as url:
        api = Api(installation, url)
        refused = await refusal(
            lambda: api.client.events.v1.sinks.create("d", sink_configuration=configuration(TO), sink_type="email")
        )
        unknown = await refusal(lambda: api.client.events.v1.sinks.create("d", sink_configuration={}, sink_type="fax"))

    assert (refused.status, refused.code) == (400, 91000)
    assert "EVENTSTREAMS_SMTP_URL" in refused.msg
    assert "email" not in unknown.msg
