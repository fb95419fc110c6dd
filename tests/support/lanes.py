"""A worker with only a consumer and lanes, which settles records at once, except those that it is told to leave.

As a program, to be killed: ``python -m tests.support.lanes '<Plan as JSON>'``.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice

from typing_extensions import override

from eventstreams.kafka.consumer import COMMIT_INTERVAL_S, GroupConsumer
from eventstreams.kafka.records import Partition, Record
from eventstreams.settings import Settings
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import now_ms
from sink_workers.lanes.handler import LaneHandle, Limits
from sink_workers.lanes.lanes import Lanes


@dataclass
class Plan:
    """What a worker reads, and which records it leaves unsettled.

    Attributes:
        instance: Static member name in the group, if any: its successor under the same name takes its place at once.
        left: Offsets that it never settles.
        commit_s: How often it commits.
    """

    kafka: str
    topic: str
    group: str
    instance: str | None = None
    left: list[int] = field(default_factory=list)
    commit_s: float = COMMIT_INTERVAL_S


class _Handler:
    """Settles records at once."""

    def __init__(self, left: Sequence[int], on_handled: Callable[[Record], None]) -> None:
        self._left = set(left)
        self._on_handled = on_handled

    def limits(self, partition: Partition) -> Limits:
        return Limits(max_batch_events=1, max_batch_bytes=0, linger_s=0.0, max_in_flight=64)

    def ready_at_ms(self, record: Record) -> int:
        return 0

    def deadline_ms(self, record: Record) -> int:
        return 1 << 60

    def attach(self, partition: Partition, wake: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    async def handle(self, records: Sequence[Record], lane: LaneHandle) -> None:
        for record in records:
            self._on_handled(record)
            if record.offset in self._left:
                await lane.stopped
            else:
                lane.settled(record)


class _ShortLanes(Lanes):
    """Lanes that do not come to read beyond ``end``."""

    end: int | None = None

    @override
    def on_records(self, records: Sequence[Record]) -> None:
        super().on_records([each for each in records if self.end is None or each.offset < self.end])


@asynccontextmanager
async def running_lanes(
    plan: Plan,
    *,
    on_handled: Callable[[Record], None],
    on_crash: Callable[[BaseException], None] | None = None,
    end: int | None = None,
) -> AsyncIterator[Lanes]:
    """Run lanes that read ``plan.topic`` and call ``on_handled`` with each record they handle.

    Without ``on_crash`` a crash fails the test. They get no records from offset ``end`` on.
    """
    crashes: list[BaseException] = []
    settings = Settings.load(kafka=plan.kafka, instance=plan.instance)
    handler = _Handler(plan.left, on_handled)
    lanes = _ShortLanes("test", handler, metrics=Metrics(), clock=now_ms, drain_s=0.1, on_crash=crashes.append)
    lanes.end = end
    async with GroupConsumer(
        settings, group=plan.group, owner=lanes, on_crash=on_crash or crashes.append, commit_s=plan.commit_s
    ) as member:
        lanes.flow = member
        member.subscribe([plan.topic])
        yield lanes
    assert crashes == []


def said(process: "subprocess.Popen[str]", count: int) -> list[int]:
    """Wait for the first ``count`` offsets that ``process`` prints."""
    assert process.stdout is not None
    offsets = (int(line) for line in process.stdout if line.strip().isdigit())  # its log goes there, too
    return list(islice(offsets, count))


@contextmanager
def lanes_process(plan: Plan) -> Iterator["subprocess.Popen[str]"]:
    """Do the same in a process that prints the offset of each record on a line; it is killed at the end."""
    command = [sys.executable, "-m", "tests.support.lanes", json.dumps(asdict(plan))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def _main() -> None:
    def tell(record: Record) -> None:
        sys.stdout.write(f"{record.offset}\n")
        sys.stdout.flush()

    async with running_lanes(Plan(**json.loads(sys.argv[1])), on_handled=tell):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
