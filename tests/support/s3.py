"""S3 for tests: moto's server, as a process, behind a gate that checks signatures and can misbehave."""

import gzip
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any, Final

import aiohttp
import fastavro
import orjson
from aiohttp import web
from botocore.session import Session
from typing_extensions import override
from yarl import URL

from eventstreams.process.health import serve_app
from eventstreams.process.listen import address_of, open_socket
from sink_workers.plugins.aws.signing import Endpoint
from tests.support.kinesis import OWN_KEY, REGION, Stream, signature_problem

_KEPT: Final = ("ETag", "Content-Type")


@dataclass(slots=True)
class Bucket(Stream):
    """One bucket in moto, made for one test, and the gate in front of it. ``calls`` has methods instead of names.

    Attributes:
        refuses: Paths that are answered with an error.
    """

    is_locked: bool = False
    refuses: Callable[[str], bool] = lambda _: False

    @override
    async def create(self, shards: int) -> None:
        headers = {"x-amz-bucket-object-lock-enabled": "true"} if self.is_locked else {}
        region = f"<LocationConstraint>{REGION}</LocationConstraint>"
        where = f"<CreateBucketConfiguration>{region}</CreateBucketConfiguration>".encode()
        request = Endpoint("s3", REGION, self.moto, is_operators=True).signed(
            OWN_KEY, headers, where, method="PUT", path=self.name
        )
        async with self.http.put(request.url, data=where, headers=request.headers) as answer:
            assert answer.status == 200, await answer.text()

    def objects(self) -> Mapping[str, bytes]:
        """Every object, by its key."""
        s3 = client(self.moto)
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return {key: s3.get_object(Bucket=self.name, Key=key)["Body"].read() for key in keys}

    @override
    async def serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.method == "POST":
            self.calls.append("AssumeRole")
            return await self._assume(request, body)
        self.calls.append(request.method)
        self.reached.set()
        await self.held.wait()
        if self.answer is not None:
            return self.answer()
        if signature_problem(request, body, self.keys) is not None:
            return s3_error("InvalidAccessKeyId", status=403)
        if self.refuses(request.raw_path):
            return s3_error("InternalError", status=500)
        url = f"{self.moto.rstrip('/')}{request.raw_path}"
        headers = {name: value for name, value in request.headers.items() if name not in {"Host", "Accept-Encoding"}}
        async with self.http.request(request.method, URL(url, encoded=True), data=body, headers=headers) as answer:
            kept = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)


@cache
def client(url: str) -> Any:
    """Return AWS' own client. Untyped: its methods are generated at run time."""
    return Session().create_client(
        "s3",
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id=OWN_KEY.id,
        aws_secret_access_key=OWN_KEY.secret,
    )


def s3_error(code: str, *, status: int, message: str = "in words") -> web.Response:
    """Return an error response of S3."""
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return web.Response(status=status, text=text, content_type="application/xml")


def events_in(objects: Mapping[str, bytes]) -> Sequence[tuple[str, Mapping[str, object]]]:
    """Return object key and event of every row, read with third-party readers; absent attributes are left out."""
    return [(key, event) for key, body in objects.items() for event in _rows(key, body)]


def _rows(key: str, body: bytes) -> Iterator[Mapping[str, object]]:
    if key.endswith(".jsonl.gz"):
        yield from (orjson.loads(line) for line in gzip.decompress(body).splitlines())
        return
    for row in fastavro.reader(BytesIO(body)):
        assert isinstance(row, dict)
        yield {name: value for name, value in row.items() if value is not None}


@asynccontextmanager
async def bucket_behind_gate(moto: str, name: str, *, is_locked: bool = False) -> AsyncIterator[Bucket]:
    """Create a bucket that accepts everything from holders of its role."""
    async with aiohttp.ClientSession() as http:
        bucket = Bucket(moto, name, http, is_locked=is_locked)
        bucket.held.set()
        await bucket.create(0)
        app = web.Application(client_max_size=16 << 20)
        app.router.add_route("*", "/{path:.*}", bucket.serve)
        listening = open_socket("127.0.0.1:0", setting="listen")
        bucket.url = f"http://{address_of(listening)}"
        async with serve_app(app, listening):
            yield bucket
