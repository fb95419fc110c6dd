"""What goes to Faust as one message: all that a fetch brought, as long as that is little."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import faust
import pytest
from faust.types import TP

from router.batches import Batch
from router.faust_app import transport
from router.faust_app.transport import RunTransport, Taken, _in_messages
from router.planning.plan import Run


@dataclass(frozen=True)
class SizedRun:
    size: int


@pytest.mark.parametrize(
    ("sizes", "messages"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([1, 2, 3], [[1, 2, 3]], id="little: together"),
        pytest.param([100, 100], [[100], [100]], id="much: each by itself"),
        pytest.param([60, 40, 1, 250, 5], [[60, 40], [1], [250], [5]], id="in their order, up to the bound"),
    ],
)
def test_runs_share_a_message_up_to_its_bound(
    sizes: Sequence[int], messages: Sequence[Sequence[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_MESSAGE_BYTES", 100)

    found = _in_messages(cast(Any, [SizedRun(size) for size in sizes]))

    assert [[run.size for run in together] for together in found] == messages


@dataclass(frozen=True)
class SizedBatch:
    offset: int
    timestamp: int = 1
    timestamp_type: int = 1
    size: int = 1

    def __len__(self) -> int:
        return 1


def fetched(partition: int, offset: int) -> Run:
    return Run("events", partition, [cast(Batch, SizedBatch(offset))], partition == 1, 0)


async def test_a_partition_that_lost_its_end_takes_nothing_with_it() -> None:
    """It goes on below what was read of it: Faust passes over such a message, and all that shares it."""
    app = faust.App("router", broker="kafka://127.0.0.1:9", store="memory://")
    handed_over: list[Taken] = []

    async def take(message: Any) -> None:
        handed_over.extend(message.value)

    async def pass_over(_: object) -> None:
        pass

    transport_of_runs: Any = RunTransport(["kafka://127.0.0.1:9"], app)
    consumer = transport_of_runs.create_consumer(
        take, on_partitions_revoked=pass_over, on_partitions_assigned=pass_over
    )
    first, second = TP("events", 0), TP("events", 1)
    consumer._read_offset[first] = 1000

    async def getmany(timeout: float) -> Any:  # noqa: ASYNC109 - Faust's own
        consumer._stopped.set()
        yield first, consumer._to_message(first, (fetched(0, 4), fetched(1, 72)))

    consumer.getmany = getmany
    await consumer._drain_messages(app)  # any service that goes on

    consumer._thread.thread_loop.close()

    assert [(each.value.partition, each.value.batches[-1].offset) for each in handed_over] == [(0, 4), (1, 72)]
    assert {tp: len(runs) for tp, runs in consumer._pending.items()} == {first: 1, second: 1}
