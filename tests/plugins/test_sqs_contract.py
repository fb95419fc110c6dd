"""The SQS plugin keeps the contract of all sinks, towards moto's server; and what a FIFO queue has of it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

import orjson
import pytest
from aiohttp import web
from typing_extensions import override

from eventstreams.sinks import Delivered, DestinationGuard, RetryLater, RetryReason
from eventstreams.testing import Ability, Arrival, Destination, SinkContract
from sink_workers.plugins.sqs.config import SqsConfig
from sink_workers.plugins.sqs.request import MAX_BYTES
from sink_workers.plugins.sqs.sink import open_sink
from tests.support.kinesis import ROLE, environ, error
from tests.support.sqs import Queue, queue_behind_gate
from tests.support.webhooks import context, event


class SqsQueue(Destination):
    """A queue that takes messages from whoever assumed its role with the right external id."""

    config: dict[str, object]
    secrets: Sequence[str]

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.config = {"arn": queue.arn, "role_arn": ROLE, "external_id": queue.external_id}
        self.secrets = queue.secrets

    @override
    async def arrived(self) -> Sequence[Arrival]:
        events = [orjson.loads(str(message["Body"])) for message in await self.queue.messages()]
        return [Arrival(each["id"], each) for each in events]

    @override
    async def heal(self) -> None:
        self.queue.answer = None
        self.queue.throttles = lambda _: False
        self.queue.refused = ()
        self.queue.held.set()

    @override
    async def refuse(self, ids: Collection[str]) -> None:
        self.queue.refused = list(ids)

    @override
    async def defer(self, ids: Collection[str]) -> None:
        self.queue.throttles = lambda event_id: event_id in ids

    @override
    def too_large(self) -> int:
        return MAX_BYTES + 1

    @override
    async def go_down(self) -> None:
        self.queue.answer = lambda: error("ServiceUnavailable", status=503)

    @override
    async def babble(self) -> None:
        self.queue.answer = lambda: web.Response(body=b'{"Successful": [{"Id": "0"' + b"\xff\x00" * 10_000)

    @override
    async def hang(self) -> asyncio.Event:
        self.queue.held.clear()
        self.queue.reached.clear()
        return self.queue.reached

    @override
    async def rotate(self) -> None:
        self.queue.external_id = "another-external-id"
        self.queue.keys.clear()
        self.config = {**self.config, "external_id": self.queue.external_id}


class TestSqs(SinkContract):
    sink_type = "sqs"
    unguarded = "where the service is AWS' or the operator's, by AWS_ENDPOINT_URL"
    cannot: ClassVar[Mapping[Ability, str]] = {}

    @pytest.fixture(autouse=True)
    def _with(self, moto: str) -> None:
        self.moto = moto

    @override
    @asynccontextmanager
    async def destination(self) -> AsyncIterator[Destination]:
        async with queue_behind_gate(self.moto, f"events-{uuid.uuid4().hex[:8]}") as queue:
            with pytest.MonkeyPatch.context() as patch:
                for name, value in environ(queue).items():
                    patch.setenv(name, value)
                yield SqsQueue(queue)


async def test_a_fifo_queue_has_events_in_order_by_group_and_a_second_copy_of_none(
    moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with queue_behind_gate(moto, f"events-{uuid.uuid4().hex[:8]}.fifo") as queue:
        for name, value in environ(queue).items():
            monkeypatch.setenv(name, value)
        given = {"arn": queue.arn, "role_arn": ROLE, "external_id": queue.external_id, "message_group": "account_sid"}
        sink = await open_sink(SqsConfig.model_validate(given), context(DestinationGuard()))
        try:
            for _ in range(2):
                assert await sink.deliver([event(number) for number in range(10)]) == [Delivered()] * 10
        finally:
            await sink.aclose()

        messages = await queue.messages()
    assert [orjson.loads(str(each["Body"]))["id"] for each in messages] == [event(number).id for number in range(10)]


async def test_a_queue_that_is_not_there_is_waited_for(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with queue_behind_gate(moto, f"events-{uuid.uuid4().hex[:8]}") as queue:
        for name, value in environ(queue).items():
            monkeypatch.setenv(name, value)
        given = {"arn": f"{queue.arn}-not", "role_arn": ROLE, "external_id": queue.external_id}
        sink = await open_sink(SqsConfig.model_validate(given), context(DestinationGuard()))
        try:
            [outcome] = await sink.deliver([event(1)])
            probed = await sink.probe()
        finally:
            await sink.aclose()

    for found in (outcome, probed):
        assert isinstance(found, RetryLater)
        assert (found.reason, found.reason.code) == (RetryReason.STREAM_ERROR, 93103)
