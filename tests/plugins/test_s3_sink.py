"""The S3 sink towards a bucket with object lock, which can fail for single objects: moto's, behind a gate."""

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from eventstreams.sinks import Delivered, DestinationGuard, RetryLater, RetryReason, Sink
from sink_workers.plugins.aws.signing import AccessKey
from sink_workers.plugins.s3 import PLUGIN
from sink_workers.plugins.s3.config import S3Config
from tests.support.kinesis import REGION, ROLE, environ
from tests.support.s3 import Bucket, bucket_behind_gate, client, events_in
from tests.support.webhooks import context, event


@pytest_asyncio.fixture
async def bucket(moto: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bucket]:
    async with bucket_behind_gate(moto, f"events-{uuid.uuid4().hex[:8]}", is_locked=True) as made:
        for name, value in environ(made).items():
            monkeypatch.setenv(name, value)
        yield made


@asynccontextmanager
async def opened(to: Bucket, **changes: object) -> AsyncIterator[Sink]:
    """A sink to ``to``; nothing of this machine's network is open to it but by the operator's settings."""
    given = {"bucket": to.name, "region": REGION, "role_arn": ROLE, "external_id": to.external_id}
    config = S3Config.model_validate({**given, "format": "jsonl", **changes})
    sink = await PLUGIN.open(config, context(DestinationGuard()))
    try:
        yield sink
    finally:
        await sink.aclose()


async def test_an_object_that_is_stored_again_changes_nothing(bucket: Bucket) -> None:
    batch = [event(1), event(2)]

    async with opened(bucket) as sink:
        assert await sink.deliver(batch) == await sink.deliver(batch) == [Delivered()] * 2

    assert bucket.calls == ["AssumeRole", "PUT", "PUT"]
    assert [row["id"] for _, row in events_in(bucket.objects())] == ["EZ1", "EZ2"]


async def test_threads_that_wait_for_name_servers_hold_up_no_object(bucket: Bucket) -> None:
    loop, answered = asyncio.get_running_loop(), threading.Event()
    loop.set_default_executor(ThreadPoolExecutor(1))

    async with opened(bucket) as sink:
        assert await sink.deliver([event(1)]) == [Delivered()]  # it has its key and a connection
        waiting = loop.run_in_executor(None, answered.wait)
        try:
            outcomes = await sink.deliver([event(2)])
        finally:
            answered.set()
            await waiting

    assert outcomes == [Delivered()]


async def test_objects_are_locked_as_long_as_their_owner_asks(bucket: Bucket) -> None:
    async with opened(bucket, lock_mode="governance", retain_days=3) as sink:
        assert await sink.deliver([event(1)]) == [Delivered()]

    [key] = bucket.objects()
    found = await asyncio.to_thread(client(bucket.moto).head_object, Bucket=bucket.name, Key=key)
    assert found["ObjectLockMode"] == "GOVERNANCE"
    assert abs(found["ObjectLockRetainUntilDate"] - datetime.now(UTC) - timedelta(days=3)) < timedelta(minutes=5)


async def test_each_event_of_a_batch_is_judged_by_its_own_object(bucket: Bucket) -> None:
    bucket.refuses = lambda path: "other" in path
    other = replace(event(3), type="com.acme.other")

    async with opened(bucket) as sink:
        outcomes = await sink.deliver([event(1), other, event(2)])

    assert outcomes[0] == outcomes[2] == Delivered()
    assert isinstance(outcomes[1], RetryLater)
    assert outcomes[1].reason is RetryReason.SERVER_ERROR
    assert [row["id"] for _, row in events_in(bucket.objects())] == ["EZ1", "EZ2"]


async def test_an_event_whose_schema_nobody_knows_waits(bucket: Bucket) -> None:
    async with opened(bucket, format="avro") as sink:
        [outcome] = await sink.deliver([event(1)])

    assert outcome == RetryLater(RetryReason.SINK_UNUSABLE, "the Avro schema of its data is not known")


async def test_a_bucket_that_is_not_there_says_so(bucket: Bucket) -> None:
    async with opened(bucket, bucket=f"{bucket.name}-not") as sink:
        [outcome] = await sink.deliver([event(1)])
        probed = await sink.probe()

    for found in (outcome, probed):
        assert isinstance(found, RetryLater)
        assert (found.reason, found.detail) == (RetryReason.SINK_UNUSABLE, "HTTP 404 NoSuchBucket")


async def test_an_endpoint_of_the_subscriber_must_be_at_a_public_address(bucket: Bucket) -> None:
    key = {"access_key_id": "AKIAOFASUBSCRIBER001", "secret_access_key": "of-the-test"}

    async with opened(bucket, role_arn=None, external_id=None, endpoint=bucket.url, **key) as sink:
        [outcome] = await sink.deliver([event(1)])

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.DESTINATION_FORBIDDEN
    assert bucket.calls == []


async def test_a_server_of_another_make_is_written_to_with_its_own_words_for_region_and_key(bucket: Bucket) -> None:
    key = AccessKey("minioadmin", "a-secret-of-theirs")
    bucket.keys = {key.id: key}
    where = {"bucket": bucket.name, "endpoint": bucket.url, "region": "garage", "format": "jsonl"}
    config = S3Config.model_validate({**where, "access_key_id": key.id, "secret_access_key": key.secret})

    sink = await PLUGIN.open(config, context())
    try:
        outcomes = [*await sink.deliver([event(1)]), await sink.probe()]
    finally:
        await sink.aclose()

    assert outcomes == [Delivered()] * 2
    assert [row["id"] for _, row in events_in(bucket.objects())] == ["EZ1"]
