"""A worker that delivers to Kinesis: from fetched records to settled ones, through a lane and the real plugin.

``python -m benchmarks.kinesis`` delivers to a stand-in that accepts every record at once, so that the worker is what is
measured; ``--emulator`` to moto's server, which is then the bottleneck. Both are processes of their own.
"""

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import aiohttp
import orjson
from typing_extensions import override

from benchmarks.events import average_bytes, encoded
from benchmarks.measure import load, machine
from benchmarks.worker import records_for, tell_round
from eventstreams.sinks.registry import load_plugin
from sink_workers.memory import looking_seldom
from tests.support.kinesis import OWN_KEY, REGION, Stream, running_moto

_ENTRY: Final = orjson.dumps({"SequenceNumber": "4" * 56, "ShardId": "shardId-000000000000"})
_ARN: Final = f"arn:aws:kinesis:{REGION}:123456789012:stream/benchmark"
_ROUNDS: Final = 3


class _StandIn(asyncio.Protocol):
    """As much of Kinesis as a worker needs: every ``PutRecords`` succeeds, whatever it contains."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = next(
            int(line[15:]) for line in bytes(head).split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        if len(body) < length:
            return
        entries = b",".join([_ENTRY] * body.count(b'"PartitionKey"'))
        answer = b'{"FailedRecordCount":0,"Records":[%s]}' % entries
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
        del self._buffer[: len(head) + 4 + length]


async def _stand_in() -> None:
    server = await asyncio.get_running_loop().create_server(_StandIn, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
    await server.serve_forever()


@contextmanager
def _running_stand_in() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.kinesis", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


async def _measure(url: str, count: int, *, emulator: bool) -> None:
    os.environ["AWS_ENDPOINT_URL_KINESIS"] = url
    key = {"access_key_id": OWN_KEY.id, "secret_access_key": OWN_KEY.secret}
    records = records_for("kinesis", count)
    if emulator:
        async with aiohttp.ClientSession() as http:
            await Stream(url, "benchmark", http).create(4)
    with looking_seldom():  # like a worker; and the waiting records are not to be traversed
        for _ in range(_ROUNDS):
            await tell_round(load_plugin("kinesis"), records, {"arn": _ARN, **key})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kinesis", description=__doc__)
    parser.add_argument("--events", type=int, default=30_000)
    parser.add_argument("--emulator", action="store_true", help="deliver to moto's server")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(_stand_in())
        return
    print(f"{machine()}; load {load()}")
    print(f"{given.events:,} events, {average_bytes(encoded(min(given.events, 2_000)))}, in requests of up to 500")
    with running_moto() if given.emulator else _running_stand_in() as url:
        print(f"to {'moto, an emulator in Python' if given.emulator else 'a stand-in that takes all'}:")
        asyncio.run(_measure(url, given.events, emulator=given.emulator))


if __name__ == "__main__":
    main()
