"""What subscriptions without events cost a process: ``python -m benchmarks.scale.standing COUNT ACCOUNTS``.

Reads the control records of COUNT subscriptions, spread evenly over the accounts, like an API process (into its
snapshot) and like a router (also into its matcher). Prints as JSON the CPU and memory per subscription, and the CPU to
find an event's subscriptions among them, with events of all accounts in turn. The subscriptions of one account have
different types: as long as the catalogue has types left, an event matches one of them.
"""

import gc
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson

from benchmarks.measure import best_of
from eventstreams.catalog import Catalog
from eventstreams.control.records import SubscribedType, Subscription, encode, key_of
from eventstreams.control.snapshot import Snapshot
from eventstreams.kafka.records import Record
from router.planning.matcher import Matcher

_EACH: Final = 3
_ASKED: Final = 20_000


@dataclass(frozen=True, slots=True)
class Standing:
    """The cost of one subscription.

    Attributes:
        read_us: CPU to read its record, in µs.
        snapshot_kib: Its share of the snapshot's memory.
        matcher_kib: Its share of the matcher's memory.
        match_us: CPU to match one event, in µs.
    """

    read_us: float
    snapshot_kib: float
    matcher_kib: float
    match_us: float


def measure(count: int, accounts: int) -> Standing:
    gc.disable()  # like every process while it loads
    snapshot = Snapshot()
    matcher = Matcher(default_ttl_ms=14_400_000, topic_of=lambda kind, sid: f"es.sub.{kind}.{sid}")
    base_kib, read_ns = _resident_kib(), 0
    for record in _records(count, accounts):
        began = time.process_time_ns()
        snapshot.apply(record)
        read_ns += time.process_time_ns() - began
    snapshot_kib = _resident_kib() - base_kib
    matcher.load(snapshot)
    matcher_kib = _resident_kib() - base_kib - snapshot_kib
    first = next(iter(Catalog.load().types)).encode()
    wanted = [(f"AC{number % accounts:032x}".encode(), first) for number in range(_ASKED)]

    def match() -> int:
        found = [matcher.match(account, event_type, 2) for account, event_type in wanted]
        assert all(found)
        return _ASKED

    matched = best_of("matched", match)
    return Standing(read_ns / 1000 / count, snapshot_kib / count, matcher_kib / count, matched.us)


def _records(count: int, accounts: int) -> Iterator[Record]:
    types = list(Catalog.load().types)
    for number in range(count):
        at = number // accounts * _EACH
        subscription = Subscription(
            sid=f"DF{number:032x}",
            account_sid=f"AC{number % accounts:032x}",
            sink_sid=f"DG{number:032x}",
            sink_type="webhook",
            description="a subscription",
            types=tuple(SubscribedType(type=types[n % len(types)], schema_version=1) for n in range(at, at + _EACH)),
            created_ms=1,
            updated_ms=1,
        )
        yield Record("es.control", 0, number, key_of(subscription.sid), encode(subscription), (), 1)


def _resident_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


if __name__ == "__main__":
    print(orjson.dumps(asdict(measure(*map(int, sys.argv[1:])))).decode())
