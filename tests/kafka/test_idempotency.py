"""``Idempotency-Key`` on the API's requests: done once, however often and wherever it is sent."""

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from eventstreams.control.records import SinkRecord, SinkStatus
from eventstreams.control.vault import Purpose
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from tests.support.bare_api import BareApi, Form, of_new_account, serving_bare
from tests.support.installation import TOKEN, Installation
from tests.support.replicas import SINK, running_replicas
from tests.support.topic import PATIENCE_S, read_topic

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]


class Caller:
    """Sends requests with keys to any of some APIs."""

    def __init__(self, installation: Installation, session: aiohttp.ClientSession) -> None:
        self.installation = installation
        self._session = session

    async def post(
        self, api: BareApi, key: str, path: str = "/v1/Sinks", form: Form | None = None
    ) -> tuple[int, Any, bool]:
        """Status, body and whether it was an answer of before."""
        headers = {
            "Authorization": aiohttp.encode_basic_auth(self.installation.account_sid, TOKEN),
            "Idempotency-Key": key,
        }
        async with self._session.post(f"{api.url}{path}", data=form or SINK, headers=headers) as answer:
            return answer.status, await answer.json(), answer.headers.get("Idempotency-Replayed") == "true"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(module_settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(module_settings) as installation:
        yield installation


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(installation: Installation) -> AsyncIterator[BareApi]:
    async with serving_bare(installation.settings, installation.account_sid) as api:
        yield api


@pytest_asyncio.fixture(loop_scope="module")
async def api(installation: Installation, shared: BareApi) -> BareApi:
    return await of_new_account(shared, installation)


@pytest_asyncio.fixture(loop_scope="module")
async def caller(installation: Installation, api: BareApi) -> AsyncIterator[Caller]:
    """Of the account of ``api``."""
    async with aiohttp.ClientSession() as session:
        yield Caller(installation, session)


def a_key() -> str:
    return str(uuid.uuid4())


async def sinks(api: BareApi) -> list[str]:
    return [each["sid"] for each in (await api.get("/v1/Sinks"))["sinks"]]


async def test_the_same_request_with_the_same_key_is_done_once(caller: Caller, api: BareApi) -> None:
    key = a_key()

    first = await caller.post(api, key)
    again = await caller.post(api, f'"{key}"')

    assert first[0] == HTTPStatus.CREATED
    assert again == (first[0], first[1], True)
    assert await sinks(api) == [first[1]["sid"]]
    assert (await caller.post(api, a_key()))[1]["sid"] != first[1]["sid"]


async def test_another_request_with_the_same_key_is_refused(caller: Caller, api: BareApi) -> None:
    key = a_key()
    await caller.post(api, key)

    status, body, _ = await caller.post(api, key, form={**SINK, "Description": "another"})

    assert status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "Idempotency-Key" in body["message"]
    assert len(await sinks(api)) == 1


async def test_requests_with_one_key_at_once_are_done_once(caller: Caller, api: BareApi) -> None:
    key = a_key()

    answers = await asyncio.gather(*(caller.post(api, key) for _ in range(8)))

    assert {status for status, _, _ in answers} == {HTTPStatus.CREATED}
    assert {body["sid"] for _, body, _ in answers} == set(await sinks(api))
    assert sum(replayed for _, _, replayed in answers) == 7


async def test_a_key_is_its_accounts_own(caller: Caller, api: BareApi, installation: Installation) -> None:
    key = a_key()
    first = await caller.post(api, key)
    await installation.new_account()
    async with asyncio.timeout(PATIENCE_S):
        while (await api.as_account(installation.account_sid).ask("GET", "/v1/Sinks"))[0] == HTTPStatus.UNAUTHORIZED:
            await asyncio.sleep(0.02)

    status, body, replayed = await caller.post(api, key)

    assert (status, replayed) == (HTTPStatus.CREATED, False)
    assert body["sid"] != first[1]["sid"]


async def test_a_refusal_is_not_remembered(caller: Caller, api: BareApi, installation: Installation) -> None:
    key = a_key()
    there = [sink_of(installation) for _ in range(100)]
    for sink in there:
        await installation.put(sink)

    assert (await caller.post(api, key))[0] == HTTPStatus.BAD_REQUEST
    status, _ = await delete(api, caller, there[0].sid)
    assert status == HTTPStatus.NO_CONTENT

    assert (await caller.post(api, key))[0] == HTTPStatus.CREATED


async def delete(api: BareApi, caller: Caller, sid: str) -> tuple[int, bytes]:
    headers = {"Authorization": aiohttp.encode_basic_auth(caller.installation.account_sid, TOKEN)}
    async with aiohttp.ClientSession() as session, session.delete(f"{api.url}/v1/Sinks/{sid}", headers=headers) as it:
        return it.status, await it.read()


def sink_of(installation: Installation) -> SinkRecord:
    sid = new_sid(SidKind.SINK)
    return SinkRecord(
        sid=sid,
        account_sid=installation.account_sid,
        description="of the test",
        sink_type="webhook",
        configuration=installation.vault.lock("{}", Purpose.SINK_CONFIGURATION, sid),
        status=SinkStatus.ACTIVE,
        created_ms=1,
        updated_ms=1,
    )


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256], ids=["empty", "a space", "no ASCII", "too long"])
async def test_a_key_that_is_none_is_refused(caller: Caller, api: BareApi, key: str) -> None:
    status, body, _ = await caller.post(api, key)

    assert status == HTTPStatus.BAD_REQUEST
    assert "Idempotency-Key" in body["message"]


async def test_a_request_that_writes_nothing_has_its_answer_remembered_too(caller: Caller, api: BareApi) -> None:
    _, sink, _ = await caller.post(api, a_key())
    key, path, form = a_key(), f"/v1/Sinks/{sink['sid']}/Delivery", {"Paused": "false"}

    first = await caller.post(api, key, path, form)
    assert first[0] == HTTPStatus.OK
    await api.post(path, {"Paused": "true"}, expect=200)

    assert await caller.post(api, key, path, form) == (first[0], first[1], True)


async def test_what_cannot_be_remembered_is_not_done(caller: Caller, api: BareApi) -> None:
    key, ids = a_key(), [("EventId", f"{number:03}" + "\x01" * 252) for number in range(320)]

    for _ in range(2):
        status, body, replayed = await caller.post(api, key, "/v1/Redrives", ids)
        assert (status, body["code"], replayed) == (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, 20413, False)

    assert (await api.get("/v1/Redrives"))["redrives"] == []


async def test_an_answer_is_remembered_by_replicas_and_after_a_restart(settings: Settings) -> None:
    key = a_key()
    async with Installation(settings) as installation, aiohttp.ClientSession() as session:
        caller = Caller(installation, session)
        async with (
            serving_bare(settings, installation.account_sid) as first,
            serving_bare(settings, installation.account_sid) as second,
        ):
            answer = await caller.post(first, key)
            assert (await caller.post(second, key))[:2] == answer[:2]

        async with serving_bare(settings, installation.account_sid) as third:
            assert (await caller.post(third, key))[:2] == answer[:2]
            assert await sinks(third) == [answer[1]["sid"]]


async def test_a_secret_in_an_answer_is_encrypted_on_its_topic(settings: Settings) -> None:
    signed = {**SINK, "SinkConfiguration": SINK["SinkConfiguration"][:-1] + ',"standard_webhooks":{}}'}
    async with (
        Installation(settings) as installation,
        serving_bare(settings, installation.account_sid) as api,
        aiohttp.ClientSession() as session,
    ):
        caller = Caller(installation, session)
        status, sink, _ = await caller.post(api, a_key(), form=signed)
        assert status == HTTPStatus.CREATED, sink
        key, path, form = a_key(), f"/v1/Sinks/{sink['sid']}/SigningSecret", {"GraceSeconds": "0"}

        status, rotated, _ = await caller.post(api, key, path, form)

        assert status == HTTPStatus.OK, rotated
        secret = max((str(value) for value in rotated.values()), key=lambda text: text.startswith("whsec_"))
        assert secret.startswith("whsec_")
        records = await read_topic(installation.settings, installation.topics.answers, 2)
        assert all(secret.encode() not in each.value and key.encode() not in (each.key or b"") for each in records)
        assert (await caller.post(api, key, path, form))[1] == rotated


async def test_a_request_that_a_dying_primary_took_is_done_once(settings: Settings, tmp_path: Path) -> None:
    async with running_replicas(settings, tmp_path, 2) as replicas:
        old, [other] = replicas.primary, replicas.others
        keys = [a_key() for _ in range(60)]

        async def post(key: str) -> str:
            while True:
                status, body = await replicas.ask(other, "POST", "/v1/Sinks", SINK, headers={"Idempotency-Key": key})
                if status != HTTPStatus.SERVICE_UNAVAILABLE:  # on a busy machine nobody may be primary for so long
                    break
                await asyncio.sleep(0.2)
            assert status == HTTPStatus.CREATED, body
            sid: str = body["sid"]
            return sid

        asking = asyncio.gather(*(post(key) for key in keys))
        await old.end(signal.SIGKILL)  # in the middle of them
        first = await asking
        again = await asyncio.gather(*(post(key) for key in keys))

        assert again == first
        assert await replicas.all_sinks(other) == set(first)
        assert len(set(first)) == len(keys)
