"""A worker of nothing but its consumer and its lanes, which settles at once what it gets, but for what it is to leave.

As a program, to be killed: ``python -m tests.support.lanes '<Plan, as JSON>'``.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice

from eventstreams.kafka.consumer import COMMIT_INTERVAL_S, GroupConsumer
from eventstreams.kafka.records import Partition, Record
from eventstreams.settings import Settings
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import now_ms
from sink_workers.lanes.handler import LaneHandle, Limits
from sink_workers.lanes.lanes import Lanes


@dataclass
class Plan:
    """What a worker reads, and of what it settles nothing.

    Attributes:
        instance: Its name in the group, if it has one: who comes with the same gets its place at once.
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
    """Settles."""

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


@asynccontextmanager
async def running_lanes(
    plan: Plan, *, on_handled: Callable[[Record], None], on_crash: Callable[[BaseException], None] | None = None
) -> AsyncIterator[Lanes]:
    """Lanes that read ``plan.topic``, each record of which they tell ``on_handled`` when they have it in hand.

    Without ``on_crash`` there is to be none.
    """
    crashes: list[BaseException] = []
    settings = Settings.load(kafka=plan.kafka, instance=plan.instance)
    handler = _Handler(plan.left, on_handled)
    lanes = Lanes("test", handler, metrics=Metrics(), clock=now_ms, drain_s=0.1, on_crash=crashes.append)
    async with GroupConsumer(
        settings, group=plan.group, owner=lanes, on_crash=on_crash or crashes.append, commit_s=plan.commit_s
    ) as member:
        lanes.flow = member
        member.subscribe([plan.topic])
        yield lanes
    assert crashes == []


def said(process: "subprocess.Popen[str]", count: int) -> list[int]:
    """The first ``count`` offsets that ``process`` says, waited for."""
    assert process.stdout is not None
    offsets = (int(line) for line in process.stdout if line.strip().isdigit())  # it logs there as well
    return list(islice(offsets, count))


@contextmanager
def lanes_process(plan: Plan) -> Iterator["subprocess.Popen[str]"]:
    """The same in a process of its own, which says the offset of each record, a line each; killed at the end."""
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
