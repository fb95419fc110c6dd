"""The S3 plugin keeps the contract of all sinks, towards moto's server: a process that keeps objects."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ClassVar

import orjson
import pytest
from aiohttp import web
from typing_extensions import override

from eventstreams.sinks import OutboundEvent
from eventstreams.testing import Ability, Arrival, Destination, SinkContract
from sink_workers.plugins.aws.signing import AccessKey
from tests.support.kinesis import REGION, ROLE, environ
from tests.support.s3 import Bucket, bucket_behind_gate, events_in, s3_error

_SCHEMA = {
    "type": "record",
    "name": "Thing",
    "fields": [{"name": "canary", "type": "string"}, {"name": "json", "type": "string"}],
}


class S3Bucket(Destination):
    """A bucket that takes JSON lines from whoever assumed its role with the right external id."""

    config: dict[str, object]
    secrets: Sequence[str]

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.config = {
            "bucket": bucket.name,
            "region": REGION,
            "role_arn": ROLE,
            "external_id": bucket.external_id,
            "format": "jsonl",
        }
        self.secrets = bucket.secrets

    @override
    async def arrived(self) -> Sequence[Arrival]:
        objects = await asyncio.to_thread(self.bucket.objects)
        return [Arrival(str(event["id"]), event) for _, event in events_in(objects)]

    @override
    async def heal(self) -> None:
        self.bucket.answer = None
        self.bucket.held.set()

    @override
    async def go_down(self) -> None:
        self.bucket.answer = lambda: s3_error("ServiceUnavailable", status=503)

    @override
    async def babble(self) -> None:
        self.bucket.answer = lambda: web.Response(body=b"<PutObjectResult>" + b"\xff\x00" * 10_000)

    @override
    async def hang(self) -> asyncio.Event:
        self.bucket.held.clear()
        self.bucket.reached.clear()
        return self.bucket.reached

    @override
    async def rotate(self) -> None:
        self.bucket.external_id = "another-external-id"
        self.bucket.keys.clear()
        self.config = {**self.config, "external_id": self.bucket.external_id}


class S3BucketOfUser(S3Bucket):
    """The same in Avro, at an endpoint of the subscriber's, with an access key."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket)
        self._use(AccessKey("AKIAOFASUBSCRIBER001", "the-secret-of-before"))

    def _use(self, key: AccessKey) -> None:
        self.bucket.keys = {key.id: key}
        self.config = {
            "bucket": self.bucket.name,
            "endpoint": self.bucket.url,
            "prefix": "a/b",
            "access_key_id": key.id,
            "secret_access_key": key.secret,
        }
        self.secrets = [*self.bucket.secrets, key.secret]

    @override
    async def rotate(self) -> None:
        self._use(AccessKey("AKIAOFASUBSCRIBER002", "the-secret-of-after"))


class TestS3(SinkContract):
    sink_type = "s3"
    unguarded = "where the service is AWS' or the operator's, by AWS_ENDPOINT_URL; an endpoint has tests of its own"
    cannot: ClassVar[Mapping[Ability, str]] = {
        "refuse": "S3 looks at no event",
        "defer": "events of one type and day are one object, which S3 takes or does not",
        "too_large": "S3 takes objects of 5 GB, a thousand times the largest batch",
    }
    kind: ClassVar[type[S3Bucket]] = S3Bucket

    @pytest.fixture(autouse=True)
    def _with(self, moto: str) -> None:
        self.moto = moto

    @override
    def expected(self, event: OutboundEvent) -> object:
        found = orjson.loads(event.json())
        return {**found, "accountsid": event.account_sid, "partitionkey": event.partition_key}

    @override
    @asynccontextmanager
    async def destination(self) -> AsyncIterator[Destination]:
        async with bucket_behind_gate(self.moto, f"events-{uuid.uuid4().hex[:8]}") as bucket:
            with pytest.MonkeyPatch.context() as patch:
                for name, value in environ(bucket).items():
                    patch.setenv(name, value)
                yield self.kind(bucket)


class TestS3InAvroWithAccessKey(TestS3):
    """As an IAM user, without a role, to another server than AWS', in Avro."""

    kind = S3BucketOfUser

    @override
    def event(self, number: int, *, size: int = 0, attempt: int = 1) -> OutboundEvent:
        event = super().event(number, size=size, attempt=attempt)
        data = {"canary": event.data["canary"], "json": event.json().decode()}
        return replace(event, data=data, avro_schema=orjson.dumps(_SCHEMA).decode(), _json=None)

    @override
    def expected(self, event: OutboundEvent) -> object:
        found = orjson.loads(event.json())
        of_json = ("specversion", "datacontenttype")
        return {
            **{name: value for name, value in found.items() if name not in of_json},
            "accountsid": event.account_sid,
            "partitionkey": event.partition_key,
        }
