"""The HTTP gateway on a real broker: in all three modes, all of a request or nothing, and never a 500."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest
import pytest_asyncio

from eventstreams.settings import Settings
from tests.support.events import SENT
from tests.support.gateway import BATCH, STRUCTURED, Gateway, cloudevent, running
from tests.support.installation import header
from tests.support.topic import read_topic

pytestmark = pytest.mark.kafka


@pytest.fixture
async def gateway(settings: Settings) -> AsyncIterator[Gateway]:
    async with running(settings.model_copy(update={"events_partitions": 1})) as gateway:
        yield gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings) -> AsyncIterator[Gateway]:
    """For tests that do not look at what is on the topic: theirs is not the only thing there."""
    async with running(module_settings.model_copy(update={"events_partitions": 1})) as gateway:
        yield gateway


async def test_an_event_is_accepted_with_its_id_once_kafka_has_it(gateway: Gateway) -> None:
    status, answer = await gateway.post(cloudevent(1))

    assert (status, answer) == (202, {"ids": ["EZ1"]})
    [record] = await read_topic(gateway.installation.settings, gateway.installation.topics.events, 1)
    assert header(record, "ce_accountsid") == gateway.installation.account_sid
    assert header(record, "ce_dataschema").endswith("/Messaging.MessageStatus/8")


async def test_a_batch_is_accepted_in_order(gateway: Gateway) -> None:
    status, answer = await gateway.post([cloudevent(number, partitionkey="one") for number in range(50)], BATCH)

    assert status == 202
    assert answer["ids"] == await gateway.accepted(50) == [f"EZ{number}" for number in range(50)]


async def test_attributes_may_stand_in_headers(gateway: Gateway) -> None:
    headers = {"ce-specversion": "1.0", "ce-type": SENT, "ce-source": "/a%20b", "ce-id": "EZ7"}

    status, answer = await gateway.post(cloudevent(7)["data"], {**headers, "Content-Type": "application/json"})

    assert (status, answer) == (202, {"ids": ["EZ7"]})
    [record] = await read_topic(gateway.installation.settings, gateway.installation.topics.events, 1)
    assert header(record, "ce_source") == "/a b"


async def test_a_publishers_own_trace_is_kept_where_we_make_none(gateway: Gateway) -> None:
    trace = {"traceparent": "00-" + "ab" * 16 + "-" + "cd" * 8 + "-00", "tracestate": "vendor=1"}

    await gateway.post(cloudevent(1), {**STRUCTURED, **trace})

    [record] = await read_topic(gateway.installation.settings, gateway.installation.topics.events, 1)
    assert {name: header(record, name) for name in trace} == trace


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(cloudevent(1, type="com.acme.no"), "$.type is not an event type of the catalogue", id="type"),
        pytest.param(cloudevent(1, data={}), "$.data.messageSid is missing", id="data"),
        pytest.param(cloudevent(1, source=None), "$.source", id="no source"),
        pytest.param(cloudevent(1, specversion="0.3"), "$.specversion", id="version"),
        pytest.param(cloudevent(1, accountsid="AC" + "0" * 32), "$.accountsid is not the account", id="account"),
        pytest.param([], "must be a JSON object", id="a list"),
        pytest.param(b"{", "is not JSON", id="no JSON"),
        pytest.param(b"\xff", "is not UTF-8", id="no text"),
    ],
)
async def test_an_event_that_is_wrong_is_refused_and_the_next_one_accepted(
    gateway: Gateway, body: object, words: str
) -> None:
    status, answer = await gateway.post(body)

    assert status == 400
    assert words in answer["message"]
    assert (await gateway.post(cloudevent(2)))[0] == 202
    assert await gateway.accepted(1) == ["EZ2"]


async def test_one_wrong_event_refuses_its_batch_and_is_named(gateway: Gateway) -> None:
    batch = [cloudevent(1), cloudevent(2, type="com.acme.no"), cloudevent(3, data={})]

    status, answer = await gateway.post(batch, BATCH)

    assert status == 400
    assert answer["message"].startswith("Nothing was published: event 1: $.type ")
    assert [(each["position"], each["path"]) for each in answer["details"]["errors"]] == [
        (1, "$.type"),
        (2, "$.data.messageSid"),
    ]
    await gateway.post(cloudevent(9))
    assert await gateway.accepted(1) == ["EZ9"]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        pytest.param({"Content-Type": "text/plain"}, b"x", 415, id="no mode"),
        pytest.param({"Content-Type": "application/cloudevents+json; charset=latin-1"}, b"{}", 415, id="charset"),
        pytest.param(BATCH, b"{}", 400, id="no list"),
        pytest.param(BATCH, b"[" + b"1," * 1000 + b"1]", 413, id="too many"),
        pytest.param(STRUCTURED, b" " * (3 << 20), 413, id="too large"),
        pytest.param({**STRUCTURED, "Content-Encoding": "gzip"}, b"not gzip", 400, id="no gzip"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_request_that_is_wrong_is_told_so(
    shared: Gateway, headers: Mapping[str, str], body: bytes, status: int
) -> None:
    found, answer = await shared.post(body, headers)

    assert found == status
    assert set(answer) >= {"code", "message", "more_info", "status"}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_request_that_is_repeated_with_its_key_has_the_same_ids(shared: Gateway) -> None:
    batch = [cloudevent(1, id=None), cloudevent(2, id=None), cloudevent(3)]

    _, first = await shared.post(batch, {**BATCH, "Idempotency-Key": "order-7"})
    _, again = await shared.post(batch, {**BATCH, "Idempotency-Key": '"order-7"'})
    _, other = await shared.post(batch, {**BATCH, "Idempotency-Key": "order-8"})

    assert first == again
    assert len({*first["ids"], *other["ids"]}) == 5
    assert first["ids"][2] == other["ids"][2] == "EZ3"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_key_that_is_used_for_another_event_makes_another_id(shared: Gateway) -> None:
    key = {**STRUCTURED, "Idempotency-Key": "k"}

    _, first = await shared.post(cloudevent(1, id=None), key)
    _, other = await shared.post(cloudevent(2, id=None), key)

    assert first != other


@pytest.mark.parametrize("key", ["", " ", "é", "a b", "x" * 256])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_key_that_is_none_is_told(shared: Gateway, key: str) -> None:
    status, answer = await shared.post(cloudevent(1), {**STRUCTURED, "Idempotency-Key": key})

    assert status == 400
    assert "Idempotency-Key must be" in answer["message"]


@pytest.mark.asyncio(loop_scope="module")
async def test_nobody_publishes_without_the_token(shared: Gateway) -> None:
    assert (await shared.post(cloudevent(1), token="wrong"))[0] == 401


async def test_requests_under_way_are_answered_when_it_stops(settings: Settings) -> None:
    async with running(settings) as gateway:
        posting = [asyncio.create_task(gateway.post(cloudevent(number))) for number in range(20)]
        await asyncio.wait(posting, return_when=asyncio.FIRST_COMPLETED)

    answers = await asyncio.gather(*posting, return_exceptions=True)
    assert all(isinstance(each, aiohttp.ClientError) or each[0] == 202 for each in answers)  # type: ignore[index]  # an answer
