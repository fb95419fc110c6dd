"""Kinesis and STS for tests: moto's server, as a process, behind a gate that checks signatures and can misbehave."""

import asyncio
import base64
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

import aiohttp
import orjson
from aiohttp import web
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from eventstreams.local.ports import free_ports
from eventstreams.process.health import serve_app
from eventstreams.process.listen import address_of, open_socket
from sink_workers.plugins.aws.signing import AccessKey, Endpoint

ACCOUNT: Final = "123456789012"
REGION: Final = "eu-central-1"
ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/events"
OWN_KEY: Final = AccessKey("AKIAWORKERSOWN000001", "the-workers-own-secret")
_READY_S: Final = 60.0
_THROTTLED: Final = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded for shard."}
_STS: Final = "{https://sts.amazonaws.com/doc/2011-06-15/}"

Entry = Mapping[str, object]


@contextmanager
def running_moto() -> Iterator[str]:
    """Run moto's server for Kinesis and STS; yields its address."""
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}/"
    process = subprocess.Popen(
        [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(url, process)
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            with urllib.request.urlopen(f"{url}moto-api/", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline or process.poll() is not None:
                raise TimeoutError("moto's server did not start") from None
            time.sleep(0.1)


@dataclass(slots=True)
class Stream:
    """One stream in moto, made for one test, and the gate in front of it.

    Attributes:
        url: Of the gate: a worker's ``AWS_ENDPOINT_URL``.
        external_id: The external id that the role requires.
        keys: Access keys that are accepted, by id. Each assumption of the role adds one.
        throttles: Which entries of a ``PutRecords`` fail.
        answer: The response to Kinesis calls; None for moto's.
        held: While clear, Kinesis calls hang.
        reached: Set by each Kinesis call.
        life: Lifetime of the role's keys; None for moto's.
        calls: Names of all calls so far.
        secrets: Secret parts of the worker's own key and of all keys that the role gave so far.
        writes: Name of the call that writes.
        puts: For each accepted ``PutRecords``, its event ids and those of them that were throttled.
    """

    moto: str
    name: str
    http: aiohttp.ClientSession
    url: str = ""
    external_id: str = "the-external-id"
    keys: dict[str, AccessKey] = field(default_factory=dict)
    throttles: Callable[[str], bool] = lambda _: False
    answer: Callable[[], web.StreamResponse] | None = None
    held: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    life: timedelta | None = None
    writes: str = "PutRecords"
    calls: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=lambda: [OWN_KEY.secret])
    puts: list[tuple[Sequence[str], Sequence[str]]] = field(default_factory=list)
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Moto serves each request on a thread, and does not synchronize access to a stream or queue."""

    @property
    def arn(self) -> str:
        return f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{self.name}"

    async def create(self, shards: int) -> None:
        await self.call("CreateStream", {"StreamName": self.name, "ShardCount": shards})

    async def records(self) -> Sequence[tuple[str, bytes]]:
        """Return partition key and data of each record in the stream, shard by shard."""
        found: list[tuple[str, bytes]] = []
        shards = await self.call("ListShards", {"StreamName": self.name})
        assert isinstance(shards["Shards"], list)
        for shard in shards["Shards"]:
            where = {"StreamName": self.name, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            iterator = (await self.call("GetShardIterator", where))["ShardIterator"]
            while True:
                page = await self.call("GetRecords", {"ShardIterator": iterator})
                assert isinstance(page["Records"], list)
                found += [(each["PartitionKey"], base64.b64decode(each["Data"])) for each in page["Records"]]
                iterator = page["NextShardIterator"]
                if not page["Records"]:
                    break
        return found

    async def call(self, name: str, parameters: Mapping[str, object]) -> Mapping[str, object]:
        """Call moto directly, bypassing the gate; return its response."""
        headers = {"X-Amz-Target": f"Kinesis_20131202.{name}", "Content-Type": "application/x-amz-json-1.1"}
        request = Endpoint("kinesis", REGION, self.moto, is_operators=True).signed(
            OWN_KEY, headers, orjson.dumps(parameters)
        )
        async with self._one, self.http.post(self.moto, data=request.body, headers=request.headers) as answer:
            body = await answer.read()
            assert answer.status == 200, body
            parsed: Mapping[str, object] = orjson.loads(body) if body else {}
            return parsed

    # -- the gate --------------------------------------------------------------------------------------------

    async def serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if "X-Amz-Target" not in request.headers:
            self.calls.append("AssumeRole")
            return await self._assume(request, body)
        name = request.headers["X-Amz-Target"].rpartition(".")[2]
        self.calls.append(name)
        self.reached.set()
        await self.held.wait()
        if self.answer is not None:
            return self.answer()
        if (problem := self._problem(request, body, self.keys)) is not None:
            return error(problem)
        if name != self.writes:
            return await self._forward(request, body)
        return await self._put(request, orjson.loads(body))

    async def _put(self, request: web.Request, parameters: dict[str, object]) -> web.StreamResponse:
        entries = parameters["Records"]
        assert isinstance(entries, list)
        ids = [str(orjson.loads(base64.b64decode(each["Data"]))["id"]) for each in entries]
        fails = [self.throttles(event_id) for event_id in ids]
        taken = [each for each, failed in zip(entries, fails, strict=True) if not failed]
        answers: list[Entry] = []
        if taken:
            answer = await self._forward(request, orjson.dumps({**parameters, "Records": taken}))
            if answer.status != 200:
                return answer
            assert isinstance(answer, web.Response)
            assert isinstance(answer.body, bytes)
            answers = orjson.loads(answer.body)["Records"]
        self.puts.append((ids, [event_id for event_id, failed in zip(ids, fails, strict=True) if failed]))
        rest = iter(answers)
        merged = [_THROTTLED if failed else next(rest) for failed in fails]
        return web.json_response({"FailedRecordCount": sum(fails), "Records": merged})

    async def _assume(self, request: web.Request, body: bytes) -> web.StreamResponse:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        right = form.get("RoleArn") == ROLE and form.get("ExternalId") == self.external_id
        if not right or self._problem(request, body, {OWN_KEY.id: OWN_KEY}) is not None:
            text = "<ErrorResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><Error><Code>AccessDenied</Code>"
            return web.Response(status=403, text=f"{text}<Message>not you</Message></Error></ErrorResponse>")
        answer = await self._forward(request, body)
        assert isinstance(answer.body, bytes)
        root = ET.fromstring(answer.body)
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        key = AccessKey(*(root.findtext(f".//{_STS}{name}") or "" for name in names))
        self.keys[key.id] = key
        self.secrets += key.secrets
        if self.life is None:
            return answer
        end = f"<Expiration>{datetime.now(UTC) + self.life:%Y-%m-%dT%H:%M:%S.%fZ}<".encode()
        return web.Response(body=re.sub(rb"<Expiration>[^<]+<", end, answer.body), content_type="text/xml")

    def _problem(self, request: web.Request, body: bytes, keys: Mapping[str, AccessKey]) -> str | None:
        return signature_problem(request, body, keys)

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        headers = {
            name: request.headers[name]
            for name in ("Authorization", "X-Amz-Target", "Content-Type")
            if name in request.headers
        }
        async with self._one, self.http.post(self.moto, data=body, headers=headers) as answer:
            return web.Response(
                status=answer.status,
                body=await answer.read(),
                content_type=answer.content_type,
            )


def signature_problem(request: web.Request, body: bytes, keys: Mapping[str, AccessKey]) -> str | None:
    """Return the error code if ``request`` is not correctly signed with one of ``keys``, by id; else None."""
    given = request.headers["Authorization"]
    key = keys.get(re.findall(r"Credential=([^/]+)/", given)[0])
    if key is None or request.headers.get("X-Amz-Security-Token") != key.token:
        return "ExpiredTokenException" if "X-Amz-Security-Token" in request.headers else "UnrecognizedClientException"
    scope = re.findall(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/", given)[0]
    signed = re.findall(r"SignedHeaders=([^,]+)", given)[0].split(";")
    again = AWSRequest(
        request.method,
        f"{request.scheme}://{request.host}{request.raw_path}",
        data=body,
        headers={name: request.headers[name] for name in signed if name != "host"},
    )
    again.context["timestamp"] = request.headers["X-Amz-Date"]
    kind = S3SigV4Auth if scope[1] == "s3" else SigV4Auth
    auth = kind(Credentials(key.id, key.secret, key.token), scope[1], scope[0])
    signature = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
    return None if given.endswith(f"Signature={signature}") else "InvalidSignatureException"


def error(code: str, *, status: int = 400, message: str = "in words") -> web.Response:
    """Return an error response of Kinesis."""
    return web.json_response({"__type": code, "message": message}, status=status)


@asynccontextmanager
async def stream_behind_gate(moto: str, name: str, *, shards: int = 3) -> AsyncIterator[Stream]:
    """Create a stream that accepts everything from holders of its role."""
    async with aiohttp.ClientSession() as http:
        stream = Stream(moto, name, http)
        await stream.create(shards)
        async with serving(stream):
            yield stream


@asynccontextmanager
async def serving(stream: Stream) -> AsyncIterator[None]:
    """Run the gate of ``stream``."""
    stream.held.set()
    app = web.Application(client_max_size=8 << 20)
    app.router.add_post("/", stream.serve)
    listening = open_socket("127.0.0.1:0", setting="listen")
    stream.url = f"http://{address_of(listening)}"
    async with serve_app(app, listening):
        yield


def environ(stream: Stream) -> Mapping[str, str]:
    """Return the environment variables of a worker that writes to ``stream``."""
    return {
        "AWS_ENDPOINT_URL": stream.url,
        "AWS_ACCESS_KEY_ID": OWN_KEY.id,
        "AWS_SECRET_ACCESS_KEY": OWN_KEY.secret,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
