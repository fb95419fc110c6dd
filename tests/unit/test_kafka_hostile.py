"""A broker of a subscriber's own that means harm: what it asks for costs nobody a processor."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from eventstreams.sinks import DeliveryOutcome, RetryLater, RetryReason
from sink_workers.plugins.kafka.config import KafkaConfig
from sink_workers.plugins.kafka.sink import open_sink
from tests.support.webhooks import context, event

_HANDSHAKE, _API_VERSIONS, _AUTHENTICATE = 17, 18, 36  # https://kafka.apache.org/protocol#protocol_api_keys
_MECHANISM: Final = "SCRAM-SHA-256"


def _array(*entries: bytes) -> bytes:
    return struct.pack(">i", len(entries)) + b"".join(entries)


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _answer(key: int, version: int, body: bytes, iterations: int) -> bytes:
    if key == _API_VERSIONS:
        known = [struct.pack(">hhh", each, 0, 0) for each in (_API_VERSIONS, _AUTHENTICATE)]
        found = _array(*known, struct.pack(">hhh", _HANDSHAKE, 1, 1))
        return struct.pack(">h", 0) + found + (struct.pack(">i", 0) if version else b"")
    if key == _HANDSHAKE:
        return struct.pack(">h", 0) + _array(_text(_MECHANISM))
    nonce = body.rpartition(b",r=")[2]
    said = b"r=%btheirs,s=c2FsdA==,i=%d" % (nonce, iterations)
    return struct.pack(">hhi", 0, -1, len(said)) + said


@asynccontextmanager
async def broker(iterations: int) -> AsyncIterator[int]:
    """A broker that wants a password to be hashed so often; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readexactly(struct.unpack(">i", await reader.readexactly(4))[0])
                key, version, number = struct.unpack(">hhi", request[:8])
                answer = struct.pack(">i", number) + _answer(key, version, request, iterations)
                writer.write(struct.pack(">i", len(answer)) + answer)
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def delivered_to(port: int) -> DeliveryOutcome:
    given = {"bootstrap_servers": f"127.0.0.1:{port}", "topic": "events", "tls": False, "sasl_mechanism": _MECHANISM}
    config = KafkaConfig.model_validate({**given, "username": "us", "password": "the-secret"})
    sink = await open_sink(config, context(), timeout_s=4.0)
    try:
        [outcome] = await sink.deliver([event(1)])
    finally:
        await sink.aclose()
    return outcome


async def test_a_broker_that_asks_for_endless_work_gets_none() -> None:
    began = time.process_time()

    async with broker(30_000_000) as port:  # seconds of it; a broker can ask for minutes
        outcome = await delivered_to(port)

    assert outcome == RetryLater(RetryReason.BAD_ANSWER, "its answer is not valid Kafka protocol")
    assert time.process_time() - began < 1.0
