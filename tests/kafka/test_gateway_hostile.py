"""Hostile input on the gateway: always a 4xx with a clear text, never a 500, and the next request is served."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Sequence
from io import BytesIO
from pathlib import Path

import aiohttp
import orjson
import pytest
import pytest_asyncio

from eventstreams.local.ports import free_ports
from eventstreams.settings import Settings
from tests.support.events import SENT
from tests.support.gateway import STRUCTURED, Gateway, cloudevent, running
from tests.support.installation import Installation
from tests.support.role_process import RoleProcess, running_role

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]  # one gateway for most of them

EVENT = orjson.dumps(cloudevent(1))
DATA = orjson.dumps(cloudevent(1)["data"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(module_settings: Settings) -> AsyncIterator[Gateway]:
    async with running(module_settings.model_copy(update={"events_partitions": 1})) as gateway:
        yield gateway


def with_data(field: bytes) -> bytes:
    """An event whose data has ``field`` at the end."""
    return EVENT[:-2] + b"," + field + b"}}"


BODIES = {
    "nothing": (b"", "is not JSON"),
    "deep lists": (b"[" * 100_000, "is not JSON"),
    "deep data": (with_data(b'"x":' + b"[" * 900 + b"]" * 900), "$.data.x is not a field"),
    "deep objects": (with_data(b'"body":' + b'{"a":' * 900 + b"1" + b"}" * 900), "$.data.body must be a string"),
    "deep, with a key twice": (b'{"a":1,"a":' + b"[" * 1000 + b"]" * 1000 + b"}", "is nested too deeply"),
    "huge integer": (with_data(b'"errorCode":' + b"9" * 1000), "is not JSON: number is infinity"),
    "an integer of a million digits": (with_data(b'"errorCode":' + b"9" * 1_000_000), ""),
    "an integer just too large": (with_data(b'"errorCode":9223372036854775808'), "beyond 64 bits"),
    "huge exponent": (with_data(b'"errorCode":1e999'), "is not JSON"),
    "NaN": (with_data(b'"errorCode":NaN'), "is not JSON"),
    "Infinity": (with_data(b'"errorCode":-Infinity'), "is not JSON"),
    "a fraction": (with_data(b'"errorCode":1.5'), "$.data.errorCode must be a 64-bit integer"),
    "UTF-16": (EVENT.decode().encode("utf-16"), "is not UTF-8"),
    "UTF-8 with a mark": (b"\xef\xbb\xbf" + EVENT, "is not JSON"),
    "Latin-1": (with_data(b'"body":"\xe9"'), "is not UTF-8"),
    "overlong UTF-8": (with_data(b'"body":"\xc0\xaf"'), "is not UTF-8"),
    "surrogate in bytes": (with_data(b'"body":"\xed\xa0\x80"'), "is not UTF-8"),
    "surrogate as escape": (with_data(rb'"body":"\ud800"'), "is not JSON"),
    "a key twice": (b'{"specversion":"1.0","id":"a","id":"b"}', "has the key 'id' twice"),
    "a key twice, spelled in two ways": (rb'{"specversion":"1.0","id":"a","\u0069d" :"b"}', "has the key 'id' twice"),
    "a key twice in the data": (with_data(b'"to":"+1"'), "has the key 'to' twice"),
    "a NUL in an attribute": (orjson.dumps(cloudevent(1, subject="a\0b")), "$.subject contains a control character"),
    "a long attribute": (orjson.dumps(cloudevent(1, subject="x" * 100_000)), "$.subject is longer than 1024"),
    "a long name": (orjson.dumps({"x" * 100_000 + "!": 1}), "is not a valid attribute name"),
    "garbage behind": (EVENT + b"{}", "is not JSON"),
    "a too large event": (orjson.dumps(cloudevent(1, data={**orjson.loads(DATA), "body": "x" * 1_500_000})), "bytes"),
}


@pytest.mark.parametrize(("body", "words"), BODIES.values(), ids=BODIES)
async def test_a_hostile_body_is_refused_in_words(gateway: Gateway, body: bytes, words: str) -> None:
    status, answer = await gateway.post(body)

    assert status == 400
    assert words in answer["message"]
    assert len(answer["message"]) < 2000
    assert (await gateway.post(cloudevent(2)))[0] == 202


BINARY = b"ce-specversion: 1.0\r\nce-type: %s\r\nce-source: /m/1\r\nContent-Type: application/json\r\n" % SENT.encode()
HEADS = {
    "an attribute twice": (BINARY + b"ce-id: 1\r\nCE-ID: 2\r\n", 400, "$.id is given twice"),
    "percent-encoded bytes that are no text": (BINARY + b"ce-id: %ff\r\n", 400, "$.id is not percent-encoded UTF-8"),
    "bytes that are no text": (BINARY + b"ce-id: \xff\r\n", 400, "$.id is not percent-encoded UTF-8"),
    "a line break in an attribute": (BINARY + b"ce-id: a%0d%0ab\r\n", 400, "$.id contains a control character"),
    "an empty attribute": (BINARY + b"ce-id: \r\n", 400, "$.id is empty"),
    "an attribute without a name": (BINARY + b"ce-: x\r\n", 400, "is not a valid attribute name"),
    "data as a header": (BINARY + b"ce-data_base64: eA==\r\n", 400, "$.data_base64 is not supported"),
    "another version": (b"ce-specversion: 0.3\r\nContent-Type: application/json\r\n", 400, "$.type is missing"),
    "another type of data": (BINARY.replace(b"json", b"xml"), 400, "$.datacontenttype must be application/json"),
    "no type of content": (b"", 415, "Content-Type must be"),
    "nonsense as type of content": (b"Content-Type: \x01;;=\r\n", 400, ""),
    "another charset": (b"Content-Type: application/cloudevents+json; charset=utf-16\r\n", 415, "UTF-8"),
    "an unheard-of encoding": (BINARY + b"Content-Encoding: zip\r\n", 415, "Content-Encoding must be"),
    "brotli": (BINARY + b"Content-Encoding: br\r\n", 0, ""),
    "a form": (b"Content-Type: application/x-www-form-urlencoded\r\n", 415, "Content-Type must be"),
    "a multipart form": (b"Content-Type: multipart/form-data; boundary=x\r\n", 415, "Content-Type must be"),
    "a header of 100 kB": (BINARY + b"ce-subject: " + b"x" * 100_000 + b"\r\n", 400, ""),
    "ten thousand headers": (BINARY + b"".join(b"ce-x%d: 1\r\n" % each for each in range(10_000)), 400, ""),
    "a header without a colon": (BINARY + b"nonsense\r\n", 400, ""),
    "a negative length": (b"Content-Length: -1\r\n", 400, ""),
    "two lengths": (b"Content-Length: 1\r\nContent-Length: 2\r\n", 400, ""),
    "a length and chunks": (b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400, ""),
}


@pytest.mark.parametrize(("head", "status", "words"), HEADS.values(), ids=HEADS)
async def test_odd_headers_are_refused_in_words(gateway: Gateway, head: bytes, status: int, words: str) -> None:
    length = b"" if b"Length" in head else b"Content-Length: %d\r\n" % len(DATA)

    found, text = await gateway.raw(head + length, DATA)

    assert found == status or (not status and 400 <= found < 500)
    assert words in text
    assert (await gateway.post(cloudevent(2)))[0] == 202


async def test_a_header_that_names_what_the_body_says_changes_nothing(gateway: Gateway) -> None:
    head = BINARY + b"ce-data: {}\r\nce-datacontenttype: text/plain\r\nContent-Length: %d\r\n" % len(DATA)

    assert (await gateway.raw(head, DATA))[0] == 202


# -- memory and time -------------------------------------------------------------------------------------------


class Alone:
    """A gateway as a process of its own, whose memory can be measured."""

    def __init__(self, url: str, role: RoleProcess, account_sid: str) -> None:
        self.url = url
        self.role = role
        self._auth = aiohttp.encode_basic_auth(account_sid, "token-of-the-test")

    async def post(self, body: object, **headers: str) -> int:
        all_headers = {**STRUCTURED, **headers, "Authorization": self._auth}
        async with aiohttp.ClientSession() as session, session.post(self.url, data=body, headers=all_headers) as answer:
            return answer.status


@pytest_asyncio.fixture(loop_scope="module")
async def alone(settings: Settings, tmp_path: Path) -> AsyncIterator[Alone]:
    [port] = free_ports(1)
    async with (
        Installation(settings) as installation,
        running_role(settings, "gateway", folder=tmp_path, GATEWAY_LISTEN=f"127.0.0.1:{port}") as role,
    ):
        yield Alone(f"http://127.0.0.1:{port}/v1/Events", role, installation.account_sid)


async def _chunks(chunk: bytes, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield chunk


async def test_bodies_of_any_size_are_refused_in_little_memory(alone: Alone) -> None:
    assert await alone.post(EVENT) == 202
    before = alone.role.peak_mib()
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(b" ") + packer.flush(zlib.Z_FULL_FLUSH)
    bomb = head + (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)) * 1000  # 1 GiB in 1 MiB, endless

    sent = await asyncio.gather(
        *(alone.post(_chunks(b" " * (1 << 20), 100)) for _ in range(4)),
        *(alone.post(BytesIO(b" " * (100 << 20))) for _ in range(2)),
        *(alone.post(BytesIO(bomb), **{"Content-Encoding": "gzip"}) for _ in range(4)),
        return_exceptions=True,
    )

    # 408 where the machine has so much to do that a body takes its whole time.
    assert [each for each in sent if each not in {413, 408} and not isinstance(each, aiohttp.ClientError)] == []
    assert (
        alone.role.peak_mib() - before < 160
    )  # of ten clients: buffers, bodies of up to 2 MiB, and what unpacking takes
    assert await alone.post(gzip.compress(EVENT), **{"Content-Encoding": "gzip"}) == 202


async def test_who_sends_slowly_keeps_nobody_else_waiting(gateway: Gateway) -> None:
    slow: Sequence[asyncio.Task[tuple[int, str]]] = [
        asyncio.create_task(gateway.raw(BINARY + b"Content-Length: 1000\r\n", b"{")) for _ in range(50)
    ]
    answered, _ = await gateway.post(cloudevent(3))

    assert answered == 202
    assert {status for status, _ in await asyncio.gather(*slow)} == {408}


async def test_who_comes_when_it_is_full_is_told_at_once_when_to_come_again(gateway: Gateway) -> None:
    endless = [
        asyncio.create_task(gateway.raw(BINARY + b"Transfer-Encoding: chunked\r\n", b"1\r\n{\r\n")) for _ in range(40)
    ]
    done, waiting = await asyncio.wait(endless, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()
    async with asyncio.timeout(60):
        while (await gateway.post(cloudevent(5)))[0] != 202:
            await asyncio.sleep(0.02)

    status, answer = done.pop().result()
    assert status == 429
    assert "Retry-After: 1" in answer
    assert "send them again later" in answer
