"""Secrets leave in the one answer that makes them: never in another, nor in a log, a topic or a repr."""

import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from typing_extensions import override

from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from sink_workers.role import worker_for
from tests.support.api import Api, refusal
from tests.support.installation import TOKEN
from tests.support.operator import OPERATOR_TOKEN, Asker, operated, operator_of
from tests.support.topic import read_topic_until

pytestmark = pytest.mark.kafka
ACCOUNTS = "/operator/v1/Accounts"
PASSWORD = "password-in-a-destination"


class Listening(Asker):
    """Remembers every answer, but takes out what is made in it, once."""

    def __init__(self, url: str, user: str, password: str, heard: list[str], secrets: set[str]) -> None:
        super().__init__(url, user, password)
        self._heard = heard
        self._secrets = secrets

    @override
    async def ask(self, method: str, path: str, **fields: str) -> tuple[int, Any]:
        status, told = await super().ask(method, path, **fields)
        made = dict(told) if isinstance(told, dict) else {}
        for name in ("auth_token", "secondary_auth_token", "secret"):
            if isinstance(secret := made.get(name), str):
                assert secret not in self._secrets, f"{path} shows it again"
                self._secrets.add(secret)
                del made[name]
        self._heard.append(f"{method} {path} {status} {made if isinstance(told, dict) else told}")
        return status, told


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[Api]:
    async with operated(settings) as api:
        yield api


async def test_no_secret_is_in_any_answer_log_record_or_topic(
    api: Api, settings: Settings, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    heard: list[str] = []
    secrets = {TOKEN, OPERATOR_TOKEN, PASSWORD}
    operator = Listening(api.url, "operator", OPERATOR_TOKEN, heard, secrets)
    async with Receiver(lambda _: 500) as receiver:
        await live(api, operator, receiver.url.replace("http://", f"http://user:{PASSWORD}@"), heard, secrets)
        await api.installation.start(worker_for(load_plugin("webhook")))
        await receiver.wait_for(lambda: bool(receiver.received))
    topics = [api.installation.topics.audit, api.installation.topics.control]
    records = [await read_topic_until(settings, topic, lambda records: len(records) > 5) for topic in topics]

    logs = "".join(capfd.readouterr()) + caplog.text + repr([vars(each) for each in caplog.records])
    snapshot = api.installation.feed.snapshot
    state = repr([snapshot.accounts, snapshot.keys, snapshot.sinks, settings, operator_of(api)])
    written = repr(records)
    assert len(secrets) > 8
    for where, text in (("answers", "\n".join(heard)), ("logs", logs), ("repr", state), ("topics", written)):
        for secret in secrets:
            assert secret not in text, f"a secret is in {where}"


async def live(api: Api, operator: Listening, destination: str, heard: list[str], secrets: set[str]) -> None:
    """Everything that makes, shows, changes or refuses credentials."""
    made = await operator.made(ACCOUNTS, FriendlyName="Acme")
    path = f"{ACCOUNTS}/{made['sid']}"
    account = Listening(api.url, made["sid"], made["auth_token"], heard, secrets)
    key = await account.made("/v1/Keys", FriendlyName="k")
    await operator.made(f"{path}/Keys", Scope="read")
    sub = await account.made("/2010-04-01/Accounts.json", FriendlyName="Sub")
    await account.made(f"/2010-04-01/Accounts/{sub['sid']}/Keys.json")
    await account.made("/v1/AuthTokens/Secondary", GraceSeconds="3600")
    by_key = Listening(api.url, key["sid"], key["secret"], heard, secrets)
    sink = await by_key.made(
        "/v1/Sinks",
        Description="d",
        SinkType="webhook",
        SinkConfiguration=f'{{"destination": "{destination}", "standard_webhooks": {{"scheme": "v1"}}}}',
    )
    await api.installation.feed.catch_up()
    subscription = await api.installation.subscribe(api.installation.feed.snapshot.sinks[sink["sid"]])
    await api.installation.hand_to(subscription, api.installation.event(1))
    for asker, paths in (
        (account, read_paths(made["sid"], key["sid"], sink["sid"], sub["sid"])),
        (operator, [ACCOUNTS, path, f"{path}/Keys", "/operator/v1/AuditEvents"]),
        (Listening(api.url, made["sid"], f"{made['auth_token']}x", heard, secrets), ["/v1/Sinks"]),
        (Listening(api.url, key["sid"], made["auth_token"], heard, secrets), ["/v1/Sinks"]),
    ):
        for each in paths:
            await asker.ask("GET", each)
    await account.ask("POST", "/v1/Sinks", Description="d", SinkType="webhook", SinkConfiguration=f"{{{PASSWORD}")
    await account.ask("POST", "/v1/Keys", FriendlyName="k", Scope=key["secret"][:5])
    await account.ask("POST", "/v1/AuthTokens/Promote")
    await operator.made(f"{path}/RotateToken", GraceSeconds="0")
    await operator.ask("POST", "/operator/v1/SecretRotations")


def read_paths(account_sid: str, key_sid: str, sink_sid: str, sub_sid: str) -> Sequence[str]:
    old = f"/2010-04-01/Accounts/{account_sid}"
    return [
        "/v1/Sinks",
        f"/v1/Sinks/{sink_sid}",
        "/v1/Keys",
        f"/v1/Keys/{key_sid}",
        "/v1/AuditEvents",
        "/2010-04-01/Accounts.json",
        f"{old}.json",
        f"{old}/Keys.json",
        f"{old}/Keys/{key_sid}.json",
        f"/2010-04-01/Accounts/{sub_sid}.json",
    ]


async def test_an_error_of_the_official_client_holds_no_secret(api: Api) -> None:
    client = api.client_of(api.installation.account_sid, "a-wrong-token")

    refused = await refusal(lambda: client.events.v1.sinks("DG" + "0" * 32).fetch())

    assert "a-wrong-token" not in f"{refused} {refused.msg}"
