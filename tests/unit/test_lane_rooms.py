"""What all lanes of a consumer hold together is bounded, whenever each of them came."""

from collections.abc import Callable, Sequence

from eventstreams.kafka.records import Partition, Record
from eventstreams.telemetry.metrics import Metrics
from sink_workers.lanes.handler import LaneHandle, Limits
from sink_workers.lanes.lanes import Lanes

ALL_BYTES = 64 << 20


class Flow:
    """Nobody fetches."""

    def pause(self, partition: Partition) -> None: ...
    def resume(self, partition: Partition) -> None: ...

    def may_begin(self) -> bool:
        return True


class Never:
    """A handler whose sinks take nothing."""

    def limits(self, _: Partition) -> Limits:
        return Limits(max_batch_events=1, max_batch_bytes=1, linger_s=0, max_in_flight=0)

    def ready_at_ms(self, _: Record) -> int:
        return 0

    def deadline_ms(self, _: Record) -> int:
        return 1 << 60

    def attach(self, _: Partition, wake: Callable[[], None]) -> Callable[[], None]:
        return wake

    async def handle(self, records: Sequence[Record], lane: LaneHandle) -> None:
        raise AssertionError


def rooms(lanes: Lanes) -> list[int]:
    return [lane.buffer_bytes for lane in lanes._lanes.values()]


async def test_lanes_that_come_one_by_one_share_the_room_and_get_it_back() -> None:
    lanes = Lanes(
        "subscription",
        Never(),
        metrics=Metrics(),
        clock=lambda: 0,
        drain_s=0,
        on_crash=lambda _: None,
    )
    lanes.flow = Flow()
    partitions = [Partition(f"t{number}", 0) for number in range(100)]

    for partition in partitions:
        lanes.on_assigned({partition: None})
        assert sum(rooms(lanes)) <= ALL_BYTES
    assert len(set(rooms(lanes))) == 1

    await lanes.on_revoked(partitions[:50])
    lanes.on_lost(partitions[50:98])

    assert rooms(lanes) == [8 << 20] * 2
    lanes.on_lost(partitions[98:])
