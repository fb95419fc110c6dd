"""``python -m benchmarks.log_store``: the API's delivery log without Kafka: parsing records and storing them.

Events and their attempts, with random ids, go into a file that already has 60,000 of each; a transaction has as many as
under load (2,000), or as on a less busy machine (``--together 300``). The figure is CPU time of the process, user and
system, per event with its attempt. To compare with other code, alternate runs of this file with that code's folder in
``PYTHONPATH``.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from benchmarks.measure import load, machine
from control_api.delivery_log.projector import read_event
from control_api.delivery_log.sqlite_writer import SqliteWriter
from control_api.delivery_log.store import LoggedEntry
from eventstreams.attempts import Entry, decode, encode
from eventstreams.kafka.records import Partition, Record

_NOW_MS: Final = 1_790_000_000_000
_TYPE: Final = "com.acme.messaging.message.sent"
_SUBSCRIPTIONS: Final = 20
_ACCOUNTS: Final = 5
_IN_A_RECORD: Final = 200
_A_MS: Final = 4  # events
_TTL_MS: Final = 14_400_000


def records(first: int, count: int, chance: random.Random) -> tuple[Sequence[Record], Sequence[Record]]:
    """Return ``count`` records of the events topic, and those of the attempts topic about their deliveries."""
    events, entries = [], []
    for n in range(first, first + count):
        which, at_ms, id_ = chance.randrange(_SUBSCRIPTIONS), _NOW_MS + n // _A_MS, f"EZ{chance.getrandbits(128):032x}"
        account, source = f"AC{which % _ACCOUNTS:032x}", b"/messages/%d" % n
        headers = {
            "ce_specversion": b"1.0",
            "ce_id": id_.encode(),
            "ce_type": _TYPE.encode(),
            "ce_source": source,
            "ce_time": b"2026-09-21T14:13:20.000Z",
            "ce_dataschema": b"https://schemas.example.com/Acme.Message/1",
            "content-type": b"application/avro",
            "ce_accountsid": account.encode(),
            "ce_partitionkey": source,
        }
        events.append(Record("es.events", n % 12, n // 12, source, b"x" * 500, list(headers.items()), at_ms))
        entries.append(_entry(n, which, at_ms, id_, account))
    parts = [entries[at : at + _IN_A_RECORD] for at in range(0, count, _IN_A_RECORD)]
    first //= _IN_A_RECORD
    return events, [
        Record("es.attempts", n % 3, first + n, None, encode(part), [], _NOW_MS) for n, part in enumerate(parts)
    ]


def _entry(number: int, which: int, at_ms: int, event_id: str, account: str) -> Entry:
    return Entry(
        kind="delivered",
        at_ms=at_ms + 10,
        event_id=event_id,
        event_type=_TYPE,
        account_sid=account,
        subscription_sid=f"DF{which:032x}",
        sink_sid=f"DG{which:032x}",
        sink_type="webhook",
        attempt=1,
        duration_ms=3,
        accepted_ms=at_ms,
        deadline_ms=at_ms + _TTL_MS,
        origin=f"es.sub.webhook.DF{which:032x}/0/{number}",
        status=200,
    )


def measure(writer: SqliteWriter, *, together: int, before: int, count: int) -> tuple[float, float]:
    """Return the microseconds of CPU for an event with its entry: to read both, and to write both."""
    chance, reading, writing = random.Random(1), 0.0, 0.0
    writer.open("benchmark")
    for first in range(0, before + count, together):
        given, attempts = records(first, together, chance)
        began = time.process_time()
        events = [event for record in given if (event := read_event(record)) is not None]
        entries = [
            LoggedEntry(record.partition, record.offset, position, entry)
            for record in attempts
            for position, entry in enumerate(decode(record.value))
            if entry is not None
        ]
        read = time.process_time()
        writer.write(events, entries, {Partition("es.events", 0): first}, now_ms=_NOW_MS)
        if first >= before:
            reading, writing = reading + read - began, writing + time.process_time() - read
    return reading / count * 1e6, writing / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--together", type=int, default=2_000, help="events in a transaction")
    parser.add_argument("--before", type=int, default=60_000, help="events that are there already")
    parser.add_argument("--events", type=int, default=20_000, help="events that are measured")
    given = parser.parse_args()
    print(machine(), "load", load())
    with tempfile.TemporaryDirectory() as folder:
        writer = SqliteWriter(Path(folder) / "log.db", retention=timedelta(days=7), max_bytes=2 << 30)
        try:
            reading, writing = measure(writer, together=given.together, before=given.before, count=given.events)
            size = writer.held_bytes / (given.before + given.events)
        finally:
            writer.close()
    print(f"an event and its entry: {reading:.1f} us of CPU to read, {writing:.1f} to write; {size:.0f} bytes")


if __name__ == "__main__":
    main()
