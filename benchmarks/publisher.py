"""``python -m benchmarks.publisher``: events/s that one process publishes to a local broker, all acknowledged.

One case has the simulator's events of all products, 382 bytes of Avro on average, another has messages of 500 bytes.
Time is measured from handing over the first event to the acknowledgement of the last. ``us`` is CPU time in µs per
event, of the thread that validates and encodes and of the whole process: on a busy machine, compare these.
"""

import argparse
import asyncio
import gc
import random
import string
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.events import ACCOUNT, events
from benchmarks.measure import load, machine
from eventstreams.catalog import Catalog
from eventstreams.events import Event
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings
from eventstreams.testing.broker import running_broker
from eventstreams.topics import Topics
from producers.encoder import EncodedEvent
from producers.outcomes import Accepted
from producers.publisher import EventPublisher

_SENT: Final = "com.twilio.messaging.message.sent"
_BYTES: Final = 500
_ROUNDS: Final = 5


async def measure(bootstrap: str, count: int) -> None:
    settings = Settings.load(kafka=bootstrap, replication_factor=1, events_partitions=3)
    await KafkaAdmin(settings).ensure(Topics(settings).base_specs())
    catalog = Catalog.load()
    async with EventPublisher(settings, catalog) as publisher:
        for what, made in (("of all products", events(count)), ("messages", messages(count))):
            gc.collect()
            gc.freeze()  # a real publisher does not have the waiting events in memory
            records = [each for each in map(publisher.encoder.encode, made[:500]) if isinstance(each, EncodedEvent)]
            size = sum(len(record.value) for record in records) / len(records)
            await publisher.publish_many(made[:1000])
            rates = [await _round(publisher, made) for _ in range(_ROUNDS)]
            rate, thread_us, process_us = max(rates)
            print(
                f"{what:<16} {size:5.0f} bytes  {rate:9,.0f} events/s  {thread_us:5.1f} us of the publishing thread, "
                f"{process_us:.1f} of the process  (best of {_ROUNDS}, median {sorted(rates)[_ROUNDS // 2][0]:,.0f})"
            )


async def _round(publisher: EventPublisher, made: Sequence[Event]) -> tuple[float, float, float]:
    began, thread, process = time.perf_counter(), time.thread_time(), time.process_time()
    outcomes = await publisher.publish_many(made)
    took = time.perf_counter() - began, time.thread_time() - thread, time.process_time() - process
    assert all(isinstance(each, Accepted) for each in outcomes)
    return len(made) / took[0], took[1] / len(made) * 1e6, took[2] / len(made) * 1e6


def messages(count: int, size: int = _BYTES) -> Sequence[Event]:
    """Create message events of about ``size`` bytes as Avro, whose random body hardly compresses."""
    text = "".join(random.Random(1).choices(string.ascii_letters, k=size - 178))
    made = []
    for number in range(count):
        sid = f"SM{number:032x}"
        data = {
            "messageSid": sid,
            "accountSid": ACCOUNT,
            "eventName": _SENT,
            "timestamp": "2026-11-24T10:00:00.000Z",
            "messageStatus": "SENT",
            "apiVersion": "2010-04-01",
            "from": "+15005550006",
            "to": "+15005550010",
            "body": text,
        }
        source = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}.json"
        made.append(Event(type=_SENT, source=source, account_sid=ACCOUNT, data=data))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publisher", description=__doc__)
    parser.add_argument("--count", type=int, default=50_000, help="events a round")
    parser.add_argument("--gc-threshold", type=int, default=gc.get_threshold()[0], help="gc.set_threshold()'s first")
    arguments = parser.parse_args()
    count = arguments.count
    gc.set_threshold(arguments.gc_threshold, *gc.get_threshold()[1:])
    print(machine())
    print(f"load {load()}")
    with tempfile.TemporaryDirectory() as folder, running_broker(Path(folder)) as broker:
        asyncio.run(measure(broker.bootstrap, count))
    print(f"load {load()}")


if __name__ == "__main__":
    main()
