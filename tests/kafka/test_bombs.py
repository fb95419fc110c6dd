"""Small things that become large: compressed requests, and values on Kafka that claim to be. Memory is measured."""

import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from eventstreams.local.ports import free_ports
from eventstreams.settings import Settings
from eventstreams.testing.receiver import Receiver
from tests.support.installation import TOKEN, Installation, header
from tests.support.role_process import RoleProcess, running_role
from tests.support.topic import read_topic_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

SIZE: Final = 256 << 20  # of what a bomb becomes
MOST_MIB: Final = 64.0
"""Growth of a process: some times the largest body, and far from a bomb."""
WRAPPED: Final = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


@cache
def bomb(encoding: str, *, form: bool) -> bytes:
    """A quarter of a GiB in about a MiB; as a form, one long value. It has no end: nobody should read so far."""
    packer = zlib.compressobj(1, zlib.DEFLATED, WRAPPED[encoding])
    head = packer.compress(b"Description=" if form else b"") + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress((b"x" if form else b" ") * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + piece * (SIZE >> 20)


@pytest.fixture
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(settings) as installation:
        yield installation


async def post(url: str, installation: Installation, body: bytes, **headers: str) -> tuple[int, str]:
    credentials = {"Authorization": aiohttp.encode_basic_auth(installation.account_sid, TOKEN)}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=BytesIO(body), headers={**headers, **credentials}) as answer,
    ):
        return answer.status, await answer.text()


async def refused_in_little_memory(role: RoleProcess, url: str, installation: Installation, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    await post(url, installation, b"{}", **headers)  # what is made at the first request is there
    before = role.peak_mib()
    for encoding in WRAPPED:
        body = bomb(encoding, form="form" in content_type)
        try:
            status, text = await post(url, installation, body, **headers, **{"Content-Encoding": encoding})
        except aiohttp.ClientError:
            continue  # it did not wait for the end of the body
        assert (status, "The body is larger than" in text) == (413, True), text
    twice = zlib.compress(bomb("deflate", form=False))
    status, text = await post(url, installation, twice, **headers, **{"Content-Encoding": "deflate, deflate"})
    assert (status, "Content-Encoding must be gzip or deflate" in text) == (415, True), text

    assert role.peak_mib() - before < MOST_MIB


async def test_a_large_body_in_a_small_one_is_refused_by_the_gateway(
    installation: Installation, tmp_path: Path
) -> None:
    [port] = free_ports(1)
    async with running_role(
        installation.settings, "gateway", folder=tmp_path, GATEWAY_LISTEN=f"127.0.0.1:{port}"
    ) as role:
        await refused_in_little_memory(
            role, f"http://127.0.0.1:{port}/v1/Events", installation, "application/cloudevents+json"
        )


async def test_a_large_body_in_a_small_one_is_refused_by_the_api(installation: Installation, tmp_path: Path) -> None:
    [port] = free_ports(1)
    async with running_role(installation.settings, "api", folder=tmp_path, API_LISTEN=f"127.0.0.1:{port}") as role:
        await refused_in_little_memory(
            role, f"http://127.0.0.1:{port}/v1/Sinks", installation, "application/x-www-form-urlencoded"
        )


def varint(number: int) -> bytes:
    """As Avro writes a long."""
    left, found = (number << 1) ^ (number >> 63), b""
    while left > 0x7F:
        found += bytes([left & 0x7F | 0x80])
        left >>= 7
    return found + bytes([left])


BOMBS: Final = {
    "a text of 2^62 bytes": varint(1 << 62) + b"x",
    "a text of a GiB": varint(1 << 30) + b"x" * 1000,
    "a text of less than nothing": varint(-(1 << 40)) + b"x",
    "only the highest bits": b"\xff" * 9 + b"\x01",
    "a number without an end": b"\x80" * 100_000,
    "a megabyte of nothing": bytes(1 << 20),
    "nothing": b"",
}


async def test_values_that_claim_to_be_large_become_dead_letters_in_little_memory(
    installation: Installation, tmp_path: Path
) -> None:
    async with (
        Receiver() as receiver,
        running_role(installation.settings, "router", folder=tmp_path) as router,
        running_role(installation.settings, "worker", "webhook", folder=tmp_path) as worker,
    ):
        plain = await installation.subscribe(await installation.add_sink(receiver.url))
        choosy = await installation.subscribe(await installation.add_sink(receiver.url))
        await installation.put(replace(choosy, filter="data.to != 'nobody'"))  # so that the router reads values, too
        await installation.publish([installation.event(1)])
        await receiver.wait_for(lambda: "EZ1" in receiver.accepted, timeout_s=60)
        before = (router.peak_mib(), worker.peak_mib())

        _, headers = installation.encoded(installation.event(2))
        for value in BOMBS.values():
            await installation.put_raw(installation.topics.events, value, headers)
        await installation.publish([installation.event(3)])
        await receiver.wait_for(lambda: "EZ3" in receiver.accepted, timeout_s=60)
        dead = await read_topic_until(
            installation.settings,
            installation.topics.dead("webhook"),
            lambda records: (
                len([each for each in records if header(each, "es_subscription") == plain.sid]) >= len(BOMBS)
            ),
        )

        of_plain = [each for each in dead if header(each, "es_subscription") == plain.sid]
        assert {header(each, "es_reason") for each in dead} == {"undecodable"}
        assert sorted(each.value for each in of_plain) == sorted(BOMBS.values())
        for role, was in zip((router, worker), before, strict=True):
            assert role.peak_mib() - was < MOST_MIB
