"""The Kinesis sink towards a stream that throttles, and with keys that end: moto's server, behind a gate."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import pytest_asyncio
from aiohttp import web

from eventstreams.sinks import (
    DeadReason,
    Delivered,
    DeliveryOutcome,
    DestinationGuard,
    OutboundEvent,
    Rejected,
    RetryLater,
    RetryReason,
    Sink,
)
from sink_workers.plugins.aws.keys import RoleKeys, assume_role
from sink_workers.plugins.aws.signing import Endpoint
from sink_workers.plugins.kinesis import PLUGIN
from sink_workers.plugins.kinesis.config import KinesisConfig
from sink_workers.plugins.kinesis.request import allowed
from sink_workers.plugins.webhook.client import HttpClient
from tests.support.kinesis import REGION, ROLE, Stream, environ, error, stream_behind_gate
from tests.support.webhooks import LOOPBACK, context, event


@pytest_asyncio.fixture
async def stream(moto: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stream]:
    async with stream_behind_gate(moto, f"events-{uuid.uuid4().hex[:8]}") as made:
        for name, value in environ(made).items():
            monkeypatch.setenv(name, value)
        yield made


@asynccontextmanager
async def opened(stream: Stream, **changes: object) -> AsyncIterator[Sink]:
    """A sink to ``stream``; nothing of this machine's network is open to it but by the operator's settings."""
    given = {"arn": stream.arn, "role_arn": ROLE, "external_id": stream.external_id, **changes}
    sink = await PLUGIN.open(KinesisConfig.model_validate(given), context(DestinationGuard()))
    try:
        yield sink
    finally:
        await sink.aclose()


async def counts(stream: Stream) -> Counter[str]:
    """How often each partition key, which is the event's id, is in the stream."""
    return Counter(key for key, _ in await stream.records())


async def until_delivered(sink: Sink, batch: list[OutboundEvent]) -> list[DeliveryOutcome]:
    """Every outcome until all of ``batch`` is delivered, as a worker goes on: what is to be retried is, alone."""
    seen: list[DeliveryOutcome] = []
    while batch:
        outcomes = await sink.deliver(batch)
        seen += outcomes
        batch = [each for each, outcome in zip(batch, outcomes, strict=True) if not isinstance(outcome, Delivered)]
    return seen


async def test_of_a_stream_that_throttles_one_entry_in_ten_each_event_is_taken_once(stream: Stream) -> None:
    chance = random.Random(8)
    stream.throttles = lambda _: chance.random() < 0.1
    events = [event(number) for number in range(2000)]

    async with opened(stream) as sink:
        outcomes = [
            each for first in range(0, 2000, 500) for each in await until_delivered(sink, events[first : first + 500])
        ]

    assert await counts(stream) == {each.id: 1 for each in events}
    taken = Counter(each for ids, throttled in stream.puts for each in ids if each not in throttled)
    assert set(taken.values()) == {1}
    failed = {outcome for outcome in outcomes if isinstance(outcome, RetryLater)}
    assert {each.reason for each in failed} <= {RetryReason.WRITE_FAILED, RetryReason.THROTTLED}
    assert {each.reason.code for each in failed} <= {93101, 91302}


async def test_a_request_of_which_nothing_is_taken_says_that_the_stream_is_to_be_slowed_down_to(stream: Stream) -> None:
    stream.throttles = lambda _: True

    async with opened(stream) as sink:
        outcomes = await sink.deliver([event(1), event(2)])

    assert [each.reason for each in outcomes if isinstance(each, RetryLater)] == [RetryReason.THROTTLED] * 2


async def test_keys_that_end_are_replaced_before_they_do(stream: Stream) -> None:
    stream.life = timedelta(seconds=3)  # the machine may stand still for one of them
    count = 0

    async with opened(stream) as sink:
        while stream.calls.count("AssumeRole") < 3:
            assert await sink.deliver([event(count)]) == [Delivered()]
            count += 1
            await asyncio.sleep(0.05)

    assert await counts(stream) == {event(number).id: 1 for number in range(count)}


async def test_a_key_that_is_not_let_in_any_more_is_replaced_at_once(stream: Stream) -> None:
    async with opened(stream) as sink:
        assert await sink.deliver([event(1)]) == [Delivered()]
        [key] = stream.keys.values()
        stream.keys.clear()

        outcomes = await until_delivered(sink, [event(2)])

    assert key.id not in stream.keys
    assert all(isinstance(each, Delivered) or each.reason is RetryReason.ROLE_REFUSED for each in outcomes)
    assert await counts(stream) == {event(1).id: 1, event(2).id: 1}


async def test_while_sts_fails_a_key_is_used_to_its_end(stream: Stream) -> None:
    now_s = 0.0
    sts = Endpoint("sts", REGION, f"{stream.url}/", is_operators=True)
    assume = assume_role(ROLE, stream.external_id, session="DG1", allowed=allowed(stream.arn))
    keys = RoleKeys(assume, HttpClient(LOOPBACK), sts, user_agent="test", clock=lambda: now_s)
    try:
        first = await keys.key()
        stream.external_id = "another"  # from here on nobody assumes the role

        now_s = 3500.0
        assert await keys.key() == first
        assert await keys.key() == first
        assert stream.calls == ["AssumeRole"] * 2  # not at each delivery
        now_s = 3601.0
        assert isinstance(await keys.key(), RetryLater)
    finally:
        await keys.aclose()


async def test_a_role_that_is_refused_is_said_with_the_reference_s_code(stream: Stream) -> None:
    async with opened(stream, external_id="of-somebody-else") as sink:
        [outcome] = await sink.deliver([event(1)])
        probed = await sink.probe()

    assert outcome == RetryLater(RetryReason.ROLE_REFUSED, "the role could not be assumed: HTTP 403 AccessDenied")
    assert outcome == probed
    assert RetryReason.ROLE_REFUSED.code == 93102


async def test_a_worker_without_credentials_of_its_own_says_so(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/none")
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/none")

    async with opened(stream) as sink:
        [outcome] = await sink.deliver([event(1)])

    words = "this worker has no AWS credentials to assume the role with"
    assert outcome == RetryLater(RetryReason.ROLE_REFUSED, words)


async def test_a_stream_that_is_not_there_makes_dead_letters(stream: Stream) -> None:
    async with opened(stream, arn=f"{stream.arn}-not") as sink:
        [outcome] = await sink.deliver([event(1)])
        probed = await sink.probe()

    for found in (outcome, probed):
        assert isinstance(found, Rejected)
        assert (found.reason, found.reason.code) == (DeadReason.NO_SUCH_STREAM, 93104)


async def test_a_probe_shows_that_role_and_stream_are_there_and_writes_nothing(stream: Stream) -> None:
    async with opened(stream) as sink:
        assert await sink.probe() == Delivered()

    assert stream.calls.count("PutRecords") == 0


async def test_shards_that_cannot_be_looked_up_are_a_stream_error(stream: Stream) -> None:
    stream.answer = lambda: error("AccessDeniedException")

    async with opened(stream) as sink:
        probed = await sink.probe()

    assert isinstance(probed, RetryLater)
    assert (probed.reason, probed.reason.code) == (RetryReason.STREAM_ERROR, 93103)


async def test_without_the_operator_s_setting_no_address_that_is_not_public_is_connected_to(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sink_workers.plugins.kinesis.sink.url_of", lambda *_: stream.url)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    key = {"access_key_id": "AKIAOFASUBSCRIBER001", "secret_access_key": "of-the-test"}

    async with opened(stream, role_arn=None, external_id=None, **key) as sink:
        [outcome] = await sink.deliver([event(1)])

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.DESTINATION_FORBIDDEN
    assert stream.calls == []


async def test_an_answer_that_repeats_the_key_is_kept_without_it(stream: Stream) -> None:
    stream.answer = lambda: web.json_response(
        {"__type": "ServiceUnavailable", "message": " ".join(stream.secrets)}, status=503
    )

    async with opened(stream) as sink:
        [outcome] = await sink.deliver([event(1)])

    assert isinstance(outcome, RetryLater)
    assert "********" in outcome.answer
    assert not any(secret in outcome.answer for secret in stream.secrets[1:])
