"""A worker that archives to S3: from fetched records to settled ones, through a lane and the real plugin.

``python -m benchmarks.s3`` delivers to a stand-in that accepts every object at once, so that the worker is what is
measured; ``--emulator`` to moto's server, whose own limit is measured first with prepared objects. All are processes of
their own. Every event is counted in the objects that arrived.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Final

import aiohttp
from aiohttp import web

from benchmarks.events import ACCOUNT
from benchmarks.measure import load, machine
from benchmarks.worker import records_for, tell_round
from eventstreams.headers import TYPE
from eventstreams.kafka.records import Record
from eventstreams.sinks.registry import load_plugin
from producers.simulator import Scenario, default_products, known_products, simulate
from sink_workers.memory import looking_seldom
from sink_workers.plugins.aws.signing import AccessKey, Endpoint
from tests.support.kinesis import OWN_KEY, REGION, running_moto
from tests.support.s3 import Bucket

_BUCKET: Final = "benchmark"
_ROUNDS: Final = 3
_OBJECT: Final = 22_500  # bytes: the size of the worker's objects
_SIDE_BY_SIDE: Final = 4


async def _take(request: web.Request) -> web.Response:
    request.app["got"]["objects"] += 1
    request.app["got"]["bytes"] += len(await request.read())
    return web.Response(headers={"ETag": '"0"'})


async def _got(request: web.Request) -> web.Response:
    return web.json_response(request.app["got"])


async def _serve() -> None:
    app = web.Application(client_max_size=16 << 20)
    app["got"] = {"objects": 0, "bytes": 0}
    app.router.add_put("/{path:.*}", _take)
    app.router.add_get("/got", _got)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
    await asyncio.Event().wait()


@contextmanager
def _running_stand_in() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.s3", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


async def _limit(url: str, http: aiohttp.ClientSession) -> float:
    """Return the objects per second, of the worker's size, that the emulator accepts from a client that only sends."""
    service = Endpoint("s3", REGION, url, is_operators=True)
    key = AccessKey(OWN_KEY.id, OWN_KEY.secret)
    ready = [service.signed(key, {}, b"x" * _OBJECT, method="PUT", path=f"{_BUCKET}/limit/{n}") for n in range(40)]

    async def put(first: int) -> None:
        for each in ready[first::_SIDE_BY_SIDE]:
            async with http.put(each.url, data=each.body, headers=each.headers) as answer:
                assert answer.status == 200, await answer.text()  # noqa: PLR2004 - OK

    began = time.perf_counter()
    await asyncio.gather(*(put(first) for first in range(_SIDE_BY_SIDE)))
    return len(ready) / (time.perf_counter() - began)


async def _measure(url: str, count: int, products: str, config: Mapping[str, object], *, is_real: bool) -> None:
    os.environ["AWS_ENDPOINT_URL_S3"] = url
    records = _records(count, products)
    async with aiohttp.ClientSession() as http:
        if is_real:
            await Bucket(url, _BUCKET, http).create(0)
            print(f"  its own limit: {await _limit(url, http):,.0f} objects/s of {_OBJECT:,} bytes")
        with looking_seldom():  # like a worker; and the waiting records are not to be traversed
            for _ in range(_ROUNDS):
                await tell_round(load_plugin("s3"), records, config)
        if not is_real:
            async with http.get(f"{url}got") as answer:
                got = await answer.json()
            print(f"  {got['objects']:,} objects of {got['bytes'] / got['objects']:,.0f} bytes on average")


def _records(count: int, products: str) -> Sequence[Record]:
    """Return ``count`` records with events of ``products``, all of the current time."""
    now = datetime.now(UTC)
    chosen = default_products() if products == "all" else [known_products()[products]]
    made = islice(simulate(Scenario(seed=1, accounts=[ACCOUNT], start=now, products=chosen)), count)
    records = records_for("s3", [replace(event, time=now) for event in made])
    types = {dict(record.headers)[TYPE] for record in records}
    average = sum(len(record.value) for record in records) / len(records)
    print(f"  {len(records):,} events of {len(types)} types, {average:.0f} bytes of Avro each on average")
    return records


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.s3", description=__doc__)
    parser.add_argument("--events", type=int, default=120_000)
    parser.add_argument("--format", choices=["avro", "jsonl"], default="avro")
    parser.add_argument("--products", default="messaging", help="whose events; all: of every product")
    parser.add_argument("--emulator", action="store_true", help="deliver to moto's server")
    parser.add_argument("--url", help=f"deliver to a server that runs, with the keys {OWN_KEY.id} and {OWN_KEY.secret}")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(_serve())
        return
    key = {"access_key_id": OWN_KEY.id, "secret_access_key": OWN_KEY.secret}
    config = {"bucket": _BUCKET, "region": REGION, "format": given.format, "max_age_s": 1, **key}
    print(f"{machine()}; load {load()}")
    server = nullcontext(given.url) if given.url else running_moto() if given.emulator else _running_stand_in()
    with server as url:
        to = "moto, an emulator in Python" if given.emulator else given.url or "a stand-in that takes all"
        print(f"to {to}, as {given.format}:")
        is_real = given.emulator or given.url is not None
        asyncio.run(_measure(url, given.events, given.products, config, is_real=is_real))


if __name__ == "__main__":
    main()
