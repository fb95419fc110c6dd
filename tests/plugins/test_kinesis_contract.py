"""The Kinesis plugin keeps the contract of all sinks, towards moto's server: a process that keeps streams."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

import orjson
import pytest
from aiohttp import web
from typing_extensions import override

from eventstreams.testing import Ability, Arrival, Destination, SinkContract
from sink_workers.plugins.aws.signing import AccessKey
from sink_workers.plugins.kinesis.request import MAX_RECORD_BYTES
from tests.support.kinesis import ROLE, Stream, environ, error, stream_behind_gate


class KinesisStream(Destination):
    """A stream that takes records from whoever assumed its role with the right external id."""

    config: dict[str, object]
    secrets: Sequence[str]

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.config = {"arn": stream.arn, "role_arn": ROLE, "external_id": stream.external_id}
        self.secrets = stream.secrets

    @override
    async def arrived(self) -> Sequence[Arrival]:
        events = [orjson.loads(data) for _, data in await self.stream.records()]
        return [Arrival(event["id"], event) for event in events]

    @override
    async def heal(self) -> None:
        self.stream.answer = None
        self.stream.throttles = lambda _: False
        self.stream.held.set()

    @override
    async def defer(self, ids: Collection[str]) -> None:
        self.stream.throttles = lambda event_id: event_id in ids

    @override
    def too_large(self) -> int:
        return MAX_RECORD_BYTES

    @override
    async def go_down(self) -> None:
        self.stream.answer = lambda: error("ServiceUnavailable", status=503)

    @override
    async def babble(self) -> None:
        self.stream.answer = lambda: web.Response(body=b'{"Records": [' + b"\xff\x00" * 10_000)

    @override
    async def hang(self) -> asyncio.Event:
        self.stream.held.clear()
        self.stream.reached.clear()
        return self.stream.reached

    @override
    async def rotate(self) -> None:
        self.stream.external_id = "another-external-id"
        self.stream.keys.clear()
        self.config = {**self.config, "external_id": self.stream.external_id}


class KinesisStreamOfUser(KinesisStream):
    """The same without a role: an IAM user's access key."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self._use(AccessKey("AKIAOFASUBSCRIBER001", "the-secret-of-before"))

    def _use(self, key: AccessKey) -> None:
        self.stream.keys = {key.id: key}
        self.config = {"arn": self.stream.arn, "access_key_id": key.id, "secret_access_key": key.secret}
        self.secrets = [*self.stream.secrets, key.secret]

    @override
    async def rotate(self) -> None:
        self._use(AccessKey("AKIAOFASUBSCRIBER002", "the-secret-of-after"))


class TestKinesis(SinkContract):
    sink_type = "kinesis"
    unguarded = "where the service is AWS' or the operator's, by AWS_ENDPOINT_URL"
    cannot: ClassVar[Mapping[Ability, str]] = {"refuse": "Kinesis refuses no record for what is in it"}
    kind: ClassVar[type[KinesisStream]] = KinesisStream

    @pytest.fixture(autouse=True)
    def _with(self, moto: str) -> None:
        self.moto = moto

    @override
    @asynccontextmanager
    async def destination(self) -> AsyncIterator[Destination]:
        async with stream_behind_gate(self.moto, f"events-{uuid.uuid4().hex[:8]}") as stream:
            with pytest.MonkeyPatch.context() as patch:
                for name, value in environ(stream).items():
                    patch.setenv(name, value)
                yield self.kind(stream)


class TestKinesisWithAccessKey(TestKinesis):
    """As an IAM user, without a role."""

    kind = KinesisStreamOfUser
